using Graft.Diffusion;
using Graft.Networks.UNet2DParts;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// diffusers' <c>UNet2DModel</c>: the U-Net of Ho et al. (2020), parameters under diffusers' names (attention as <c>to_q</c> …).
/// With the options that diffusers lacks it is also openai's <c>UNetModel</c> (Dhariwal and Nichol 2021), and latent diffusion's (Rombach et
/// al. 2022), whose attention layers look at a context.
/// </summary>
public sealed class UNet2D : DenoisingNetwork
{
    private readonly Module? _timeProjection;
    private readonly TimestepEmbedding _timeEmbedding;
    private readonly Module? _classEmbedding;
    private readonly Conv2d _convIn;
    private readonly List<DownLevel> _down = [];
    private readonly MiddleLevel _middle;
    private readonly List<UpLevel> _up = [];
    private readonly GroupNorm _normOut;
    private readonly Conv2d _convOut;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="middleAttentionNorm">
    /// Whether the middle attention has a group norm; null: as diffusers 0.27 decides (not with scale_shift, unless
    /// attn_norm_num_groups is set). diffusers 0.14 always had it, and 0.27 reads such a file without an error and computes
    /// something else; a file's names tell which it is.
    /// </param>
    public UNet2D(UNet2DOptions options, bool? middleAttentionNorm = null)
    {
        Options = options;
        var channels = options.BlockOutChannels;
        var first = channels[0];
        var timeWidth = options.TimeWidth;
        var timeInputs = options.TimeEmbeddingType == "fourier" ? first * 2 : options.TimeChannels;

        _convIn = Add("conv_in", new Conv2d(options.InChannels, first, 3, padding: 1));
        _timeProjection = options.TimeEmbeddingType switch
        {
            "fourier" => Add("time_proj", new FourierProjection(first)),
            "learned" => Add("time_proj", new Embedding(options.NumTrainTimesteps!.Value, options.TimeChannels)),
            _ => null,
        };
        _timeEmbedding = Add("time_embedding", new TimestepEmbedding(timeInputs, timeWidth));
        _classEmbedding = options.ClassEmbedType switch
        {
            "timestep" => Add("class_embedding", new TimestepEmbedding(timeInputs, timeWidth)),
            "identity" => null,
            _ => options.NumClassEmbeds is { } classes
                ? Add("class_embedding", new Embedding(classes, options.ClassesAreContext ? options.CrossAttentionDim!.Value : timeWidth))
                : null,
        };

        var levels = channels.Length;
        for (var i = 0; i < levels; i++)
        {
            var inputs = i == 0 ? first : channels[i - 1];
            _down.Add(Add($"down_blocks.{i}", new DownLevel(options.DownBlockTypes[i], inputs, channels[i], timeWidth, i == levels - 1, options)));
        }

        var norm = middleAttentionNorm ?? (options.ResnetTimeScaleShift == "default" || options.AttnNormNumGroups is not null);
        _middle = Add("mid_block", new MiddleLevel(channels[^1], timeWidth, norm, options));
        for (var i = 0; i < levels; i++)
        {
            var outputs = channels[levels - 1 - i];
            var previous = i == 0 ? outputs : channels[levels - i];
            var skipInputs = channels[Math.Max(0, levels - 2 - i)];
            _up.Add(Add($"up_blocks.{i}", new UpLevel(options.UpBlockTypes[i], skipInputs, previous, outputs, timeWidth, i == levels - 1, options)));
        }

        _normOut = Add("conv_norm_out", new GroupNorm(options.NormNumGroups, first, options.NormEps));
        _convOut = Add("conv_out", new Conv2d(first, options.OutChannels, 3, padding: 1));
    }

    /// <inheritdoc/>
    public override UNet2DOptions Options { get; }

    /// <inheritdoc/>
    internal override bool HasBlocks => true;

    /// <summary>Skip connections: what the way down hands to the way up.</summary>
    internal long Connections => _down.Count * (Options.LayersPerBlock + 1);

    /// <summary>Deep features that evaluations share, while samples are drawn; null: each computes everything.</summary>
    private DeepFeatures? Deep { get; set; }

    /// <summary>Whether the middle attention has a group norm, which no key of the options tells.</summary>
    internal bool HasMiddleAttentionNorm => Parameters().Any(p => p.Name == "mid_block.attentions.0.group_norm.weight");

