using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class InspectCommand
{
    internal static Command Create() => new("inspect", "");
}
