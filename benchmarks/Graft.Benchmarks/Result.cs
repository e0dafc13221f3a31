using Graft.Planning;

namespace Graft.Benchmarks;

/// <summary>What was measured of one network.</summary>
/// <param name="Subject">Its name.</param>
/// <param name="Batch">Items of a step.</param>
/// <param name="Parameters">How many.</param>
/// <param name="Forward">Operations of a forward pass for one item; null: nobody counts them.</param>
/// <param name="Theirs">Whom it was measured against.</param>
internal sealed record Result(string Subject, int Batch, long Parameters, long? Forward, IReadOnlyList<Entry> Theirs)
{
    internal Dictionary<string, string> Versions { get; } = new(StringComparer.Ordinal);

    internal List<(string Theirs, Parity.Comparison Comparison)> Parity { get; } = [];

    internal List<Timing> Timings { get; } = [];

    /// <summary>Peak of resident memory beyond what the process took when its libraries were loaded, in bytes.</summary>
    internal Dictionary<(string Kind, string Name), long> Memory { get; } = [];

    /// <summary>Operations of a step of the whole batch.</summary>
    internal double? Operations(string kind) => (double?)Forward * Batch * (kind == "train" ? NetworkCost.Training : 1);
}

/// <summary>Median, smallest and largest.</summary>
internal readonly record struct Spread(double Median, double Least, double Most)
{
    internal static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        var middle = sorted.Length / 2;
        return new Spread(sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[0], sorted[^1]);
    }
}

/// <summary>Rounds of all contestants at one number of threads.</summary>
internal sealed class Timing(int threads)
{
    private readonly Dictionary<(string Kind, string Name), List<Measured>> _rounds = [];
    private readonly Dictionary<string, List<double>> _rates = new(StringComparer.Ordinal);

    internal int Threads => threads;

    /// <summary>Steps of a round, by kind.</summary>
    internal Dictionary<string, int> Steps { get; } = new(StringComparer.Ordinal);

    internal void Add(string kind, string name, Measured measured)
    {
        if (!_rounds.TryGetValue((kind, name), out var list))
            _rounds[(kind, name)] = list = [];
        list.Add(measured);
    }

    internal void AddRate(string name, double rate)
    {
        if (!_rates.TryGetValue(name, out var list))
            _rates[name] = list = [];
        list.Add(rate);
    }

    internal double Last(string kind, string name) => _rounds[(kind, name)][^1].Seconds;

    internal Spread Wall(string kind, string name) => Spread.Of(_rounds[(kind, name)].Select(m => m.Seconds));

    internal Spread Cpu(string kind, string name) => Spread.Of(_rounds[(kind, name)].Select(m => m.Cpu));

    internal Spread Rate(string name) => Spread.Of(_rates[name]);

    /// <summary>Theirs over ours, round by round: what disturbs a round disturbs both.</summary>
    internal Spread Ratio(string kind, string ours, string theirs, Func<Measured, double> of) =>
        Spread.Of(_rounds[(kind, theirs)].Zip(_rounds[(kind, ours)], (a, b) => of(a) / of(b)));
}
