using System.Text.Json.Nodes;
using Graft.Adapters;
using Graft.Conditions;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Networks.Transformers;
using Graft.Networks.UNet2DParts;
using Graft.Torch;

namespace Graft.Transfer.ConditionParts;

/// <summary>Attention-NonLinear modules behind the residual blocks of a frozen U-Net, and the conditions that its folder carries.</summary>
internal sealed class AnlAttachment : Attachment
{
    internal const string PeftType = "GRAFT_ANL";
    private readonly List<(ResnetBlock Block, AnlModule Module)> _modules = [];
    private readonly List<(SpatialTransformer Source, SpatialTransformer Own)> _transformers = [];
    private readonly CurrentCondition _current = new();
    private readonly AnlLayout _layout;

    /// <exception cref="InputException">The network has no block of the kind, or the settings do not fit it.</exception>
    internal AnlAttachment(DenoisingNetwork network, AnlLayout layout)
    {
        _layout = layout;
        if (network is not UNet2D { Options: var options })
            throw new InputException($"ANL's modules stand behind the residual blocks of a U-Net, of which a {network.Options.ClassName} has none: take another method, as lora or finetune.");
        if (layout.Variant == AnlVariant.Existing)
        {
            TakeTransformers(network, options);
            return;
        }

        var attending = network.Modules().Where(m => m.Module is FeatureAttention).Select(m => Level(m.Name)).ToHashSet();
        foreach (var (name, module) in network.Modules())
        {
            if (module is not ResnetBlock { KeepsResolution: true } block
                || (layout.DecoderOnly && !name.StartsWith("up_blocks.", StringComparison.Ordinal))
                || (layout.Places == AnlPlaces.Attention && !attending.Contains(Level(name))))
            {
                continue;
            }

            AnlModule made = layout.Variant == AnlVariant.Full
                ? new FullAnlModule(block.OutChannels, options.NormNumGroups, layout, _current)
                : new LeanAnlModule(block.OutChannels, options.NormNumGroups, layout, _current);
            _modules.Add((block, Add(name, made)));
        }

        if (_modules.Count == 0)
            throw new InputException("No residual block of the source is where ANL's modules were asked for: set places to everywhere, or decoder_only to false.");
    }

    /// <inheritdoc/>
    public override string Kind => PeftType;

    /// <summary>The number of modules.</summary>
    internal int Count => _modules.Count + _transformers.Count;

    /// <inheritdoc/>
    public override bool ReplacesClasses => _layout.Variant == AnlVariant.Existing;

    /// <inheritdoc/>
    public override void Attach()
    {
        foreach (var (block, module) in _modules)
            block.After = module;
        foreach (var (source, own) in _transformers)
            source.Replacement = own;
    }

    /// <inheritdoc/>
    public override IDenoiser Around(DenoisingNetwork network, NoiseSchedule schedule) =>
        _layout.Dimension == 0 || ReplacesClasses ? network : new ConditionedDenoiser(network, _current, _layout.Dimension);

    /// <inheritdoc/>
    public override JsonObject Configuration()
    {
        var json = _layout.ToJson();
        json["peft_type"] = PeftType;
        return json;
    }

    /// <summary>Draws the weights; the outputs are zero. Of the source's transformers the weights are copied, unless they are to start anew too.</summary>
    internal void Start(long seed, bool anew)
    {
        Initialise(seed);
        using var mode = Autograd.NoGrad();
        foreach (var (_, module) in _modules)
            module.ClearOutput();
        foreach (var (source, own) in _transformers)
        {
            var weights = source.Parameters().ToDictionary(p => p.Name, p => p.Value);
            if (anew)
                own.ClearOutput();
            else
                own.Load(name => weights[name].Detach(), "the source");
        }
    }

    /// <summary>Rebuilds it from its settings.</summary>
    internal static AnlAttachment Restore(DenoisingNetwork network, JsonObject configuration, string folder)
    {
        var layout = AnlLayout.FromJson(configuration, folder);
        var attachment = new AnlAttachment(network, layout);
        if (layout.Dimension == 0)
            return attachment;
        try
        {
            attachment.Conditions = ConditionTable.Read(folder);
            return attachment.Conditions.Dimension == layout.Dimension
                ? attachment
                : throw new InputException($"The conditions in {folder} are of length {attachment.Conditions.Dimension} where the adapter takes {layout.Dimension}: they belong to different adapters.");
        }
        catch
        {
            attachment.Dispose();
            throw;
        }
    }

    private void TakeTransformers(DenoisingNetwork network, UNet2DOptions options)
    {
        if (options.CrossAttentionDim != _layout.Dimension)
        {
            throw new InputException(options.CrossAttentionDim is { } due
                ? $"The source's transformers look at contexts of length {due} and the conditions are of length {_layout.Dimension}: give an encoder of that length, or the variant full."
                : "The source has no spatial transformers: variant existing is for latent diffusion models; give full or lean.");
        }

        foreach (var (name, module) in network.Modules())
        {
            if (module is SpatialTransformer source && !(_layout.DecoderOnly && !name.StartsWith("up_blocks.", StringComparison.Ordinal)))
                _transformers.Add((source, Add(name, source.CreateSame())));
        }

        if (_transformers.Count == 0)
            throw new InputException("No spatial transformer of the source is on the way up: set decoder_only to false.");
    }

    /// <summary>What stands before the block's own place in its name: <c>up_blocks.0</c>, <c>mid_block</c>.</summary>
    private static string Level(string name) =>
        name.IndexOf(".resnets.", StringComparison.Ordinal) is > 0 and var at || (at = name.IndexOf(".attentions.", StringComparison.Ordinal)) > 0 ? name[..at] : name;
}

/// <summary>A network whose modules look at the condition. Without one they see zeros, which is what conditions are dropped to in training.</summary>
internal sealed class ConditionedDenoiser(DenoisingNetwork network, CurrentCondition current, int dimension) : IDenoiser
{
    /// <inheritdoc/>
    public Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        var c = condition?.Embedding;
        if (c is not null && (c.Dims != 2 || c.Size(0) != x.Size(0) || c.Size(1) != dimension))
            throw new ArgumentException($"conditions are [{x.Size(0)}, {dimension}], and these are {c}", nameof(condition));
        using var scope = new TensorScope();
        current.Value = c ?? Tensor.Zeros([x.Size(0), dimension], x.Type, x.Device);
        try
        {
            // A network with a context of its own looks at its classes, not at this.
            return network.Predict(x, t, condition is null ? null : condition with { Embedding = null }).MoveToOuter();
        }
        finally
        {
            current.Value = null;
        }
    }
}
