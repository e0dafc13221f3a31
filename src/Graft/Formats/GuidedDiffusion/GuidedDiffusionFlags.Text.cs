using System.Collections.Immutable;
using System.Globalization;

namespace Graft.Formats.GuidedDiffusion;

/// <content>Flags as text.</content>
public sealed partial record GuidedDiffusionFlags
{
    private delegate GuidedDiffusionFlags Setter(GuidedDiffusionFlags flags, Flag flag);

    private static readonly Dictionary<string, Setter> Setters = new(StringComparer.Ordinal)
    {
        ["image_size"] = (f, v) => f with { ImageSize = v.Positive() },
        ["num_channels"] = (f, v) => f with { NumChannels = v.Positive() },
        ["num_res_blocks"] = (f, v) => f with { NumResBlocks = v.Positive() },
        ["num_heads"] = (f, v) => f with { NumHeads = v.Positive() },
        ["num_heads_upsample"] = (f, v) => f with { NumHeadsUpsample = v.PositiveOrNone() },
        ["num_head_channels"] = (f, v) => f with { NumHeadChannels = v.PositiveOrNone() },
        ["attention_resolutions"] = (f, v) => f with { AttentionResolutions = v.Whole() },
        ["channel_mult"] = (f, v) => f with { ChannelMult = v.Multipliers() },
        ["dropout"] = (f, v) => f with { Dropout = v.Number(d => d is >= 0 and <= 1, "a number from 0 to 1") },
        ["class_cond"] = (f, v) => f with { ClassCond = v.Truth() },
        ["use_scale_shift_norm"] = (f, v) => f with { UseScaleShiftNorm = v.Truth() },
        ["resblock_updown"] = (f, v) => f with { ResblockUpdown = v.Truth() },
        ["use_new_attention_order"] = (f, v) => f with { UseNewAttentionOrder = v.Truth() },
        ["learn_sigma"] = (f, v) => f with { LearnSigma = v.Truth() },
        ["sigma_small"] = (f, v) => f with { SigmaSmall = v.Truth() },
        ["predict_xstart"] = (f, v) => f with { PredictXstart = v.Truth() },
        ["diffusion_steps"] = (f, v) => f with { DiffusionSteps = v.Positive() },
        ["noise_schedule"] = (f, v) => f with { NoiseSchedule = v.OneOf("linear", "cosine") },
        ["rescale_timesteps"] = (f, v) => f with { RescaleTimesteps = v.Truth() },
        ["classifier_width"] = (f, v) => f with { ClassifierWidth = v.Positive() },
        ["classifier_depth"] = (f, v) => f with { ClassifierDepth = v.Positive() },
        ["classifier_attention_resolutions"] = (f, v) => f with { ClassifierAttentionResolutions = v.Whole() },
        ["classifier_use_scale_shift_norm"] = (f, v) => f with { ClassifierUseScaleShiftNorm = v.Truth() },
        ["classifier_resblock_updown"] = (f, v) => f with { ClassifierResblockUpdown = v.Truth() },
        ["classifier_pool"] = (f, v) => f with { ClassifierPool = v.OneOf("adaptive", "attention", "spatial", "spatial_v2") },
        ["timestep_respacing"] = (f, v) => v.Text.Length == 0 ? f : f.Noted($"--timestep_respacing {v.Text} is not used: the sampler's number of steps is chosen when sampling"),
        ["use_fp16"] = (f, v) => v.Truth() ? f.Noted("--use_fp16 is ignored: weights are kept in single precision") : f,
        ["classifier_use_fp16"] = (f, v) => v.Truth() ? f.Noted("--classifier_use_fp16 is ignored: weights are kept in single precision") : f,
        ["use_checkpoint"] = (f, v) => v.Truth() ? f.Noted("--use_checkpoint is ignored: it trades memory for time and changes no result") : f,
        ["use_kl"] = (f, v) => v.Truth() ? f.Noted("--use_kl is not used: it chose the loss of the training, which is over") : f,
        ["rescale_learned_sigmas"] = (f, v) => v.Truth() ? f.Noted("--rescale_learned_sigmas is not used: it weighted the loss of the training, which is over") : f,
    };