    /// <summary>All but the Fourier features of time, which are drawn once.</summary>
    public override IEnumerable<NamedTensor> TrainableParameters() => Parameters().Where(p => Options.TimeEmbeddingType != "fourier" || p.Name != "time_proj.weight");

    /// <inheritdoc/>
    public override DenoisingNetwork CreateSame() => new UNet2D(Options, HasMiddleAttentionNorm);

    /// <inheritdoc/>
    /// <exception cref="InputException">The network is class-conditional and no labels were given; or it attends to a context, and none of its width was.</exception>
    public override Tensor Predict(Tensor x, Tensor t, Condition? condition = null) => TensorScope.Of(() => Compute(x, t, condition));

    /// <summary>Lets the evaluations of a batch, with falling t, share deep features until what is returned is disposed.</summary>
    /// <param name="reuse">How often they are computed, and which layers are deep.</param>
    internal IDisposable Share(FeatureReuse reuse) => Deep = new DeepFeatures(reuse, () => Deep = null);

    private Tensor Compute(Tensor x, Tensor t, Condition? condition)
    {
        if (Options.CenterInputSample)
            x = (x * 2.0) - 1.0;
        var type = x.Type;
        var time = Recomputation.Of(given => TimeOf(given[0], condition, type), t);
        var context = Options.CrossAttentionDim is null ? null : Recomputation.Of(given => ContextOf(condition, given[0]), x);

        Deep?.Begin();
        var skips = new Skips(Deep, Connections);
        var h = Recomputation.Of(given => _convIn.Forward(given[0]), x);
        skips.Push(h);
        foreach (var level in _down)
            h = level.Forward(h, time, skips, context);
        h = Deep?.Given?.Detach() ?? _middle.Forward(h, time, context);
        foreach (var level in _up)
            h = level.Forward(h, time, skips, context);
        using (OperatorProfile.Region(_convOut))
            h = Functional.NormSiluConv3x3(h, _normOut, _convOut);
        // The Fourier variant predicts a score: the output is divided by the noise level that was given as t.
        return Options.TimeEmbeddingType == "fourier" ? h / t.To(h.Type).Reshape(-1, 1, 1, 1) : h;
    }

    /// <summary>What tells the residual blocks of t, and of the class, [N, D]: after its activation, which is the same for all.</summary>
    private Tensor TimeOf(Tensor t, Condition? condition, DType type)
    {
        var time = _timeEmbedding.Forward(EmbedTime(t).To(type));
        if (Options.IsClassConditional && !Options.ClassesAreContext)
            time += EmbedClass(condition?.ClassLabels ?? throw new InputException("The network is class-conditional: give class labels."));
        return Activation.Named(Options.ActFn)(time);
    }

    /// <summary>The tokens that attention looks at, [N, M, D]: those that are given, else one that stands for the class.</summary>
    private Tensor ContextOf(Condition? condition, Tensor x)
    {
        var width = Options.CrossAttentionDim!.Value;
        var given = condition?.Embedding ?? (Options.ClassesAreContext
            ? ((Embedding)_classEmbedding!).Forward(condition?.ClassLabels ?? throw new InputException("The network is class-conditional: give class labels, or an embedding in their place."))
            : throw new InputException($"The network attends to a context: give an embedding of width {width}."));
        if (given.Dims is not (2 or 3) || given.Size(0) != x.Size(0) || given.Size(-1) != width)
            throw new InputException($"The embedding is {given}, where [{x.Size(0)}, {width}] or [{x.Size(0)}, tokens, {width}] is due.");
        return (given.Dims == 2 ? given.Unsqueeze(1) : given).To(x.Type);
    }

    private Tensor EmbedTime(Tensor t) => _timeProjection switch
    {
        FourierProjection fourier => fourier.Forward(t.To(DType.Float32)),
        Embedding table => table.Forward(t.To(DType.Int64)),
        _ => PositionalEmbedding.Of(
            Options.TimestepScale == 1 ? t : t.To(DType.Float32) * Options.TimestepScale, Options.TimeChannels, Options.FlipSinToCos, Options.FreqShift),
    };

    private Tensor EmbedClass(Tensor labels) => _classEmbedding switch
    {
        Embedding table => table.Forward(labels),
        TimestepEmbedding layers => layers.Forward(EmbedTime(labels)),
        _ => labels, // identity: the caller embeds
    };
}
