using Graft.Networks;

namespace Graft.Planning;

/// <summary>
/// What a <see cref="UNet2D"/> costs, counted from its options without building it. Counted are convolutions, linear layers and attention,
/// of which nearly all of the arithmetic consists; norms, activations, softmax and the optimiser are not.
/// </summary>
public sealed class NetworkCost
{
    /// <summary>A training step in forward passes: a backward pass is taken as two, one for the inputs' gradients, one for the weights'.</summary>
    public const int Training = 3;

    private readonly UNet2DOptions _options;
    private readonly bool _attentionNorm;
    private readonly bool _scaleShift;

    private NetworkCost(UNet2DOptions options)
    {
        _options = options;
        _scaleShift = options.ResnetTimeScaleShift == "scale_shift";
        _attentionNorm = !_scaleShift || options.AttnNormNumGroups is not null;
    }

    /// <summary>Whether Graft's own convolutions take its channels, where a processor has them: multiples of sixteen, and no drop-out.</summary>
    public bool FitsOwnConvolutions => _options.BlockOutChannels.All(c => c % 16 == 0) && _options.Dropout == 0;

    /// <summary>Parameters of the network.</summary>
    public long Parameters { get; private set; }

    /// <summary>Floating-point operations of a forward pass for one picture: 2 for each multiply-add.</summary>
    public long Operations { get; private set; }

    /// <summary>Values that a forward pass keeps for the gradients, for one picture.</summary>
    public long Activations { get; private set; }

    /// <summary>Of these, the weights of attention, which Graft's own does not keep (docs/performance.md).</summary>
    public long AttentionWeights { get; private set; }

    /// <summary>Values of the largest layer, of what goes into it and what comes out, for one picture: what is held beside the rest for a moment.</summary>
    public long LargestLayer { get; private set; }

    /// <summary>Counts.</summary>
    /// <param name="options">The network.</param>
    /// <param name="height">Of the picture.</param>
    /// <param name="width">Of the picture.</param>
    public static NetworkCost Of(UNet2DOptions options, long height, long width)
    {
        ArgumentNullException.ThrowIfNull(options);
        var cost = new NetworkCost(options);
        cost.Count(height, width);
        return cost;
    }

    /// <summary>Operations of a 2-D convolution, its bias left out, for one picture.</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Edge of the kernel.</param>
    /// <param name="height">Of the output.</param>
    /// <param name="width">Of the output.</param>
    public static long Conv2d(long inputs, long outputs, long kernel, long height, long width) =>
        2 * inputs * outputs * kernel * kernel * height * width;

    /// <summary>Operations of a linear layer, its bias left out, for a number of rows.</summary>
    public static long Linear(long inputs, long outputs, long rows = 1) => 2 * inputs * outputs * rows;

    /// <summary>Operations of self-attention over <paramref name="tokens"/> positions: four projections, q·kᵀ and the mixing of v; heads change nothing.</summary>
    public static long Attention(long channels, long tokens) => (4 * Linear(channels, channels, tokens)) + (2 * 2 * tokens * tokens * channels);

    private void Count(long height, long width)
    {
        var channels = _options.BlockOutChannels;
        var (first, last, layers) = (channels[0], channels.Length - 1, _options.LayersPerBlock);
        AddConvolution(_options.InChannels, first, 3, height, width);
        AddTime(first);
        for (var i = 0; i <= last; i++)
        {
            for (var j = 0; j < layers; j++)
            {
                AddResidual(j == 0 ? channels[Math.Max(0, i - 1)] : channels[i], channels[i], height, width);
                if (_options.AttendsDown(i))
                    AddAttention(channels[i], height, width, norm: true, up: false);
            }

            if (i == last)
                break;
            var residual = _options.DownBlockTypes[i] == "ResnetDownsampleBlock2D" || (_options.AttendsDown(i) && _options.DownsampleType == "resnet");
            (height, width) = (height / 2, width / 2);
            AddResampling(channels[i], height, width, residual, down: true);
        }

        AddResidual(channels[last], channels[last], height, width);
        if (_options.AddAttention)
            AddAttention(channels[last], height, width, _attentionNorm, up: false);
        AddResidual(channels[last], channels[last], height, width);
        for (var i = last; i >= 0; i--)
        {
            for (var j = 0; j <= layers; j++)
            {
                var before = j == 0 ? channels[Math.Min(last, i + 1)] : channels[i];
                var skip = j == layers ? channels[Math.Max(0, i - 1)] : channels[i];
                Activations += (before + skip) * height * width; // the two in one tensor
                AddResidual(before + skip, channels[i], height, width);
                if (_options.AttendsUp(i))
                    AddAttention(channels[i], height, width, norm: true, up: true);
            }

            if (i == 0)
                break;
            var residual = _options.UpBlockTypes[last - i] == "ResnetUpsampleBlock2D" || (_options.AttendsUp(i) && _options.UpsampleType == "resnet");
            (height, width) = (height * 2, width * 2);
            AddResampling(channels[i], height, width, residual, down: false);
        }

        AddNorm(first, height, width);
        Activations += first * height * width; // SiLU
        AddConvolution(first, _options.OutChannels, 3, height, width);
    }

