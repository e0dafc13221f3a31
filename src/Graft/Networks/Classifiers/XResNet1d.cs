using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// xresnet1d, the network of the PTB-XL benchmark (Strodthoff et al. 2021, "Deep Learning for ECG Analysis: Benchmarks and Insights from
/// PTB-XL"): the residual network of He et al. 2016 with the stem and shortcuts of He et al. 2019 ("Bag of Tricks"), convolutions over
/// time, and a head that joins maximum and mean over time. Names of parameters are those of the authors' checkpoints (which hold each block's <c>convs</c>
/// again as <c>convpath.0</c>). A folder of it holds <c>config.json</c> and <c>model.safetensors</c>.
/// </summary>
public sealed class XResNet1d : Module
{
    private readonly List<TimeConvolution> _stem = [];
    private readonly List<TimeBlock> _blocks = [];
    private readonly BatchNorm _norm1;
    private readonly Dropout _dropout1;
    private readonly Linear _hidden;
    private readonly BatchNorm _norm2;
    private readonly Dropout _dropout2;
    private readonly Linear _out;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public XResNet1d(XResNet1dOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("of a classifier of ECGs");
        Options = options;
        long inputs = options.Leads.Count;
        for (var i = 0; i < options.StemChannels.Count; i++)
        {
            _stem.Add(Add($"{i}", new TimeConvolution(inputs, options.StemChannels[i], options.StemKernelSize, i == 0 ? 2 : 1)));
            inputs = options.StemChannels[i];
        }

        // The pooling of the stem has a number of its own, and no parameters.
        var at = options.StemChannels.Count + 1;
        for (var stage = 0; stage < options.StageChannels.Count; stage++, at++)
        {
            for (var block = 0; block < options.StageBlocks[stage]; block++)
            {
                _blocks.Add(Add($"{at}.{block}", new TimeBlock(inputs, options.StageChannels[stage], options.Expansion, options.KernelSize, stage > 0 && block == 0 ? 2 : 1)));
                inputs = (long)options.StageChannels[stage] * options.Expansion;
            }
        }

        // 0 joins the poolings, 1 flattens, 5 is the ReLU.
        _norm1 = Add($"{at}.2", new BatchNorm(2 * inputs));
        _dropout1 = Add($"{at}.3", new Dropout(options.HeadDropout / 2));
        _hidden = Add($"{at}.4", new Linear(2 * inputs, options.HeadChannels));
        _norm2 = Add($"{at}.6", new BatchNorm(options.HeadChannels));
        _dropout2 = Add($"{at}.7", new Dropout(options.HeadDropout));
        _out = Add($"{at}.8", new Linear(options.HeadChannels, options.Classes.Count));
    }

    /// <summary>The architecture.</summary>
    public XResNet1dOptions Options { get; }

    /// <summary>Whether a folder holds a classifier, or something that one written there would replace.</summary>
    public static bool Is(string folder) => ClassifierFolder.Is(folder);

    /// <summary>Makes a network with initial weights: the normal distribution of He et al. 2015 and biases of 0, as the benchmark has them.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    public static XResNet1d Create(XResNet1dOptions options, long seed, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = new XResNet1d(options);
        network.Initialise(seed);
        using (Autograd.NoGrad())
        {
            foreach (var (name, module) in network.Modules())
            {
                if (module is not WeightedModule weighted || module is BatchNorm)
                    continue;
                var initialiser = new Initialiser(seed, name);
                initialiser.Normal(weighted.Weight, "weight", Math.Sqrt(2.0 / (weighted.Weight.Count / weighted.Weight.Size(0))));
                weighted.Bias?.Fill(0);
            }
        }