    /// <summary>Reads flags as the README files of openai show them: <c>--name value</c> or <c>--name=value</c>, in any order.</summary>
    /// <param name="text">The flags; line breaks and the backslashes before them are blanks.</param>
    /// <exception cref="InputException">A flag is unknown or has no value, or a value is out of range.</exception>
    public static GuidedDiffusionFlags Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Where(w => w != "\\").Select(Unquoted).ToList();
        var flags = new GuidedDiffusionFlags();
        for (var i = 0; i < words.Count; i++)
        {
            var word = words[i];
            if (!word.StartsWith("--", StringComparison.Ordinal))
                throw new InputException($"The model flags hold {FileFault.Quote(word)} where a flag is due: they are written as --image_size 256 --num_head_channels 64.");
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? word[2..] : word[2..equals];
            if (!Setters.TryGetValue(name, out var set))
                throw new InputException($"The model flag {FileFault.Quote("--" + name)} is unknown: leave it out if it is none of the model or its diffusion (there are {string.Join(", ", Setters.Keys.Select(k => "--" + k))}).");
            if (equals < 0 && (++i == words.Count || words[i].StartsWith("--", StringComparison.Ordinal)))
                throw new InputException($"The model flag --{name} has no value: write --{name} and the value behind it.");
            flags = set(flags, new Flag(name, Unquoted(equals < 0 ? words[i] : word[(equals + 1)..])));
        }

        return flags;
    }

    /// <summary>The flags as they are given to openai's scripts, those only that are set.</summary>
    public override string ToString()
    {
        (string Name, object? Value)[] all =
        [
            ("image_size", ImageSize), ("num_channels", NumChannels), ("num_res_blocks", NumResBlocks), ("channel_mult", List(ChannelMult)),
            ("attention_resolutions", List(AttentionResolutions)), ("num_heads", NumHeads), ("num_heads_upsample", NumHeadsUpsample),
            ("num_head_channels", NumHeadChannels), ("use_new_attention_order", UseNewAttentionOrder), ("class_cond", ClassCond),
            ("use_scale_shift_norm", UseScaleShiftNorm), ("resblock_updown", ResblockUpdown), ("dropout", Dropout), ("learn_sigma", LearnSigma),
            ("sigma_small", SigmaSmall), ("predict_xstart", PredictXstart), ("diffusion_steps", DiffusionSteps), ("noise_schedule", NoiseSchedule),
            ("rescale_timesteps", RescaleTimesteps), ("classifier_width", ClassifierWidth), ("classifier_depth", ClassifierDepth),
            ("classifier_attention_resolutions", List(ClassifierAttentionResolutions)), ("classifier_use_scale_shift_norm", ClassifierUseScaleShiftNorm),
            ("classifier_resblock_updown", ClassifierResblockUpdown), ("classifier_pool", ClassifierPool),
        ];
        return string.Join(' ', all.Where(f => f.Value is not null).Select(f => string.Create(CultureInfo.InvariantCulture, $"--{f.Name} {f.Value}")));

        static string? List<T>(ImmutableArray<T>? values) =>
            values is { IsEmpty: false } some ? string.Join(',', some.Select(v => string.Create(CultureInfo.InvariantCulture, $"{v}"))) : null;
    }

    private static string Unquoted(string word) => word.Length > 1 && word[0] is '"' or '\'' && word[^1] == word[0] ? word[1..^1] : word;

    private GuidedDiffusionFlags Noted(string note) => this with { Notes = Notes.Add(note) };

    private readonly record struct Flag(string Name, string Text)
    {
        public int Positive() => int.TryParse(Text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value is > 0 and <= 1_000_000
            ? value
            : throw Unfit("a whole number from 1 to 1000000");

        /// <summary>The scripts' −1 says that there is none.</summary>
        public int? PositiveOrNone() => Text == "-1" ? null : Positive();

        public double Number(Func<double, bool> fits, string wanted) =>
            double.TryParse(Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && fits(value) ? value : throw Unfit(wanted);

        /// <summary>Python's truth values as the scripts take them (<c>str2bool</c>).</summary>
        public bool Truth() => Text.ToLowerInvariant() switch
        {
            "yes" or "true" or "t" or "y" or "1" => true,
            "no" or "false" or "f" or "n" or "0" => false,
            _ => throw Unfit("True or False"),
        };

        public string OneOf(params ReadOnlySpan<string> choices)
        {
            foreach (var choice in choices)
            {
                if (choice == Text)
                    return Text;
            }

            throw Unfit(string.Join(" or ", choices.ToArray()));
        }

        public ImmutableArray<int> Whole()
        {
            var self = this;
            return [.. Parts().Select(p => (self with { Text = p }).Positive())];
        }

        public ImmutableArray<double>? Multipliers()
        {
            var self = this;
            return Text.Length == 0
                ? null
                : [.. Parts().Select(p => (self with { Text = p }).Number(d => d is > 0 and <= 1000, "made of numbers above 0"))];
        }

        private string[] Parts() => Text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

        private InputException Unfit(string wanted) => new($"The model flag --{Name} is {FileFault.Quote(Text)}: it must be {wanted}.");
    }
}
