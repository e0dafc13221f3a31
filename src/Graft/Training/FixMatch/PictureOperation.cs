using Graft.Data;

namespace Graft.Training;

/// <summary>What is done to pictures to make them hard to tell: the operations of RandAugment with FixMatch's ranges (Sohn et al. 2020, table 12).</summary>
public enum PictureOperation
{
    /// <summary>Nothing.</summary>
    Identity,

    /// <summary>Each channel is stretched to 0 … 255.</summary>
    AutoContrast,

    /// <summary>Blended with black; what is kept is 0.05 to 0.95.</summary>
    Brightness,

    /// <summary>Blended with its own grey; what is kept is 0.05 to 0.95. Of colour pictures only.</summary>
    Color,

    /// <summary>Blended with its mean grey; what is kept is 0.05 to 0.95.</summary>
    Contrast,

    /// <summary>Each channel's histogram is made flat.</summary>
    Equalize,

    /// <summary>4 to 8 bits of each value are kept.</summary>
    Posterize,

    /// <summary>Turned about the middle by -30 to 30 degrees.</summary>
    Rotate,

    /// <summary>Blended with a smoothed copy; what is kept is 0.05 to 0.95.</summary>
    Sharpness,

    /// <summary>Rows are pushed aside by -0.3 to 0.3 of their distance from the middle.</summary>
    ShearX,

    /// <summary>Columns are pushed aside by -0.3 to 0.3 of their distance from the middle.</summary>
    ShearY,

    /// <summary>Values from a threshold of 0 to 256 on are inverted.</summary>
    Solarize,

    /// <summary>Shifted across by -0.3 to 0.3 of the width, in whole pixels.</summary>
    TranslateX,

    /// <summary>Shifted down by -0.3 to 0.3 of the height, in whole pixels.</summary>
    TranslateY,
}

/// <summary>The operations on planes of bytes (CHW). Geometry interpolates bilinearly; values and histograms follow Pillow's definitions.</summary>
public static class PictureOperations
{
    private const double LeastKept = 0.05;
    private const double MostKept = 0.95;
    private const double LargestAngle = 30;
    private const double LargestPart = 0.3;
    private const int FewestBits = 4;

    /// <summary>The operations that change pictures of so many channels.</summary>
    public static IReadOnlyList<PictureOperation> For(int channels) =>
        [.. Enum.GetValues<PictureOperation>().Where(o => o != PictureOperation.Color || channels == 3)];

    /// <summary>Does one operation.</summary>
    /// <param name="operation">Which.</param>
    /// <param name="magnitude">Where in the operation's range, 0 (its low end) to 1 (its high end).</param>
    /// <param name="shape">Shape of the picture.</param>
    /// <param name="picture">Planes.</param>
    /// <param name="result">As long as the picture; must not overlap it.</param>
    /// <param name="fill">Value of what comes in from outside.</param>
    public static void Apply(PictureOperation operation, double magnitude, ImageShape shape, ReadOnlySpan<byte> picture, Span<byte> result, byte fill = 0)
    {
        var kept = (LeastKept * (1 - magnitude)) + (MostKept * magnitude);
        var part = LargestPart * ((2 * magnitude) - 1);
        switch (operation)
        {
            case PictureOperation.AutoContrast:
                Channels(shape, picture, result, Stretched);
                break;
            case PictureOperation.Brightness:
                Values(picture, result, v => Blend(0, v, kept));
                break;
            case PictureOperation.Color:
                Desaturate(shape, picture, result, kept);
                break;
            case PictureOperation.Contrast:
                var mean = MeanGrey(shape, picture);
                Values(picture, result, v => Blend(mean, v, kept));
                break;
            case PictureOperation.Equalize:
                Channels(shape, picture, result, Flattened);
                break;
            case PictureOperation.Posterize:
                var bits = Math.Min(8, FewestBits + (int)(magnitude * 5));
                var mask = (byte)~((1 << (8 - bits)) - 1);
                Values(picture, result, v => (byte)(v & mask));
                break;
            case PictureOperation.Rotate:
                var (sin, cos) = Math.SinCos(LargestAngle * ((2 * magnitude) - 1) * Math.PI / 180);
                Resample(shape, picture, result, fill, (x, y) => ((cos * x) + (sin * y), (cos * y) - (sin * x)));
                break;
            case PictureOperation.Sharpness:
                Soften(shape, picture, result, kept);
                break;
            case PictureOperation.ShearX:
                Resample(shape, picture, result, fill, (x, y) => (x + (part * y), y));
                break;
            case PictureOperation.ShearY:
                Resample(shape, picture, result, fill, (x, y) => (x, y + (part * x)));
                break;
            case PictureOperation.Solarize:
                var threshold = 256 * magnitude;
                Values(picture, result, v => v >= threshold ? (byte)(255 - v) : v);
                break;
            case PictureOperation.TranslateX:
                var across = Math.Round(part * shape.Width);
                Resample(shape, picture, result, fill, (x, y) => (x - across, y));
                break;
            case PictureOperation.TranslateY:
                var down = Math.Round(part * shape.Height);
                Resample(shape, picture, result, fill, (x, y) => (x, y - down));
                break;
            default:
                picture.CopyTo(result);
                break;
        }
    }

    /// <summary>Between two values, as Pillow blends: cut off, not rounded.</summary>
    private static byte Blend(double from, byte to, double kept) => (byte)(from + (kept * (to - from)));

