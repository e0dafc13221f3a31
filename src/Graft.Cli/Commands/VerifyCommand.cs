using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class VerifyCommand
{
    internal static Command Create() => new("verify", "");
}
