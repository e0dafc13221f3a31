using System.CommandLine;

namespace Graft.Cli.Commands;

internal static class DoctorCommand
{
    internal static Command Create() => new("doctor", "");
}