        network.MoveTo(device);
        return network;
    });

    /// <summary>Opens a folder that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With <c>config.json</c> and <c>model.safetensors</c>.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing, broken, or does not fit the other.</exception>
    public static XResNet1d Load(string folder, Device device = default) =>
        ClassifierFolder.Load(folder, "classifier of ECGs", XResNet1dOptions.FromJson, o => o.ParameterCount.Trained + o.ParameterCount.Statistics, o => new XResNet1d(o), device);

    /// <summary>Writes the network as a folder; each file appears whole.</summary>
    public void Save(string folder) => ClassifierFolder.Save(folder, this, Options.ToJson());

    /// <summary>SHA-256 over the names and values of all parameters and running statistics, in lower-case hexadecimal.</summary>
    public string Fingerprint() => WeightFingerprint.Of(Parameters());

    /// <summary>The values of the head's hidden layer after its ReLU, [N, head_channels].</summary>
    /// <param name="x">Crops, [N, leads, samples].</param>
    public Tensor Features(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        var h = x.Unsqueeze(2);
        foreach (var layer in _stem)
            h = TensorScope.Of(() => Functional.Relu(layer.Forward(h)));
        h = Functional.MaxPool(h, 3, 2, 1); // the row above and the one below are padding, which never wins
        foreach (var block in _blocks)
            h = block.Forward(h);
        h = Tensor.Cat([h.Max([2, 3]), h.Mean([2, 3])], 1);
        return Functional.Relu(_hidden.Forward(_dropout1.Forward(_norm1.Forward(h))));
    }

    /// <summary>The log odds of each class, [N, classes].</summary>
    /// <param name="x">Crops, [N, leads, samples].</param>
    public Tensor Logits(Tensor x) => _out.Forward(_dropout2.Forward(_norm2.Forward(Features(x))));

    /// <summary>A convolution over time of [N, C, 1, T] and a batch norm: <c>0</c> (weight [out, in, width]) and <c>1</c>.</summary>
    private sealed class TimeConvolution : Module
    {
        private readonly TimeKernel _kernel;
        private readonly BatchNorm _norm;

        internal TimeConvolution(long inputs, long outputs, long width, long stride = 1)
        {
            _kernel = Add("0", new TimeKernel(inputs, outputs, width, stride));
            _norm = Add("1", new BatchNorm(outputs));
        }

        internal Tensor Forward(Tensor x) => _norm.Forward(_kernel.Forward(x));
    }

    /// <summary><c>nn.Conv1d</c> without bias, "same" padding: weight [out, in, width]; x [N, in, 1, T].</summary>
    private sealed class TimeKernel(long inputs, long outputs, long width, long stride) : WeightedModule([outputs, inputs, width], null)
    {
        private readonly long[] _padding = [0, width / 2];

        internal Tensor Forward(Tensor x) => Functional.Conv2d(x, Weight.Unsqueeze(2), null, stride, _padding);
    }

    /// <summary>ReLU of the convolutions' path beside the input, which is averaged in pairs where the length is halved, and projected where channels change.</summary>
    private sealed class TimeBlock : Module
    {
        private readonly List<TimeConvolution> _path = [];
        private readonly TimeConvolution? _projection;
        private readonly bool _halves;

        internal TimeBlock(long inputs, long middle, int expansion, long width, int stride)
        {
            var outputs = middle * expansion;
            _halves = stride == 2;
            if (expansion == 1)
            {
                _path.Add(Add("convs.0", new TimeConvolution(inputs, middle, width, stride)));
                _path.Add(Add("convs.1", new TimeConvolution(middle, outputs, width)));
            }
            else
            {
                _path.Add(Add("convs.0", new TimeConvolution(inputs, middle, 1)));
                _path.Add(Add("convs.1", new TimeConvolution(middle, middle, width, stride)));
                _path.Add(Add("convs.2", new TimeConvolution(middle, outputs, 1)));
            }

            _projection = inputs == outputs ? null : Add(_halves ? "idpath.1" : "idpath.0", new TimeConvolution(inputs, outputs, 1));
        }

        /// <summary>In a scope of its own: what gradients do not need is freed at once.</summary>
        internal Tensor Forward(Tensor x) => TensorScope.Of(() =>
        {
            var h = x;
            for (var i = 0; i < _path.Count; i++)
                h = i + 1 < _path.Count ? Functional.Relu(_path[i].Forward(h)) : _path[i].Forward(h);
            var straight = _halves ? MeanOfPairs(x) : x;
            return Functional.Relu(h + (_projection?.Forward(straight) ?? straight));
        });

        /// <summary>Means of two neighbours in time; a last one without a neighbour stays (<c>AvgPool1d(2, ceil_mode=True)</c>).</summary>
        private static Tensor MeanOfPairs(Tensor x)
        {
            var (n, c, length) = (x.Size(0), x.Size(1), x.Size(3));
            var even = length % 2 == 0 ? x : Tensor.Cat([x, x.Slice(3, length - 1, length)], 3);
            return even.Reshape(n, c, 1, (length + 1) / 2, 2).Mean([4]);
        }
    }
}
