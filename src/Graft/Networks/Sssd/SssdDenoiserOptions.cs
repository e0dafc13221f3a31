using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Graft.Networks;

/// <summary>
/// <c>config.json</c> of an <see cref="SssdDenoiser"/>: keys are these names in snake_case, SSSD-ECG's own where it has them. Defaults are
/// the published model's.
/// </summary>
public sealed record SssdDenoiserOptions : RecordingDenoiserOptions
{
    internal const string GraftClass = "GraftSssdDenoiser";
    private const int MaximalBlocks = 256;
    private const int MaximalStates = 512;

    /// <summary>The published model's options.</summary>
    public SssdDenoiserOptions() => LabelEmbedClasses = 71;

    /// <summary>Residual blocks, of two S4 layers each.</summary>
    public int NumResLayers { get; init; } = 36;

    /// <summary>Width of the residual path; the S4 layers are twice as wide.</summary>
    public int ResChannels { get; init; } = 256;

    /// <summary>Width of the way past the blocks.</summary>
    public int SkipChannels { get; init; } = 256;

    /// <summary>Width of the step's sines and cosines.</summary>
    public int DiffusionStepEmbedDimIn { get; init; } = 128;

    /// <summary>Width of the step's first linear layer.</summary>
    public int DiffusionStepEmbedDimMid { get; init; } = 512;

    /// <summary>Width of its second.</summary>
    public int DiffusionStepEmbedDimOut { get; init; } = 512;

    /// <summary>Length of the S4 layers' kernels, even: the longest recording.</summary>
    [JsonPropertyName("s4_lmax")]
    public int S4Lmax { get; init; } = 1000;

    /// <summary>Numbers of an S4 layer's state, even.</summary>
    [JsonPropertyName("s4_d_state")]
    public int S4DState { get; init; } = 64;

    /// <summary>Whether the S4 layers look both ways in time.</summary>
    [JsonPropertyName("s4_bidirectional")]
    public bool S4Bidirectional { get; init; } = true;

    /// <summary>Whether the S4 layers end in a norm.</summary>
    [JsonPropertyName("s4_layernorm")]
    public bool S4Layernorm { get; init; } = true;

    /// <summary>Width of a label's embedding.</summary>
    public int LabelEmbedDim { get; init; } = 128;

    /// <inheritdoc/>
    [JsonIgnore]
    public override string ClassName => GraftClass;

    /// <inheritdoc/>
    public override DenoisingNetwork Build() => new SssdDenoiser(this);

    /// <inheritdoc/>
    public override JsonObject ToJson(JsonObject? read = null) => DenoiserJson.Write(this, read);

    /// <summary>Reads the configuration; absent keys take the defaults.</summary>
    /// <param name="json">The keys; those that begin with _ mean nothing.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">A key is unknown, or a value is of another type or out of range.</exception>
    public static SssdDenoiserOptions FromJson(JsonObject json, string where)
    {
        var options = DenoiserJson.Read<SssdDenoiserOptions>(json, where);
        options.Validate(where);
        return options;
    }

    /// <inheritdoc/>
    internal override IEnumerable<(string Name, long[] Shape)> KeyParameters()
    {
        yield return ("init_conv.0.conv.weight_v", [ResChannels, InChannels, 1]);
        yield return ("residual_layer.fc_t1.weight", [DiffusionStepEmbedDimMid, DiffusionStepEmbedDimIn]);
        yield return ("residual_layer.fc_t2.weight", [DiffusionStepEmbedDimOut, DiffusionStepEmbedDimMid]);
        if (LabelEmbedClasses > 0)
            yield return ("embedding.weight", [LabelEmbedClasses, LabelEmbedDim]);
        yield return ("final_conv.0.conv.weight_v", [SkipChannels, SkipChannels, 1]);
        for (var i = 0; i < NumResLayers; i++)
        {
            var kernel = $"residual_layer.residual_blocks.{i}.S41.s4_layer.kernel.kernel.";
            yield return (kernel + "C", [S4Bidirectional ? 2 : 1, 2L * ResChannels, S4DState / 2, 2]);
            yield return (kernel + "omega", [(S4Lmax / 2) + 1, 2]);
        }
    }

    /// <summary>Checks the values.</summary>
    /// <exception cref="InputException">One is out of range.</exception>
    internal void Validate(string where)
    {
        Width(InChannels, "in_channels");
        Require(S4Lmax is >= 2 and <= MaximalLength && S4Lmax % 2 == 0, $"s4_lmax must be an even number from 2 to {MaximalLength}");
        Require(SampleLength >= 1 && SampleLength <= S4Lmax, $"sample_length must lie between 1 and s4_lmax, {S4Lmax}");
        Require(NumResLayers is >= 1 and <= MaximalBlocks, $"num_res_layers must lie between 1 and {MaximalBlocks}");
        Width(ResChannels, "res_channels");
        Width(SkipChannels, "skip_channels");
        Width(DiffusionStepEmbedDimIn, "diffusion_step_embed_dim_in");
        Require(DiffusionStepEmbedDimIn >= 4, "diffusion_step_embed_dim_in must be 4 or more");
        Width(DiffusionStepEmbedDimMid, "diffusion_step_embed_dim_mid");
        Width(DiffusionStepEmbedDimOut, "diffusion_step_embed_dim_out");
        Require(S4DState is >= 2 and <= MaximalStates && S4DState % 2 == 0, $"s4_d_state must be an even number from 2 to {MaximalStates}");
        Width(LabelEmbedDim, "label_embed_dim");
        Require(LabelEmbedClasses is >= 0 and <= MaximalClasses, $"label_embed_classes must lie between 0 and {MaximalClasses}");

        void Width(int value, string name) => Require(value is >= 1 and <= MaximalWidth, $"{name} must lie between 1 and {MaximalWidth}");

        void Require(bool condition, string message) => DenoiserJson.Require(condition, where, message);
    }
}
