using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Sampling;

namespace Graft.Transfer.GuidedParts;

/// <summary>A guidance network beside a frozen denoiser: ε̂ = ε − scale·σ_t·∇ log h (Ouyang et al. 2024), inside any sampler.</summary>
internal sealed class GuidanceAttachment : Attachment
{
    internal const string PeftType = "GRAFT_GUIDANCE";
    private const string NetworkKey = "guidance_network";
    private const string ScaleKey = "guidance_scale";
    private readonly double _scale;
    private readonly LearntLabels? _learnt;

    internal GuidanceAttachment(RatioNetwork network, double scale, LearntLabels? learnt)
    {
        (Network, _scale, _learnt) = (Add("guidance", network), scale, learnt);
    }

    /// <inheritdoc/>
    public override string Kind => PeftType;

    /// <summary>log h.</summary>
    internal RatioNetwork Network { get; }

    /// <inheritdoc/>
    public override void Attach()
    {
        // Nothing of the source's network is changed: see Around.
    }

    /// <inheritdoc/>
    public override IDenoiser Around(DenoisingNetwork network, NoiseSchedule schedule) => new GuidedDenoiser(
        _learnt?.Around(network) ?? network, schedule, Guidance.Of((x, t, condition) => Network.LogRatio(x, t, condition?.ClassLabels), _scale));

    /// <inheritdoc/>
    public override JsonObject Configuration()
    {
        var configuration = new JsonObject
        {
            ["peft_type"] = PeftType,
            [ScaleKey] = _scale,
            [NetworkKey] = Network.Options.ToJson(),
        };
        _learnt?.Write(configuration);
        return configuration;
    }

    /// <summary>Rebuilds it from its settings.</summary>
    internal static GuidanceAttachment Restore(DenoisingNetwork network, JsonObject configuration, string where)
    {
        if (configuration[ScaleKey] is not JsonValue number || !number.TryGetValue<double>(out var scale) || !double.IsFinite(scale) || configuration[NetworkKey] is not JsonObject options)
            throw new InputException($"The adapter's configuration {where} cannot be read: {ScaleKey} (a number) and {NetworkKey} are due.");
        var read = RatioNetworkOptions.FromJson((JsonObject)options.DeepClone(), where);
        var shape = network.Options.ShapeOf(where);
        return read.ItemShape == shape
            ? new GuidanceAttachment(RatioNetwork.Build(read), scale, LearntLabels.Read(configuration, network, where))
            : throw new InputException($"The adapter's configuration {where} guides items of {read.ItemShape} and its source makes {shape}: they belong to different models.");
    }
}