    private void AddTime(long first)
    {
        var inputs = _options.TimeEmbeddingType == "fourier" ? first * 2 : _options.TimeChannels;
        Parameters += _options.TimeEmbeddingType switch
        {
            "fourier" => first,
            "learned" => _options.NumTrainTimesteps!.Value * _options.TimeChannels,
            _ => 0,
        };
        AddLinear(inputs, _options.TimeWidth);
        AddLinear(_options.TimeWidth, _options.TimeWidth);
        if (_options.ClassEmbedType == "timestep")
        {
            AddLinear(inputs, _options.TimeWidth);
            AddLinear(_options.TimeWidth, _options.TimeWidth);
        }
        else if (_options.ClassEmbedType is null && _options.NumClassEmbeds is { } classes)
        {
            Parameters += classes * _options.TimeWidth;
        }
    }

    private void AddResampling(long channels, long height, long width, bool residual, bool down)
    {
        if (residual)
            AddResidual(channels, channels, height, width, down ? 4 : 1, resamples: true);
        else if (_options.ConvResample)
            AddConvolution(channels, channels, 3, height, width, keepsInput: !down);
        else
            Activations += channels * height * width;
    }

    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="height">Of the output.</param>
    /// <param name="width">Of the output.</param>
    /// <param name="before">Positions in front of the resampling for each one behind it.</param>
    /// <param name="resamples">Whether it changes the resolution.</param>
    private void AddResidual(long inputs, long outputs, long height, long width, int before = 1, bool resamples = false)
    {
        var places = height * width;
        AddNorm(inputs, height * before, width);
        Activations += inputs * places * before; // SiLU
        if (resamples)
            Activations += inputs * places;
        AddConvolution(inputs, outputs, 3, height, width);
        AddLinear(_options.TimeWidth, _scaleShift ? 2 * outputs : outputs);
        AddNorm(outputs, height, width);
        Activations += outputs * places * ((_scaleShift ? 3 : 2) + (_options.Dropout > 0 ? 1 : 0)); // scaled, SiLU (or drop-out of it), the sum; the mask
        AddConvolution(outputs, outputs, 3, height, width, keepsOutput: false);
        if (inputs != outputs)
            AddConvolution(inputs, outputs, 1, height, width, keepsOutput: false);
    }

    private void AddAttention(long channels, long height, long width, bool norm, bool up)
    {
        var tokens = height * width;
        var heads = _options.HeadsOf(channels, up);
        if (norm)
            AddNorm(channels, height, width);
        Parameters += 4 * ((channels * channels) + channels);
        Operations += Attention(channels, tokens);
        // The tokens in order, q, k, v, the mixture and the sum; and the weights of the mixture, for each head.
        Activations += (6 * channels * tokens) + (heads * tokens * tokens);
        AttentionWeights += heads * tokens * tokens;
        LargestLayer = Math.Max(LargestLayer, (2 * heads * tokens * tokens) + (2 * channels * tokens));
    }

    private void AddNorm(long channels, long height, long width)
    {
        Parameters += 2 * channels;
        Activations += channels * height * width;
    }

    private void AddConvolution(long inputs, long outputs, long kernel, long height, long width, bool keepsInput = false, bool keepsOutput = true)
    {
        Parameters += (inputs * outputs * kernel * kernel) + outputs;
        Operations += Conv2d(inputs, outputs, kernel, height, width);
        Activations += ((keepsInput ? inputs : 0) + (keepsOutput ? outputs : 0)) * height * width;
        LargestLayer = Math.Max(LargestLayer, 2 * (inputs + outputs) * height * width);
    }

    private void AddLinear(long inputs, long outputs)
    {
        Parameters += (inputs * outputs) + outputs;
        Operations += Linear(inputs, outputs);
        Activations += 2 * outputs;
    }
}
