using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class PretrainCommand
{
    internal static Command Create() => new("pretrain", "");
}
