using Graft.Formats.Images;
using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>
/// Brings pictures into the form that CLIP was trained on, to the byte as Pillow resizes them: resize, crop, times 1/255, less the mean, by the
/// deviation.
/// </summary>
/// <remarks>
/// Two things differ from the originals. A PNG with a palette is expanded when it is decoded, where openai's transform resizes the indices by the
/// nearest neighbour. And Hugging Face's newer "fast" processors resize by torchvision in place of Pillow; this is the one over Pillow.
/// </remarks>
public sealed class ClipImageProcessor
{
    private const int Colours = 3;
    private readonly float[][] _tables;

    /// <summary>Makes a processor.</summary>
    public ClipImageProcessor(ClipImageProcessorOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        _tables = [.. Enumerable.Range(0, Colours).Select(c => Table(options, c))];
    }

    /// <summary>The steps.</summary>
    public ClipImageProcessorOptions Options { get; }

    /// <summary>The picture as bytes, resized and cropped, RGB.</summary>
    /// <param name="picture">1 to 4 channels, any size.</param>
    /// <exception cref="InputException">It is smaller than the crop, and nothing enlarges it.</exception>
    public Picture Crop(Picture picture)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var first = Options.Kind == ClipProcessorKind.OpenAi;
        var resized = Resized(first ? picture : picture.ToRgb()).ToRgb();
        if (Options.Crop is not var (height, width))
            return resized;
        if (resized.Height < height || resized.Width < width)
            throw new InputException($"A picture of {resized.Width} x {resized.Height} is smaller than the {width} x {height} that are cut out of it: give larger pictures.");
        return first
            ? resized.CentreCrop(width, height)
            : resized.Crop((resized.Width - width) / 2, (resized.Height - height) / 2, width, height);
    }

    /// <summary>Pictures as the network takes them.</summary>
    /// <param name="pictures">At least one, 1 to 4 channels, any sizes.</param>
    /// <returns>Float32 [N, 3, height, width] on the CPU.</returns>
    /// <exception cref="InputException">One is smaller than the crop, or they come out at different sizes.</exception>
    public Tensor Prepare(IReadOnlyList<Picture> pictures)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        ArgumentOutOfRangeException.ThrowIfZero(pictures.Count, nameof(pictures));
        var crops = new Picture[pictures.Count];
        Parallel.For(0, crops.Length, TorchRuntime.Parallelism(), i => crops[i] = Crop(pictures[i]));
        var (height, width) = (crops[0].Height, crops[0].Width);
        if (crops.FirstOrDefault(c => c.Height != height || c.Width != width) is { } other)
            throw new InputException($"The pictures come out as {crops[0]} and {other}: have the processor crop them.");
        var area = height * width;
        var values = new float[checked(crops.Length * Colours * area)];
        for (var n = 0; n < crops.Length; n++)
        {
            var pixels = crops[n].Pixels;
            for (var c = 0; c < Colours; c++)
            {
                var plane = values.AsSpan(((n * Colours) + c) * area, area);
                for (var i = 0; i < area; i++)
                    plane[i] = _tables[c][pixels[(i * Colours) + c]];
            }
        }

        return Tensor.From(values, crops.Length, Colours, height, width);
    }

    private Picture Resized(Picture picture) =>
        Options.ShortestEdge is { } edge ? Resize.ShortestEdge(picture, edge, Options.Filter)
        : Options.Size is var (height, width) ? Resize.To(picture, width, height, Options.Filter)
        : picture;

    /// <summary>What each byte becomes in one colour, in single precision as both originals compute it.</summary>
    private static float[] Table(ClipImageProcessorOptions options, int colour)
    {
        var table = new float[256];
        for (var b = 0; b < table.Length; b++)
        {
            var value = options.RescaleFactor is { } factor ? (float)(b * factor) : b;
            if (options.Mean is { } mean && options.Deviation is { } deviation)
                value = (value - (float)mean[colour]) / (float)deviation[colour];
            table[b] = value;
        }

        return table;
    }
}
