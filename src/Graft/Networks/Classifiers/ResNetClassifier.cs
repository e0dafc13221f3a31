using Graft.Data;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// A small residual network with pre-activation (He et al. 2016, "Identity Mappings in Deep Residual Networks") and group norms, so
/// that a picture's result never depends on its batch: a classifier, and a source of features for measures where the published
/// backbones are not at hand. A folder of it holds <c>config.json</c> and <c>model.safetensors</c>.
/// </summary>
public sealed class ResNetClassifier : Module, IPictureClassifier
{
    private readonly Conv2d _convIn;
    private readonly List<PreActivationBlock> _blocks = [];
    private readonly GroupNorm _normOut;
    private readonly Linear _head;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public ResNetClassifier(ResNetClassifierOptions options)
    {
        options.Validate("of a classifier");
        Options = options;
        var inputs = options.BlockOutChannels[0];
        _convIn = Add("conv_in", new Conv2d(options.InChannels, inputs, 3, padding: 1));
        for (var i = 0; i < options.BlockOutChannels.Count; i++)
        {
            var outputs = options.BlockOutChannels[i];
            _blocks.Add(Add($"blocks.{i}", new PreActivationBlock(inputs, outputs, options.BlockStrides[i], options.NormNumGroups)));
            inputs = outputs;
        }

        _normOut = Add("norm_out", new GroupNorm(options.NormNumGroups, inputs));
        _head = Add("head", new Linear(inputs, options.NumClasses));
    }

    /// <summary>The architecture.</summary>
    public ResNetClassifierOptions Options { get; }

    /// <inheritdoc/>
    ImageShape IPictureClassifier.Shape => Options.Shape;

    /// <inheritdoc/>
    int IPictureClassifier.NumClasses => Options.NumClasses;

    /// <inheritdoc/>
    Module IPictureClassifier.Network => this;

    /// <summary>
    /// What the features are called wherever a number made of them is printed: name and the first eight digits of
    /// <see cref="Fingerprint"/>, as <c>fashion-features@1a2b3c4d</c>.
    /// </summary>
    public string FeatureName => $"{Options.Name}@{Fingerprint()[..8]}";

    /// <summary>Whether a folder holds a classifier, or something that one written there would replace.</summary>
    public static bool Is(string folder) => ClassifierFolder.Is(folder);

    /// <summary>Makes a network with initial weights.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    public static ResNetClassifier Create(ResNetClassifierOptions options, long seed, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = new ResNetClassifier(options);
        network.Initialise(seed);
        network.MoveTo(device);
        return network;
    });

    /// <summary>Opens a folder that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With <c>config.json</c> and <c>model.safetensors</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    public static ResNetClassifier Load(string folder, Device device = default) =>
        ClassifierFolder.Load(folder, "classifier", ResNetClassifierOptions.FromJson, o => o.ParameterCount, o => new ResNetClassifier(o), device);

    /// <summary>Writes the network as a folder; each file appears whole.</summary>
    public void Save(string folder) => ClassifierFolder.Save(folder, this, Options.ToJson());

    /// <summary>SHA-256 over the names and values of all parameters, in lower-case hexadecimal: which weights these are, wherever they lie.</summary>
    public string Fingerprint() => WeightFingerprint.Of(Parameters());

    /// <summary>What the network makes of pictures on the way to its logits.</summary>
    /// <param name="x">[N, C, H, W] in [-1, 1].</param>
    public ClassifierFeatures Features(Tensor x)
    {
        var h = _convIn.Forward(x);
        var maps = new Tensor[_blocks.Count];
        for (var i = 0; i < maps.Length; i++)
            maps[i] = h = _blocks[i].Forward(h);
        return new ClassifierFeatures(maps, Functional.Silu(_normOut.Forward(h)).Mean([2, 3]));
    }

    /// <summary>Unnormalised log-probabilities of the classes, [N, classes].</summary>
    /// <param name="x">[N, C, H, W] in [-1, 1].</param>
    public Tensor Logits(Tensor x) => _head.Forward(Features(x).Pooled);

    /// <summary>Whether a block changes the shape, so that its input must be projected.</summary>
    internal static bool HasShortcut(long inputs, long outputs, int stride) => inputs != outputs || stride != 1;

    /// <summary>norm, SiLU, conv, norm, SiLU, conv, beside the input (projected by 1x1 from the activated one where the shape changes).</summary>
    private sealed class PreActivationBlock : Module
    {
        private readonly GroupNorm _norm1;
        private readonly Conv2d _conv1;
        private readonly GroupNorm _norm2;
        private readonly Conv2d _conv2;
        private readonly Conv2d? _shortcut;

        internal PreActivationBlock(long inputs, long outputs, int stride, long groups)
        {
            _norm1 = Add("norm1", new GroupNorm(groups, inputs));
            _conv1 = Add("conv1", new Conv2d(inputs, outputs, 3, stride, padding: 1));
            _norm2 = Add("norm2", new GroupNorm(groups, outputs));
            _conv2 = Add("conv2", new Conv2d(outputs, outputs, 3, padding: 1));
            _shortcut = HasShortcut(inputs, outputs, stride) ? Add("conv_shortcut", new Conv2d(inputs, outputs, 1, stride, bias: false)) : null;
        }

        /// <summary>In a scope of its own: what gradients do not need is freed at once.</summary>
        internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
        {
            var h = Functional.Silu(_norm1.Forward(x));
            var straight = _shortcut?.Forward(h) ?? x;
            h = _conv1.Forward(h);
            return straight + _conv2.Forward(Functional.Silu(_norm2.Forward(h)));
        });
    }
}
