using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Graft.Diffusion;

/// <content>Reading and writing <c>scheduler_config.json</c>.</content>
public sealed partial record ScheduleOptions
{
    /// <summary>
    /// Reads a configuration. Absent keys, and null ones, take their defaults; unknown keys are kept in <see cref="Other"/>. In continuous
    /// time the spacing is trailing and nothing is clipped unless the keys say so.
    /// </summary>
    /// <exception cref="InputException">A value is unknown, of another type or out of range; the sentence names its key.</exception>
    public static ScheduleOptions FromJson(JsonObject json)
    {
        ArgumentNullException.ThrowIfNull(json);
        var keys = new Reader(JsonSerializer.SerializeToElement(json));
        var defaults = new ScheduleOptions();
        var betas = keys.Take("trained_betas");
        var betaSchedule = keys.Choice("beta_schedule", defaults.BetaSchedule);
        var continuous = betaSchedule == BetaSchedule.ContinuousVp; // its keys mean nothing to the others, which keep them
        var options = new ScheduleOptions
        {
            NumTrainTimesteps = keys.Int("num_train_timesteps", defaults.NumTrainTimesteps),
            BetaStart = keys.Number("beta_start", defaults.BetaStart),
            BetaEnd = keys.Number("beta_end", defaults.BetaEnd),
            BetaSchedule = betaSchedule,
            BetaMin = continuous ? keys.Number("beta_min", defaults.BetaMin) : defaults.BetaMin,
            BetaMax = continuous ? keys.Number("beta_max", defaults.BetaMax) : defaults.BetaMax,
            TrainedBetas = betas is null ? null : Numbers("trained_betas", betas.Value),
            VarianceType = keys.Choice("variance_type", defaults.VarianceType),
            ClipSample = keys.Bool("clip_sample", defaults.ClipSample && !continuous),
            ClipSampleRange = keys.Number("clip_sample_range", defaults.ClipSampleRange),
            PredictionType = keys.Choice("prediction_type", keys.PredictsSampleByOldName ? PredictionType.Sample : defaults.PredictionType),
            Thresholding = keys.Bool("thresholding", defaults.Thresholding),
            DynamicThresholdingRatio = keys.Number("dynamic_thresholding_ratio", defaults.DynamicThresholdingRatio),
            SampleMaxValue = keys.Number("sample_max_value", defaults.SampleMaxValue),
            TimestepSpacing = keys.Choice("timestep_spacing", continuous ? TimestepSpacing.Trailing : defaults.TimestepSpacing),
            StepsOffset = keys.Int("steps_offset", defaults.StepsOffset),
            RescaleBetasZeroSnr = keys.Bool("rescale_betas_zero_snr", defaults.RescaleBetasZeroSnr),
            SetAlphaToOne = keys.Bool("set_alpha_to_one", defaults.SetAlphaToOne),
            BetaPrecision = keys.Choice("graft_beta_precision", defaults.BetaPrecision),
            LearnedRangeUpper = keys.Choice("graft_learned_range_upper", defaults.LearnedRangeUpper),
            PreviousTimestep = keys.Choice("graft_previous_timestep", defaults.PreviousTimestep),
            Other = keys.Rest(),
        };
        options.Validate();
        return options;
    }

    /// <summary>The configuration with its keys in ordinal order, unknown ones included. Keys of our own appear only where they are not the default.</summary>
    public JsonObject ToJson()
    {
        var keys = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal)
        {
            ["num_train_timesteps"] = NumTrainTimesteps,
            ["beta_start"] = BetaStart,
            ["beta_end"] = BetaEnd,
            ["beta_schedule"] = NameOf(BetaSchedule),
            ["trained_betas"] = TrainedBetas is { } betas ? new JsonArray([.. betas.Select(b => (JsonNode)b)]) : null,
            ["variance_type"] = NameOf(VarianceType),
            ["clip_sample"] = ClipSample,
            ["clip_sample_range"] = ClipSampleRange,
            ["prediction_type"] = NameOf(PredictionType),
            ["thresholding"] = Thresholding,
            ["dynamic_thresholding_ratio"] = DynamicThresholdingRatio,
            ["sample_max_value"] = SampleMaxValue,
            ["timestep_spacing"] = NameOf(TimestepSpacing),
            ["steps_offset"] = StepsOffset,
            ["rescale_betas_zero_snr"] = RescaleBetasZeroSnr,
            ["set_alpha_to_one"] = SetAlphaToOne,
        };
        if (IsContinuous)
        {
            (keys["beta_min"], keys["beta_max"]) = (BetaMin, BetaMax);
            foreach (var key in (string[])["beta_start", "beta_end", "trained_betas", "rescale_betas_zero_snr"])
                keys.Remove(key);
        }

        if (BetaPrecision != default)
            keys["graft_beta_precision"] = NameOf(BetaPrecision);
        if (LearnedRangeUpper != default)
            keys["graft_learned_range_upper"] = NameOf(LearnedRangeUpper);
        if (PreviousTimestep != default)
            keys["graft_previous_timestep"] = NameOf(PreviousTimestep);
        foreach (var (key, value) in Other)
            keys.TryAdd(key, JsonSerializer.SerializeToNode(value));
        return new JsonObject(keys);
    }

    private static string NameOf<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static ImmutableArray<double> Numbers(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Number)
            ? [.. value.EnumerateArray().Select(v => v.GetDouble())]
            : throw Unfit(key, value, "a list of numbers");

    private static InputException Unfit(string key, JsonElement value, string wanted) =>
        new($"The scheduler's {key} is {Shortened(value.GetRawText())}: it must be {wanted}.");

    private static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "...";

    /// <summary>Hands out keys once each; what is left is unknown.</summary>
    private sealed class Reader(JsonElement json)
    {
        private readonly Dictionary<string, JsonElement> _keys = json.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);

        /// <summary>Configurations before diffusers 0.9 say it with this key (which stays among the others).</summary>
        public bool PredictsSampleByOldName => _keys.TryGetValue("predict_epsilon", out var value) && value.ValueKind == JsonValueKind.False;

        public JsonElement? Take(string key) =>
            _keys.Remove(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        public double Number(string key, double fallback) => Take(key) switch
        {
            null => fallback,
            { ValueKind: JsonValueKind.Number } value => value.GetDouble(),
            { } value => throw Unfit(key, value, "a number"),
        };

        public int Int(string key, int fallback)
        {
            if (Take(key) is not { } value)
                return fallback;
            var number = value.ValueKind == JsonValueKind.Number ? value.GetDouble() : double.NaN;
            return number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (int)number : throw Unfit(key, value, "a whole number");
        }

        public bool Bool(string key, bool fallback) => Take(key) switch
        {
            null => fallback,
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            { } value => throw Unfit(key, value, "true or false"),
        };

        public T Choice<T>(string key, T fallback)
            where T : struct, Enum
        {
            if (Take(key) is not { } value)
                return fallback;
            foreach (var choice in Enum.GetValues<T>())
            {
                if (value.ValueKind == JsonValueKind.String && value.GetString() == NameOf(choice))
                    return choice;
            }

            throw Unfit(key, value, "one of " + string.Join(", ", Enum.GetValues<T>().Select(NameOf)));
        }

        public ImmutableSortedDictionary<string, JsonElement> Rest() => NoKeys.AddRange(_keys);
    }
}