    private static void Values(ReadOnlySpan<byte> picture, Span<byte> result, Func<byte, byte> map)
    {
        Span<byte> table = stackalloc byte[256];
        for (var v = 0; v < 256; v++)
            table[v] = map((byte)v);
        for (var i = 0; i < picture.Length; i++)
            result[i] = table[picture[i]];
    }

    /// <summary>Each channel through a table that its histogram makes.</summary>
    private static void Channels(ImageShape shape, ReadOnlySpan<byte> picture, Span<byte> result, Func<int[], byte[]> table)
    {
        var pixels = shape.Height * shape.Width;
        for (var c = 0; c < shape.Channels; c++)
        {
            var plane = picture.Slice(c * pixels, pixels);
            var histogram = new int[256];
            foreach (var v in plane)
                histogram[v]++;
            var map = table(histogram);
            for (var i = 0; i < pixels; i++)
                result[(c * pixels) + i] = map[plane[i]];
        }
    }

    private static byte[] Stretched(int[] histogram)
    {
        var (low, high) = (Array.FindIndex(histogram, n => n > 0), Array.FindLastIndex(histogram, n => n > 0));
        var scale = high > low ? 255.0 / (high - low) : 1;
        var from = high > low ? low : 0;
        return [.. Enumerable.Range(0, 256).Select(v => (byte)Math.Clamp((int)((v * scale) - (from * scale)), 0, 255))];
    }

    private static byte[] Flattened(int[] histogram)
    {
        var last = Array.FindLastIndex(histogram, n => n > 0);
        var step = (histogram.Sum() - histogram[last]) / 255;
        var map = new byte[256];
        var sum = step / 2;
        for (var v = 0; v < 256; v++)
        {
            map[v] = step == 0 ? (byte)v : (byte)Math.Min(255, sum / step);
            sum += histogram[v];
        }

        return map;
    }

    /// <summary>Luma of a pixel (ITU-R 601-2): Pillow's grey.</summary>
    private static int Grey(ImageShape shape, ReadOnlySpan<byte> picture, int pixel)
    {
        var pixels = shape.Height * shape.Width;
        return shape.Channels == 1
            ? picture[pixel]
            : ((picture[pixel] * 19595) + (picture[pixels + pixel] * 38470) + (picture[(2 * pixels) + pixel] * 7471) + 0x8000) >> 16;
    }

    private static int MeanGrey(ImageShape shape, ReadOnlySpan<byte> picture)
    {
        var pixels = shape.Height * shape.Width;
        var sum = 0L;
        for (var i = 0; i < pixels; i++)
            sum += Grey(shape, picture, i);
        return (int)(((double)sum / pixels) + 0.5);
    }

    private static void Desaturate(ImageShape shape, ReadOnlySpan<byte> picture, Span<byte> result, double kept)
    {
        var pixels = shape.Height * shape.Width;
        for (var i = 0; i < pixels; i++)
        {
            var grey = Grey(shape, picture, i);
            for (var c = 0; c < shape.Channels; c++)
                result[(c * pixels) + i] = Blend(grey, picture[(c * pixels) + i], kept);
        }
    }

    /// <summary>The smoothed copy is Pillow's SMOOTH, (1 1 1, 1 5 1, 1 1 1) / 13; edges stay.</summary>
    private static void Soften(ImageShape shape, ReadOnlySpan<byte> picture, Span<byte> result, double kept)
    {
        var (h, w) = (shape.Height, shape.Width);
        picture.CopyTo(result);
        for (var c = 0; c < shape.Channels; c++)
        {
            for (var y = 1; y < h - 1; y++)
            {
                for (var x = 1; x < w - 1; x++)
                {
                    var at = (((c * h) + y) * w) + x;
                    var sum = 4 * picture[at];
                    for (var dy = -w; dy <= w; dy += w)
                        sum += picture[at + dy - 1] + picture[at + dy] + picture[at + dy + 1];
                    result[at] = Blend((int)((sum / 13.0) + 0.5), picture[at], kept);
                }
            }
        }
    }

    /// <summary>Each result pixel is read from where it came from, bilinearly.</summary>
    /// <param name="shape">Shape of the picture.</param>
    /// <param name="picture">Planes.</param>
    /// <param name="result">Planes.</param>
    /// <param name="fill">What lies outside.</param>
    /// <param name="origin">Of a place of the result, from the middle, the place it came from.</param>
    private static void Resample(
        ImageShape shape, ReadOnlySpan<byte> picture, Span<byte> result, byte fill, Func<double, double, (double X, double Y)> origin)
    {
        var (h, w) = (shape.Height, shape.Width);
        double centreX = (w - 1) / 2.0, centreY = (h - 1) / 2.0;
        for (var y = 0; y < h; y++)
        {
            for (var x = 0; x < w; x++)
            {
                var (fromX, fromY) = origin(x - centreX, y - centreY);
                (fromX, fromY) = (fromX + centreX, fromY + centreY);
                int left = (int)Math.Floor(fromX), top = (int)Math.Floor(fromY);
                double right = fromX - left, down = fromY - top;
                for (var c = 0; c < shape.Channels; c++)
                {
                    var plane = picture.Slice(c * h * w, h * w);
                    var upper = ((1 - right) * At(plane, left, top)) + (right * At(plane, left + 1, top));
                    var lower = ((1 - right) * At(plane, left, top + 1)) + (right * At(plane, left + 1, top + 1));
                    result[(((c * h) + y) * w) + x] = (byte)(((1 - down) * upper) + (down * lower) + 0.5);
                }
            }
        }

        int At(ReadOnlySpan<byte> plane, int x, int y) => (uint)x < (uint)w && (uint)y < (uint)h ? plane[(y * w) + x] : fill;
    }
}
