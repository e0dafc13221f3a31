using System.Text.Json.Nodes;
using Graft.Comparison;
using Graft.Recipes;

namespace Graft.Planning;

/// <summary>Makes the part of a <see cref="MeasuredTable"/> that comes of one comparison, from its finished cells. It needs no libtorch.</summary>
public static class Distillation
{
    private const string Kernel = "kernel_";
    private const string Memorisation = "memorisation";

    /// <summary>Distils.</summary>
    /// <param name="recipe">The comparison; its cells lie in <see cref="CompareRecipe.Out"/>.</param>
    /// <param name="command">The command that did it, for the record.</param>
    /// <exception cref="InputException">No cell is finished, a cell belongs to another recipe, or no feature network looked at them.</exception>
    public static MeasuredComparison Of(CompareRecipe recipe, string? command = null)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        recipe.Check();
        var cells = ComparisonRun.Cells(recipe).Select(c => (Cell: c, Json: c.Read(recipe))).Where(c => c.Json is not null).Select(c => (c.Cell, Json: c.Json!)).ToList();
        var trained = cells.Where(c => c.Cell.Step > 0).ToList();
        if (trained.Count == 0)
            throw new InputException($"The comparison {recipe.Name} has no finished cell of a method in {recipe.Out}: run `graft compare` first.");
        var spaces = trained[0].Json["metrics"]!.AsObject().Select(m => m.Key).Where(k => k.StartsWith(Kernel, StringComparison.Ordinal)).Select(k => k[Kernel.Length..]).ToList();
        if (spaces.Count == 0)
            throw new InputException($"The comparison {recipe.Name} has no distances between sets to plan by: give it feature networks and reference pictures.");
        var hashes = cells.Select(c => (string?)c.Json["source"]).Distinct().ToList();
        if (hashes is not [{ } hash])
            throw new InputException($"The cells of {recipe.Out} come from {hashes.Count} different sources: run the comparison again in another folder.");
        var source = PlanSource.Of(recipe.Source);
        return new MeasuredComparison
        {
            Name = recipe.Name,
            Command = command,
            Versions = [.. cells.Select(c => (string?)c.Json["graft"]).OfType<string>().Distinct().Order(StringComparer.Ordinal)],
            Threads = [.. cells.Select(c => (int?)c.Json["threads"]).OfType<int>().Distinct().Order()],
            Seeds = recipe.Seeds,
            Cells = [cells.Count, ComparisonRun.Cells(recipe).Count()],
            Source = recipe.Source,
            SourceSha256 = hash,
            Picture = [source.Shape.Channels, source.Shape.Height, source.Shape.Width],
            Gigaflop = Math.Round(source.Cost.Operations / 1e9, 4),
            Samples = recipe.Samples,
            Spaces = spaces,
            TrainingPictures = cells.GroupBy(c => c.Cell.Target).ToDictionary(g => g.Key, g => (int)g.First().Json["training_pictures"]!),
            Methods = trained.GroupBy(c => c.Cell.Method).ToDictionary(g => g.Key, g => MethodOf(recipe, g.Key, g.ToList(), spaces, source.Cost.Parameters)),
        };
    }

    private static MeasuredMethod MethodOf(
        CompareRecipe recipe, string name, List<(ComparisonCell Cell, JsonObject Json)> cells, List<string> spaces, long parameters)
    {
        var settings = recipe.SettingsOf(name);
        return new MeasuredMethod
        {
            Method = (string)settings["method"]!,
            MethodOptions = settings["method_options"]!.DeepClone().AsObject(),
            Training = settings["training"]!.DeepClone().AsObject(),
            TrainedShare = Round((double)cells[0].Json["trained_parameters"]! / parameters),
            Points = [.. cells.GroupBy(c => (c.Cell.Target, c.Cell.Step)).Select(g => PointOf(g.Key.Target, g.Key.Step, [.. g.Select(c => c.Json)], spaces)).OfType<MeasuredPoint>()],
        };
    }

    /// <summary>Null where the target has no reference pictures, so that nothing says how good it is.</summary>
    private static MeasuredPoint? PointOf(string target, long step, IReadOnlyList<JsonObject> cells, List<string> spaces)
    {
        var kernels = spaces.ToDictionary(s => s, s => Spread(cells, c => Value(c, Kernel + s, "kernel_distance")));
        if (kernels.Values.Any(k => k is null))
            return null;
        return new MeasuredPoint
        {
            Target = target,
            Step = step,
            Seeds = cells.Count,
            Seconds = Math.Round(cells.Average(c => (double)c["training_seconds"]!), 1),
            Memorised = Round(cells.Average(c => c["metrics"]!.AsObject().Select(m => m.Key).Where(k => k.StartsWith(Memorisation, StringComparison.Ordinal))
                .Max(k => Value(c, k, "memorised_share") ?? 0))),
            Kernel = kernels.ToDictionary(k => k.Key, k => Round(k.Value!.Value.Mean)),
            KernelDeviation = kernels.Where(k => k.Value!.Value.Deviation is not null).ToDictionary(k => k.Key, k => Round(k.Value!.Value.Deviation!.Value)),
        };
    }

    private static SeedSpread? Spread(IEnumerable<JsonObject> cells, Func<JsonObject, double?> value)
    {
        var values = cells.Select(value).ToList();
        return values.Contains(null) ? null : SeedSpread.Of([.. values.OfType<double>()]);
    }

    private static double? Value(JsonObject cell, string metric, string value) => (double?)cell["metrics"]![metric]?["values"]?[value]?["value"];

    /// <summary>Six digits are more than the seeds' spread leaves.</summary>
    private static double Round(double value) => double.Parse(value.ToString("G6", System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);
}
