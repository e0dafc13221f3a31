using Graft.Networks;

namespace Graft.Benchmarks;

/// <summary>
/// Floating-point operations of a <see cref="UNet2D"/>: 2 for each multiply-add of its convolutions and matrix products, of which
/// nearly all of its arithmetic consists. Norms, activations, softmax and the optimiser are not counted.
/// </summary>
public static class FlopCount
{
    /// <summary>A backward pass is taken as two forward passes: one for the inputs' gradients, one for the weights'.</summary>
    public const int Training = 3;

    /// <summary>A 2-D convolution with bias left out, for one picture.</summary>
    /// <param name="inputs">Channels in.</param>
    /// <param name="outputs">Channels out.</param>
    /// <param name="kernel">Edge of the kernel.</param>
    /// <param name="height">Of the output.</param>
    /// <param name="width">Of the output.</param>
    public static long Conv2d(long inputs, long outputs, long kernel, long height, long width) =>
        2 * inputs * outputs * kernel * kernel * height * width;

    /// <summary>A linear layer with bias left out, for a number of rows.</summary>
    public static long Linear(long inputs, long outputs, long rows = 1) => 2 * inputs * outputs * rows;

    /// <summary>Self-attention over <paramref name="tokens"/> positions: four projections, q·kᵀ and the mixing of v; heads change nothing.</summary>
    public static long Attention(long channels, long tokens) => (4 * Linear(channels, channels, tokens)) + (2 * 2 * tokens * tokens * channels);

    /// <summary>One forward pass for one picture.</summary>
    /// <param name="options">The network; blocks that resample by residual blocks, and class or time embeddings of other kinds, are refused.</param>
    /// <param name="height">Of the picture.</param>
    /// <param name="width">Of the picture.</param>
    /// <exception cref="NotSupportedException">The network has a part that is not counted here.</exception>
    public static long Forward(UNet2DOptions options, long height, long width)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.IsClassConditional || options.TimeEmbeddingType != "positional" || options.ResnetTimeScaleShift != "default"
            || options.DownsampleType != "conv" || options.UpsampleType != "conv"
            || options.DownBlockTypes.Concat(options.UpBlockTypes).Any(t => t.StartsWith("Resnet", StringComparison.Ordinal)))
        {
            throw new NotSupportedException("Networks with class labels, other time embeddings, scale_shift or resampling residual blocks are not counted.");
        }

        var channels = options.BlockOutChannels;
        var (first, last, layers) = (channels[0], channels.Length - 1, options.LayersPerBlock);
        var time = first * 4;
        var total = Conv2d(options.InChannels, first, 3, height, width) + Linear(first, time) + Linear(time, time);
        for (var i = 0; i <= last; i++)
        {
            for (var j = 0; j < layers; j++)
                total += Block(options.DownBlockTypes[i], j == 0 ? channels[Math.Max(0, i - 1)] : channels[i], channels[i], time, height, width);
            if (i == last)
                break;
            (height, width) = (height / 2, width / 2);
            total += Conv2d(channels[i], channels[i], 3, height, width);
        }

        total += 2 * Residual(channels[last], channels[last], time, height, width);
        if (options.AddAttention)
            total += Attention(channels[last], height * width);
        for (var i = last; i >= 0; i--)
        {
            for (var j = 0; j <= layers; j++)
            {
                var before = j == 0 ? channels[Math.Min(last, i + 1)] : channels[i];
                var skip = j == layers ? channels[Math.Max(0, i - 1)] : channels[i];
                total += Block(options.UpBlockTypes[last - i], before + skip, channels[i], time, height, width);
            }

            if (i == 0)
                break;
            (height, width) = (height * 2, width * 2);
            total += Conv2d(channels[i], channels[i], 3, height, width);
        }

        return total + Conv2d(first, options.OutChannels, 3, height, width);
    }

    private static long Block(string type, long inputs, long outputs, long time, long height, long width) =>
        Residual(inputs, outputs, time, height, width)
        + (type.StartsWith("Attn", StringComparison.Ordinal) ? Attention(outputs, height * width) : 0);

    private static long Residual(long inputs, long outputs, long time, long height, long width) =>
        Conv2d(inputs, outputs, 3, height, width) + Linear(time, outputs) + Conv2d(outputs, outputs, 3, height, width)
        + (inputs == outputs ? 0 : Conv2d(inputs, outputs, 1, height, width));
}
