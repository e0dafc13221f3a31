using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class DemoCommand
{
    internal static Command Create() => new("demo", "");
}
