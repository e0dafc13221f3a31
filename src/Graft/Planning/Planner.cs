using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Recipes;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Planning;

/// <summary>Makes a plan of a request and of what was measured. It draws nothing, loads nothing, and says what it does not know.</summary>
public static class Planner
{
    private const string Unmeasured = Finetune.MethodName;
    private const double MemoryShare = 0.8;
    private const int PairwiseBatch = 3;

    /// <summary>Plans.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="table">What was measured.</param>
    /// <exception cref="InputException">The request makes no sense, or its method is unknown.</exception>
    public static Plan Make(PlanRequest request, MeasuredTable table)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(table);
        if (request.Pictures < 1)
            throw new InputException("A plan needs at least one picture.");
        if (request.BatchSize is < 1)
            throw new InputException("The batch size must be at least 1.");
        if (request.Bar is not (>= 0 and <= 1))
            throw new InputException("The share of copies that is put up with must lie between 0 and 1.");
        var reasons = new List<string>();
        var warnings = new List<string>();
        var measured = Nearest(table, request);
        var chosen = measured is null ? null : Choose(request, measured, reasons, warnings);
        var method = Prepare(request, chosen, reasons, warnings);
        Resolve(request, chosen, ref method, reasons, warnings, out var memory);
        if (measured is not null)
            Extrapolations(request, measured, warnings);
        var (seconds, from) = TimeOf(request, measured, chosen, method);
        return new Plan
        {
            Method = method,
            Measured = measured,
            MeasuredMethod = chosen?.Method,
            Memory = memory,
            Seconds = seconds,
            SecondsFrom = from,
            Reasons = reasons,
            Warnings = warnings,
            Settings = SettingsOf(method),
        };
    }

    /// <summary>
    /// Of each comparison the targets with one number of pictures; of these, those with the method that was asked for, if any has it; whose number is the most similar; then, whose
    /// pictures have the most similar size; then, of which most was measured.
    /// </summary>
    private static MeasuredComparison? Nearest(MeasuredTable table, PlanRequest request) => table.Comparisons.SelectMany(c => c.ByPictures())
        .OrderByDescending(c => request.Method is { } wanted && c.Methods.Values.Any(m => m.Method == wanted))
        .ThenBy(c => Math.Abs(Math.Log((double)request.Pictures / c.TrainingPictures.Values.First())))
        .ThenBy(c => Math.Abs(Math.Log((double)request.Source.Shape.Elements / c.Picture.Aggregate((a, b) => a * b))))
        .ThenByDescending(c => c.TrainingPictures.Count * c.Seeds.Count)
        .FirstOrDefault();

    private static RankedMethod? Choose(PlanRequest request, MeasuredComparison measured, List<string> reasons, List<string> warnings)
    {
        var ranked = MethodChoice.Rank(measured, request.Bar);
        var bar = Percent(request.Bar);
        if (request.Method is { } wanted)
        {
            var found = ranked.FirstOrDefault(m => m.Method.Method == wanted);
            reasons.Add(found is null
                ? $"{wanted} was asked for; {measured.Name} did not measure it, so its own defaults are taken."
                : $"{wanted} was asked for; {measured.Name} ranks it {ranked.ToList().IndexOf(found) + 1} of {ranked.Count}.");
            return found;
        }

        var able = ranked.Where(m => MethodChoice.StepsOf(m) is not null).ToList();
        if (able.Count == 0)
        {
            warnings.Add($"In {measured.Name} every method has more than {bar} copies among its samples at every measured step: the plan is for {Unmeasured} with its own defaults; stop it by what its meter says.");
            return null;
        }

        var best = able[0];
        reasons.Add(string.Create(CultureInfo.InvariantCulture,
            $"{best.Name} comes first in {measured.Name} (mean rank {best.MeanRank:0.#} of {ranked.Count} over {Targets(best.Best.Count)}), each method at its best step with at most {bar} copies, by kernel distance in {measured.Spaces[0]}{(able.Count > 1 ? $"; {MethodChoice.Lead(best, able[1], measured.Spaces[0])}" : "")}."));
        foreach (var space in measured.Spaces.Skip(1))
        {
            var other = MethodChoice.Rank(measured, request.Bar, space)[0];
            reasons.Add(other.Name == best.Name ? $"{space} ranks it first too." : $"{space} would rank {other.Name} first: the choice depends on the network that looks.");
        }

        return best;
    }

    private static string Targets(int count) => count == 1 ? "1 target" : string.Create(CultureInfo.InvariantCulture, $"{count} targets");

    private static TransferMethod Prepare(PlanRequest request, RankedMethod? chosen, List<string> reasons, List<string> warnings)
    {
        if (chosen is null)
        {
            var name = request.Method ?? Unmeasured;
            var plain = TransferMethods.Create(name);
            if (request.Method is null && warnings.Count == 0)
                reasons.Add($"Nothing has been measured yet that could rank the methods: {name} is the baseline.");
            reasons.Add($"{plain.Steps} steps of {plain.Training.BatchSize} are {name}'s own defaults, not measured.");
            if (request.BatchSize is { } size)
                plain = plain with { Training = plain.Training with { BatchSize = size } };
            return plain;
        }

        var measuredMethod = chosen.Method;
        var method = TransferMethods.Create(measuredMethod.Method, measuredMethod.MethodOptions.DeepClone().AsObject());
        var training = Recipe.Describe(method.Training);
        foreach (var (key, value) in measuredMethod.Training)
            training[key] = value?.DeepClone();
        var (batch, measuredBatch) = (request.BatchSize ?? measuredMethod.BatchSize, measuredMethod.BatchSize);
        var steps = MethodChoice.StepsOf(chosen);
        if (steps is null)
            warnings.Add($"At every measured step more than {Percent(request.Bar)} of {chosen.Name}'s samples were copies: its own default of {method.Steps} steps is no recommendation.");
        var scaled = steps is { } found ? TwoDigits(found * (double)measuredBatch / batch) : method.Steps;
        method = method with { Training = Recipe.Bind<TrainingOptions>(training, "training") with { Steps = scaled, BatchSize = batch, Accumulation = 1 } };
        if (method is ConditionTuning)
            warnings.Add("What its modules keep for the gradients is not in the memory: full ones behind every block may need several times as much.");
        if (method is ConditionTuning { Encoder: { } encoder })
            warnings.Add($"Its conditions were embedded by {encoder}, which must know your kind of pictures: with another kind give CLIP itself, or another encoder, as method_options.encoder.");
        if (steps is not null)
            reasons.Add(StepReason(chosen, steps.Value, scaled, measuredBatch, batch));
        return method;
    }

    private static string StepReason(RankedMethod chosen, long steps, long scaled, int measuredBatch, int batch)
    {
        var points = chosen.Method.Points.Select(p => p.Step).ToList();
        var best = string.Join(", ", chosen.Best.Select(b => $"{b.Target} {b.Point?.Step.ToString(CultureInfo.InvariantCulture) ?? "none"}"));
        var edge = steps == points.Max() ? "; it is the last that was measured, so that more may be better" : steps == points.Min() ? "; it is the first that was measured, so that fewer may be better" : "";
        var scaling = batch == measuredBatch ? "" : $", times {measuredBatch}/{batch} so that as many pictures are seen as in the measured batches of {measuredBatch} (not itself measured)";
        return $"{scaled} steps: the median of the best measured steps ({best}){scaling}{edge}.";
    }

    /// <summary>Splits the batch where it does not fit, and says what a batch is too small for.</summary>
    private static void Resolve(
        PlanRequest request, RankedMethod? chosen, ref TransferMethod method, List<string> reasons, List<string> warnings, out MemoryEstimate memory)
    {
        var pairwise = method is PairwiseAdaptation;
        var batch = method.Training.BatchSize;
        if (pairwise && batch < PairwiseBatch)
            throw new InputException($"{method.Name} compares the pictures of a batch with each other and needs {PairwiseBatch} at a time: give a batch of {PairwiseBatch} or more, or another --method.");
        var trained = (long)((chosen?.Method.TrainedShare ?? 1) * request.Source.Cost.Parameters);
        var parts = 1;
        memory = Estimate(batch);
        var most = request.Memory is { } given ? given * MemoryShare : double.PositiveInfinity;
        var fewest = pairwise ? PairwiseBatch : 1;
        for (var candidate = 2; memory.Total > most && candidate <= batch / fewest; candidate++)
        {
            if (batch % candidate == 0)
                (parts, memory) = (candidate, Estimate(batch / candidate));
        }

        if (parts > 1)
            reasons.Add($"accumulation {parts}: {batch} pictures together would not fit into {Percent(MemoryShare)} of the memory.{(pairwise ? $" {method.Name} then compares {batch / parts} pictures with each other, which is not what was measured." : "")}");
        if (memory.Total > most)
            warnings.Add("It may not fit into this machine's memory, however the batch is split: set training.recompute_blocks, which keeps less than is counted here, or take a smaller source or another machine.");
        method = method with { Training = method.Training with { Accumulation = parts } };

        MemoryEstimate Estimate(int together) => MemoryEstimate.Of(request.Source.Cost, trained, together, pairwise, request.OwnConvolutions && request.Source.Cost.FitsOwnConvolutions);
    }

    private static void Extrapolations(PlanRequest request, MeasuredComparison measured, List<string> warnings)
    {
        var counts = measured.TrainingPictures.Values.Distinct().Order().ToList();
        var shape = request.Source.Shape;
        var same = measured.Picture is [var c, var h, var w] && (c, h, w) == (shape.Channels, shape.Height, shape.Width);
        if (!same || !counts.Contains(request.Pictures))
        {
            warnings.Add($"Measured only for {string.Join(" and ", counts)} pictures of {measured.Picture[1]} x {measured.Picture[2]} x {measured.Picture[0]} ({measured.Name}, source {measured.Source}); "
                + $"yours are {request.Pictures} of {shape.Height} x {shape.Width} x {shape.Channels}: an extrapolation, with the steps kept as they are, since nothing measured says how they change.");
        }

        if (measured.Cells is [var done, var all] && done < all)
            warnings.Add($"The comparison {measured.Name} is not finished: {done} of {all} cells.");
    }

    private static (double? Seconds, string From) TimeOf(PlanRequest request, MeasuredComparison? measured, RankedMethod? chosen, TransferMethod method)
    {
        if (measured is null || chosen is null)
            return (null, "not known without a probe: nothing was measured");
        var rates = chosen.Method.Points.Where(p => p.Seconds > 0).Select(p => p.Seconds / p.Step).Order().ToList();
        if (rates.Count == 0)
            return (null, "not known without a probe: the measurements have no times");
        var rate = rates[rates.Count / 2];
        var ratio = request.Source.Cost.Operations / 1e9 / measured.Gigaflop * method.Training.BatchSize / chosen.Method.BatchSize;
        var threads = measured.Threads.Count == 0 ? "" : $" on {string.Join(" or ", measured.Threads)} thread{(measured.Threads is [1] ? "" : "s")}";
        return (rate * ratio * method.Training.Steps, string.Create(CultureInfo.InvariantCulture,
            $"{measured.Name}'s {rate:0.###} s a step{threads} on the machine that measured it, times {ratio:0.##} for GFLOP and batch; a probe tells more of this one"));
    }

    /// <summary>What differs from the method's own defaults.</summary>
    private static IReadOnlyList<string> SettingsOf(TransferMethod method)
    {
        var plain = TransferMethods.Create(method.Name);
        return [.. Differences(Recipe.Describe(plain), Recipe.Describe(method), "method_options"), .. Differences(Recipe.Describe(plain.Training), Recipe.Describe(method.Training), "training").Where(s => !s.StartsWith("training.steps=", StringComparison.Ordinal))];
    }

    private static IEnumerable<string> Differences(JsonObject plain, JsonObject own, string under) =>
        own.Where(p => !JsonNode.DeepEquals(plain[p.Key], p.Value)).Select(p => $"{under}.{p.Key}={p.Value?.ToJsonString() ?? "null"}");

    private static long TwoDigits(double steps)
    {
        var unit = Math.Pow(10, Math.Max(0, Math.Floor(Math.Log10(Math.Max(1, steps))) - 1));
        return Math.Max(1, (long)(Math.Round(steps / unit) * unit));
    }

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.#} %");
}
