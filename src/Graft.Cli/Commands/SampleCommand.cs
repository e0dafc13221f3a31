using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class SampleCommand
{
    internal static Command Create() => new("sample", "");
}
