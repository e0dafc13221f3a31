using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary>A network that is timed.</summary>
/// <param name="Name">Of its folder and in tables.</param>
/// <param name="Config">Path of its config.json.</param>
/// <param name="Batch">Items of a step.</param>
internal sealed record Subject(string Name, string Config, int Batch);

/// <summary>Settings of a run.</summary>
internal sealed record ContestOptions
{
    public required string Out { get; init; }

    public required Entry Ours { get; init; }

    public required IReadOnlyList<Entry> Theirs { get; init; }

    public required IReadOnlyList<int> Threads { get; init; }

    public int Rounds { get; init; } = 9;

    /// <summary>About how long a contestant works in a round at one kind of step.</summary>
    public double RoundSeconds { get; init; } = 2;

    public string Device { get; init; } = "cpu";

    public bool TensorFloat { get; init; }

    /// <summary>Of outputs, loss, gradients and samples; larger for TensorFloat-32.</summary>
    public double Tolerance { get; init; } = Parity.Tolerance;
}

/// <summary>Makes a network, lets both sides prove that they compute the same, and times them in alternating rounds.</summary>
internal sealed class Contest(ContestOptions options, Action<string> say)
{
    private const double DrawnDeviation = 0.1;

    internal static readonly string[] Kinds = ["train", "sample"];

    internal Result Run(Subject subject)
    {
        var folder = Path.Combine(options.Out, subject.Name);
        var network = DenoisingNetworks.Read((JsonObject)JsonNode.Parse(File.ReadAllText(subject.Config))!, subject.Config);
        long parameters;
        using (var model = DiffusionModel.Create(network, new ScheduleOptions { ClipSample = network.MakesPictures }, seed: 1))
        {
            TorchRuntime.Run(() => DrawZeros(model.Network));
            model.Save(folder);
            parameters = TorchRuntime.Run(() => model.Network.ParameterCount);
        }

        var result = new Result(subject.Name, subject.Batch, parameters, Parity.Operations(network), TheirsFor(network));
        CheckParity(subject, folder, result);
        foreach (var threads in options.Threads)
            result.Timings.Add(Time(subject, folder, threads, result));
        if (options.Device == "cpu")
            WeighMemory(subject, folder, result);
        return result;
    }

    /// <summary>A network whose last layer starts at zero would agree with every other: weights that are all zero are drawn.</summary>
    private static void DrawZeros(DenoisingNetwork network)
    {
        using var scope = new TensorScope();
        foreach (var (name, value) in network.TrainableParameters().Where(p => p.Value.Dims > 1 && p.Value.Abs().Max().Item() == 0))
            value.CopyFrom(new KeyedRandom(1, $"benchmark/{name}").Normal(0, [0], value.Shape).Reshape(value.Shape.ToArray()) * DrawnDeviation);
    }

    /// <summary>All, but no order of memory that only pictures have.</summary>
    private List<Entry> TheirsFor(DenoiserOptions network)
    {
        var fitting = options.Theirs.Where(e => network.MakesPictures || e.Variant?.StartsWith("channels_last", StringComparison.Ordinal) != true).ToList();
        return fitting.Count > 0 ? fitting : throw new InputException($"channels_last is an order of pictures' memory, and {network.ClassName} makes none: give the variant plain.");
    }

    private Contestant Start(Entry entry, Subject subject, string folder, int threads) =>
        new(entry, folder, subject.Batch, threads, options.Device, options.TensorFloat);

    private void CheckParity(Subject subject, string folder, Result result)
    {
        foreach (var theirs in result.Theirs)
        {
            foreach (var entry in (Entry[])[options.Ours, theirs])
            {
                using var contestant = Start(entry, subject, folder, options.Threads[0]);
                var counted = contestant.Parity(folder);
                result.Versions[entry.Name] = contestant.Version;
                if (counted.GetProperty("operations").Deserialize<long?>() != result.Forward || counted.GetProperty("parameters").GetInt64() != result.Parameters)
                    throw new InputException($"{entry.Name} counts other operations or parameters of {subject.Name}: {counted} where {result.Forward} and {result.Parameters} are due.");
            }

            foreach (var comparison in Parity.Compare(folder, options.Tolerance))
            {
                say($"{subject.Name}: {theirs.Name}: {comparison.What} differ by {comparison.Difference:0.0e+0} (allowed {comparison.Allowed:0.0e+0})");
                if (!comparison.Holds)
                    throw new InputException($"{subject.Name} is not timed: {comparison.What} of Graft and {theirs.Name} differ by {comparison.Difference:0.0e+0}, more than {comparison.Allowed:0.0e+0}.");
                result.Parity.Add((theirs.Name, comparison));
            }
        }
    }

    private Timing Time(Subject subject, string folder, int threads, Result result)
    {
        var all = new List<Contestant>();
        try
        {
            foreach (var entry in (Entry[])[options.Ours, .. result.Theirs])
                all.Add(Start(entry, subject, folder, threads));
            var timing = new Timing(threads);
            foreach (var kind in Kinds)
            {
                // The first steps compile, allocate and choose algorithms; the second call says how long a step is.
                foreach (var contestant in all)
                    contestant.Time(kind, 1);
                var pace = all.Max(c => c.Time(kind, 2).Seconds);
                timing.Steps[kind] = Math.Clamp((int)Math.Round(options.RoundSeconds / pace), 1, 50);
            }

            for (var round = 0; round < options.Rounds; round++)
            {
                foreach (var kind in Kinds)
                {
                    // Whoever goes first in a round goes last in the next.
                    for (var i = 0; i < all.Count; i++)
                    {
                        var contestant = all[(i + round) % all.Count];
                        timing.Add(kind, contestant.Entry.Name, contestant.Time(kind, timing.Steps[kind]));
                    }
                }

                foreach (var contestant in all)
                    timing.AddRate(contestant.Entry.Name, contestant.MatrixProduct());
                say($"{subject.Name}, {threads} threads, round {round + 1}: " + string.Join("; ", Kinds.Select(kind =>
                    $"{kind} " + string.Join(" ", all.Select(c => $"{c.Entry.Name} {timing.Last(kind, c.Entry.Name):0.000}")))));
            }

            return timing;
        }
        finally
        {
            foreach (var contestant in all)
                contestant.Dispose();
        }
    }

    private void WeighMemory(Subject subject, string folder, Result result)
    {
        foreach (var entry in (Entry[])[options.Ours, .. result.Theirs])
        {
            foreach (var kind in Kinds)
            {
                // A process of its own for each kind: what one has touched stays in the high-water mark.
                using var contestant = Start(entry, subject, folder, options.Threads[0]);
                contestant.Time(kind, 3);
                result.Memory[(kind, entry.Name)] = contestant.Memory();
            }
        }
    }
}
