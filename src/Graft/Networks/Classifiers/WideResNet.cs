using Graft.Data;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// The wide residual network WRN-d-k (Zagoruyko and Komodakis 2016, "Wide Residual Networks", table 1; blocks B(3,3) with batch norm and ReLU
/// before each convolution, no drop-out): what FixMatch and its kin classify small pictures with. Names of parameters are those of the usual
/// PyTorch checkpoints (<c>block1.layer.0.conv1.weight</c>). A folder of it holds <c>config.json</c> and <c>model.safetensors</c>.
/// </summary>
public sealed class WideResNet : Module, IPictureClassifier
{
    private readonly Conv2d _stem;
    private readonly List<WideBlock> _blocks = [];
    private readonly BatchNorm _norm;
    private readonly Linear _head;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public WideResNet(WideResNetOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("of a wide residual network");
        Options = options;
        long inputs = WideResNetOptions.StemChannels;
        _stem = Add("conv1", new Conv2d(options.InChannels, inputs, 3, padding: 1, bias: false));
        for (var group = 0; group < options.GroupChannels.Count; group++)
        {
            for (var i = 0; i < options.BlocksOfGroup; i++)
            {
                var outputs = options.GroupChannels[group];
                _blocks.Add(Add($"block{group + 1}.layer.{i}", new WideBlock(inputs, outputs, group > 0 && i == 0 ? 2 : 1, options.NormMomentum)));
                inputs = outputs;
            }
        }

        _norm = Add("bn1", new BatchNorm(inputs, options.NormMomentum));
        _head = Add("fc", new Linear(inputs, options.NumClasses));
    }

    /// <summary>The architecture.</summary>
    public WideResNetOptions Options { get; }

    /// <inheritdoc/>
    public ImageShape Shape => Options.Shape;

    /// <inheritdoc/>
    public int NumClasses => Options.NumClasses;

    /// <inheritdoc/>
    Module IPictureClassifier.Network => this;

    /// <summary>Whether a folder holds a classifier, or something that one written there would replace.</summary>
    public static bool Is(string folder) => ClassifierFolder.Is(folder);

    /// <summary>Whether a folder's configuration names this architecture.</summary>
    internal static bool IsOne(string folder) => ClassifierFolder.ClassName(folder) == WideResNetOptions.ClassName;

    /// <summary>
    /// Makes a network with initial weights: of convolutions the normal distribution of He et al. 2015 by fan-out, biases 0, as the usual
    /// implementations have them.
    /// </summary>
    /// <param name="options">The architecture.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    public static WideResNet Create(WideResNetOptions options, long seed, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = new WideResNet(options);
        network.Initialise(seed);
        using (Autograd.NoGrad())
        {
            foreach (var (name, module) in network.Modules())
            {
                if (module is Conv2d convolution)
                {
                    var weight = convolution.Weight;
                    new Initialiser(seed, name).Normal(weight, "weight", Math.Sqrt(2.0 / (weight.Size(0) * weight.Size(2) * weight.Size(3))));
                }
            }

            network._head.Bias!.Fill(0);
        }

        network.MoveTo(device);
        return network;
    });

    /// <summary>Opens a folder that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With <c>config.json</c> and <c>model.safetensors</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    public static WideResNet Load(string folder, Device device = default) =>
        ClassifierFolder.Load(folder, "classifier", WideResNetOptions.FromJson, o => o.ParameterCount.Trained + o.ParameterCount.Statistics, o => new WideResNet(o), device);

    /// <summary>Writes the network as a folder; each file appears whole.</summary>
    public void Save(string folder) => ClassifierFolder.Save(folder, this, Options.ToJson());

    /// <summary>SHA-256 over the names and values of all parameters and running statistics, in lower-case hexadecimal.</summary>
    public string Fingerprint() => WeightFingerprint.Of(Parameters());

    /// <inheritdoc/>
    public Tensor Logits(Tensor x) => _head.Forward(Features(x));

    /// <summary>What the last layer sees: means over places of the last group's channels. x [N, C, H, W] in [-1, 1] to [N, 64k].</summary>
    public Tensor Features(Tensor x)
    {
        var h = _stem.Forward(x);
        foreach (var block in _blocks)
            h = block.Forward(h);
        return Functional.Relu(_norm.Forward(h)).Mean([2, 3]);
    }

    /// <summary>norm, ReLU, conv, norm, ReLU, conv, beside the input, which is projected by 1x1 from the activated one where channels change.</summary>
    private sealed class WideBlock : Module
    {
        private readonly BatchNorm _norm1;
        private readonly Conv2d _conv1;
        private readonly BatchNorm _norm2;
        private readonly Conv2d _conv2;
        private readonly Conv2d? _shortcut;

        internal WideBlock(long inputs, long outputs, int stride, double momentum)
        {
            _norm1 = Add("bn1", new BatchNorm(inputs, momentum));
            _conv1 = Add("conv1", new Conv2d(inputs, outputs, 3, stride, padding: 1, bias: false));
            _norm2 = Add("bn2", new BatchNorm(outputs, momentum));
            _conv2 = Add("conv2", new Conv2d(outputs, outputs, 3, padding: 1, bias: false));
            _shortcut = inputs == outputs ? null : Add("convShortcut", new Conv2d(inputs, outputs, 1, stride, bias: false));
        }

        /// <summary>In a scope of its own: what gradients do not need is freed at once.</summary>
        internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
        {
            var h = Functional.Relu(_norm1.Forward(x));
            var straight = _shortcut?.Forward(h) ?? x;
            h = Functional.Relu(_norm2.Forward(_conv1.Forward(h)));
            return straight + _conv2.Forward(h);
        });
    }
}
