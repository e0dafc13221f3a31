using System.Globalization;

namespace Graft.Torch;

/// <summary>
/// A process's place among several, and where they meet. <c>graft launch</c>, torchrun and Kubernetes' PyTorchJob say it in the
/// environment, and a batch script can do the same for Slurm.
/// </summary>
public sealed record ProcessPlace
{
    /// <summary>How long a process waits for another, unless the environment variable <c>GRAFT_PEER_TIMEOUT</c> (seconds) says otherwise; c10d's own.</summary>
    public static readonly TimeSpan UsualTimeout = TimeSpan.FromMinutes(30);

    private const string RankVariable = "RANK";
    private const string SizeVariable = "WORLD_SIZE";
    private const string HostVariable = "MASTER_ADDR";
    private const string PortVariable = "MASTER_PORT";
    private const string TimeoutVariable = "GRAFT_PEER_TIMEOUT";
    private const string ToDo = "start the processes with `graft launch` or torchrun, or unset RANK and WORLD_SIZE for one process";

    /// <summary>Number of this process, from 0.</summary>
    public required int Rank { get; init; }

    /// <summary>Number of processes: the world size.</summary>
    public required int Size { get; init; }

    /// <summary>Name or address of the machine of process 0, where all meet.</summary>
    public required string Host { get; init; }

    /// <summary>Port there.</summary>
    public required int Port { get; init; }

    /// <summary>How long a process waits for another before it counts as lost.</summary>
    public TimeSpan Timeout { get; init; } = UsualTimeout;

    /// <summary>Number of this process on its machine, from 0: which of its GPUs to take.</summary>
    public int LocalRank { get; init; }

    /// <summary>Whether process 0 holds the store that all meet at; torchrun holds one itself.</summary>
    public bool Serves { get; init; } = true;

    /// <summary>Keeps apart groups that meet at one store: torchrun starts processes again at the store that it holds.</summary>
    public string Prefix { get; init; } = "graft";

    /// <summary>
    /// The place that <c>RANK</c>, <c>WORLD_SIZE</c>, <c>MASTER_ADDR</c> and <c>MASTER_PORT</c> say; null where the process is the only one:
    /// <c>RANK</c> and <c>WORLD_SIZE</c> are not set, or the size is 1.
    /// </summary>
    /// <param name="variable">Value of a variable; not given: of the process's environment.</param>
    /// <exception cref="InputException">A variable is missing or makes no sense; the sentence names it.</exception>
    public static ProcessPlace? FromEnvironment(Func<string, string?>? variable = null)
    {
        var read = variable ?? Environment.GetEnvironmentVariable;
        string? Value(string name) => read(name) is { Length: > 0 } value ? value : null;
        if (Value(RankVariable) is null && Value(SizeVariable) is null)
            return null;
        var size = Number(SizeVariable, 1, int.MaxValue, "1 or more");
        var rank = Number(RankVariable, 0, size - 1, $"from 0 to {size - 1}, since WORLD_SIZE is {size}");
        if (size == 1)
            return null;
        return new ProcessPlace
        {
            Rank = rank,
            Size = size,
            Host = Value(HostVariable) ?? throw new InputException($"The environment variable {HostVariable} is missing and {SizeVariable} is {size}: {ToDo}."),
            Port = Number(PortVariable, 1, ushort.MaxValue, $"from 1 to {ushort.MaxValue}"),
            Timeout = Value(TimeoutVariable) is null ? UsualTimeout : TimeSpan.FromSeconds(Number(TimeoutVariable, 1, 7 * 24 * 3600, "from 1 second to a week's 604800")),
            LocalRank = Value("LOCAL_RANK") is null ? 0 : Number("LOCAL_RANK", 0, int.MaxValue, "0 or more"),
            Serves = Value("TORCHELASTIC_USE_AGENT_STORE") != "True",
            Prefix = $"graft/{Value("TORCHELASTIC_RESTART_COUNT") ?? "0"}",
        };

        int Number(string name, int least, int most, string bound)
        {
            var text = Value(name) ?? throw new InputException($"The environment variable {name} is missing, and others say that there are several processes: {ToDo}.");
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw new InputException($"The environment variable {name} is '{text}' and must be {bound}: {ToDo}.");
        }
    }
}
