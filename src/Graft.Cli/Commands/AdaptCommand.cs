using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class AdaptCommand
{
    internal static Command Create() => new("adapt", "");
}
