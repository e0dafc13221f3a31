using Graft.Torch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Graft.Cli.Commands;

/// <summary>The processes that the environment says work together (<see cref="ProcessPlace"/>).</summary>
internal static class Processes
{
    /// <summary>Set for processes that <c>graft launch</c> started: it says itself that one was lost.</summary>
    internal const string LaunchedVariable = "GRAFT_LAUNCHED";

    /// <summary>Of a process that lost another one.</summary>
    internal const int LostCode = 3;

    /// <summary>Meets the others; null where this process is the only one.</summary>
    /// <param name="device">The device that was asked for. Where that is any GPU, each process of a machine takes its own.</param>
    internal static (ProcessGroup? Group, string Device) Join(string device)
    {
        if (ProcessPlace.FromEnvironment() is not { } place)
            return (null, device);
        var parsed = Device.Parse(device);
        if (parsed.Type == DeviceType.Cuda && !device.Contains(':', StringComparison.Ordinal))
            parsed = Device.Parse($"cuda:{place.LocalRank}");
        return (new ProcessGroup(place, parsed), $"{parsed}");
    }

    /// <summary>What a process says: of several, the first alone.</summary>
    internal static ILogger LoggerOf(ProcessGroup? group) => group is null or { Rank: 0 } ? Terminal.Logger : NullLogger.Instance;
}
