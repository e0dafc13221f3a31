using System.Reflection;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Recipes;

namespace Graft.Planning;

/// <summary>
/// What comparisons measured, distilled to what a plan needs. The project's own is part of the program (<c>measured.json</c> beside this
/// file), so that a published program has it too; it is generated from results, never written by hand.
/// </summary>
public sealed record MeasuredTable
{
    private const int KnownFormat = 1;
    private const string Resource = "Graft.Planning.measured.json";

    /// <summary>Version of the layout.</summary>
    public int Format { get; init; } = KnownFormat;

    /// <summary>The comparisons; none: nothing has been measured yet.</summary>
    public IReadOnlyList<MeasuredComparison> Comparisons { get; init; } = [];

    /// <summary>The project's own table.</summary>
    public static MeasuredTable Own()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)!;
        return Bind(JsonNode.Parse(stream)!.AsObject(), Resource);
    }

    /// <summary>Reads a table from a file.</summary>
    /// <exception cref="InputException">It is missing, or no such table.</exception>
    public static MeasuredTable Read(string path) => Bind(JsonStyle.ReadObject(path), path);

    /// <summary>The table as indented JSON.</summary>
    public string ToJsonText() => Recipe.Describe(this).ToJsonString(JsonStyle.Indented) + "\n";

    private static MeasuredTable Bind(JsonObject json, string where)
    {
        var table = Recipe.Bind<MeasuredTable>(json, where);
        return table.Format == KnownFormat
            ? table
            : throw new InputException($"The table {where} has format {table.Format}, and this version of graft knows {KnownFormat}: distil it again.");
    }
}

/// <summary>One comparison's measurements, and where they come from.</summary>
public sealed record MeasuredComparison
{
    /// <summary>The recipe's name.</summary>
    public required string Name { get; init; }

    /// <summary>The command that distilled it.</summary>
    public string? Command { get; init; }

    /// <summary>Versions of graft that made the cells; empty where they do not say.</summary>
    public IReadOnlyList<string> Versions { get; init; } = [];

    /// <summary>Threads that the cells were computed with; empty where they do not say.</summary>
    public IReadOnlyList<int> Threads { get; init; } = [];

    /// <summary>The seeds.</summary>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <summary>Finished cells, and of how many.</summary>
    public required IReadOnlyList<int> Cells { get; init; }

    /// <summary>The source model.</summary>
    public required string Source { get; init; }

    /// <summary>SHA-256 of its weights, as <see cref="DiffusionModel.Fingerprint"/> gives it.</summary>
    public required string SourceSha256 { get; init; }

    /// <summary>Its pictures: channels, height, width.</summary>
    public required IReadOnlyList<int> Picture { get; init; }

    /// <summary>GFLOP of its forward pass for one picture.</summary>
    public required double Gigaflop { get; init; }

    /// <summary>Samples of a measurement.</summary>
    public required int Samples { get; init; }

    /// <summary>The spaces of the distances between sets; the first decides, the others are asked whether they agree.</summary>
    public required IReadOnlyList<string> Spaces { get; init; }

    /// <summary>Training pictures of each target.</summary>
    public required IReadOnlyDictionary<string, int> TrainingPictures { get; init; }

    /// <summary>The methods by the names that the recipe gives them.</summary>
    public required IReadOnlyDictionary<string, MeasuredMethod> Methods { get; init; }

    /// <summary>The comparison as if it had only had the targets of one number of training pictures: a method's best steps depend on it.</summary>
    internal IEnumerable<MeasuredComparison> ByPictures() => TrainingPictures.GroupBy(t => t.Value, t => t.Key).Select(group =>
    {
        var targets = group.ToHashSet();
        return this with
        {
            TrainingPictures = targets.ToDictionary(t => t, t => group.Key),
            Methods = Methods
                .Select(m => (m.Key, Value: m.Value with { Points = [.. m.Value.Points.Where(p => targets.Contains(p.Target))] }))
                .Where(m => m.Value.Points.Count > 0).ToDictionary(m => m.Key, m => m.Value),
        };
    });
}

/// <summary>One method's settings and measurements.</summary>
public sealed record MeasuredMethod
{
    /// <summary>The method.</summary>
    public required string Method { get; init; }

    /// <summary>Its options.</summary>
    public required JsonObject MethodOptions { get; init; }

    /// <summary>The training's settings that change weights.</summary>
    public required JsonObject Training { get; init; }

    /// <summary>Trained parameters, as a share of the source's.</summary>
    public required double TrainedShare { get; init; }

    /// <summary>Means over the seeds.</summary>
    public required IReadOnlyList<MeasuredPoint> Points { get; init; }

    /// <summary>Pictures of an optimiser step.</summary>
    internal int BatchSize => (int)Training["batch_size"]!;
}

/// <summary>What was measured of a method on a target at a step: means over the seeds.</summary>
public sealed record MeasuredPoint
{
    /// <summary>The target.</summary>
    public required string Target { get; init; }

    /// <summary>The step.</summary>
    public required long Step { get; init; }

    /// <summary>How many seeds.</summary>
    public required int Seeds { get; init; }

    /// <summary>Seconds of training up to the step.</summary>
    public required double Seconds { get; init; }

    /// <summary>Largest memorised share of any space, pixels among them.</summary>
    public required double Memorised { get; init; }

    /// <summary>Kernel distance to the reference pictures, for each space; lower is better.</summary>
    public required IReadOnlyDictionary<string, double> Kernel { get; init; }

    /// <summary>Deviation of the kernel distance over the seeds (divisor: seeds less one); none of one seed.</summary>
    public IReadOnlyDictionary<string, double> KernelDeviation { get; init; } = new Dictionary<string, double>();
}
