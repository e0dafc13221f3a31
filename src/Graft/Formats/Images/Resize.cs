namespace Graft.Formats.Images;

/// <summary>Antialiased resizing, equal to the byte to Pillow's <c>Image.resize</c> (modes L, LA, RGB, RGBA and F).</summary>
/// <remarks>
/// Two passes, rows first, with 8 bits in between. Pictures with alpha are premultiplied by it, resized and divided again, as
/// Pillow does, so that transparent pixels do not bleed.
/// </remarks>
public static class Resize
{
    /// <summary>Resizes by cubic convolution (a = -0.5) with antialiasing.</summary>
    /// <param name="picture">What to resize.</param>
    /// <param name="width">Of the result in pixels, at least 1.</param>
    /// <param name="height">Of the result in pixels, at least 1.</param>
    /// <returns>A new picture of the same channels, or <paramref name="picture"/> itself if it has that size.</returns>
    public static Picture Bicubic(Picture picture, int width, int height) => To(picture, width, height, ResizeFilter.Bicubic);

    /// <summary>Resizes a plane of real numbers by cubic convolution: Pillow's mode F, as clean-fid does. Nothing is clipped.</summary>
    /// <param name="plane"><c>sourceHeight * sourceWidth</c> numbers, row by row.</param>
    /// <param name="sourceWidth">Pixels in a row of <paramref name="plane"/>.</param>
    /// <param name="sourceHeight">Rows of <paramref name="plane"/>.</param>
    /// <param name="width">Of the result in pixels, at least 1.</param>
    /// <param name="height">Of the result in pixels, at least 1.</param>
    /// <returns><c>height * width</c> numbers, newly allocated.</returns>
    public static float[] Bicubic(float[] plane, int sourceWidth, int sourceHeight, int width, int height) =>
        To(plane, sourceWidth, sourceHeight, width, height, ResizeFilter.Bicubic);

    /// <summary>Shrinks or enlarges so that the shorter edge gets so many pixels; the longer one is cut to whole ones.</summary>
    /// <remarks>With <see cref="Picture.CentreCrop"/> behind it, this is CLIP's preprocessing.</remarks>
    /// <param name="picture">What to resize.</param>
    /// <param name="size">Pixels, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    public static Picture ShortestEdge(Picture picture, int size, ResizeFilter filter = ResizeFilter.Bicubic)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        return picture.Width <= picture.Height
            ? To(picture, size, (int)((long)size * picture.Height / picture.Width), filter)
            : To(picture, (int)((long)size * picture.Width / picture.Height), size, filter);
    }

    /// <summary>Resizes with a filter of choice.</summary>
    /// <param name="picture">What to resize.</param>
    /// <param name="width">Of the result in pixels, at least 1.</param>
    /// <param name="height">Of the result in pixels, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <returns>A new picture of the same channels, or <paramref name="picture"/> itself if it has that size.</returns>
    public static Picture To(Picture picture, int width, int height, ResizeFilter filter)
    {
        ArgumentNullException.ThrowIfNull(picture);
        CheckSize(width, height);
        if (picture.Width == width && picture.Height == height)
            return picture;

        var channels = picture.Channels;
        var pixels = picture.HasAlpha ? Premultiply(picture.Pixels, channels) : picture.Pixels;
        if (width != picture.Width)
            pixels = Rows(pixels, picture.Width, picture.Height, width, channels, ResizeWeights.Create(picture.Width, width, filter));
        if (height != picture.Height)
            pixels = Columns(pixels, height, width * channels, ResizeWeights.Create(picture.Height, height, filter));
        if (picture.HasAlpha)
            Unpremultiply(pixels, channels);
        return new Picture(width, height, channels, pixels);
    }

    /// <summary>Resizes one plane of real numbers with a filter of choice; sums in double, results in single precision.</summary>
    /// <param name="plane"><c>sourceHeight * sourceWidth</c> numbers, row by row.</param>
    /// <param name="sourceWidth">Pixels in a row of <paramref name="plane"/>.</param>
    /// <param name="sourceHeight">Rows of <paramref name="plane"/>.</param>
    /// <param name="width">Of the result in pixels, at least 1.</param>
    /// <param name="height">Of the result in pixels, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <returns><c>height * width</c> numbers, newly allocated.</returns>
    public static float[] To(float[] plane, int sourceWidth, int sourceHeight, int width, int height, ResizeFilter filter)
    {
        ArgumentNullException.ThrowIfNull(plane);
        CheckSize(sourceWidth, sourceHeight);
        CheckSize(width, height);
        if (plane.Length != (long)sourceWidth * sourceHeight)
            throw new ArgumentException($"{plane.Length} numbers are not {sourceHeight} x {sourceWidth}", nameof(plane));

        var across = width == sourceWidth ? plane : Rows(plane, sourceWidth, sourceHeight, width, filter);
        if (height != sourceHeight)
            return Columns(across, sourceHeight, width, height, filter);
        return ReferenceEquals(across, plane) ? (float[])plane.Clone() : across;
    }

    private static void CheckSize(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> ResizeWeights.FractionBits, 0, 255);

    private static byte[] Rows(byte[] source, int sourceWidth, int rows, int width, int channels, ResizeWeights axis)
    {
        var weights = axis.ToFixedPoint();
        var result = new byte[checked(rows * width * channels)];
        for (var y = 0; y < rows; y++)
        {
            var from = source.AsSpan(y * sourceWidth * channels, sourceWidth * channels);
            var to = result.AsSpan(y * width * channels, width * channels);
            for (var x = 0; x < width; x++)
            {
                var row = weights.AsSpan(x * axis.Taps, axis.Count[x]);
                for (var c = 0; c < channels; c++)
                {
                    var sum = 1 << (ResizeWeights.FractionBits - 1);
                    var at = (axis.First[x] * channels) + c;
                    foreach (var weight in row)
                    {
                        sum += from[at] * weight;
                        at += channels;
                    }

                    to[(x * channels) + c] = Clip(sum);
                }
            }
        }

        return result;
    }

    private static byte[] Columns(byte[] source, int height, int stride, ResizeWeights axis)
    {
        var weights = axis.ToFixedPoint();
        var result = new byte[checked(height * stride)];
        var sums = new int[stride];
        for (var y = 0; y < height; y++)
        {
            Array.Fill(sums, 1 << (ResizeWeights.FractionBits - 1));
            for (var k = 0; k < axis.Count[y]; k++)
            {
                var weight = weights[(y * axis.Taps) + k];
                var from = source.AsSpan((axis.First[y] + k) * stride, stride);
                for (var x = 0; x < from.Length; x++)
                    sums[x] += from[x] * weight;
            }

            var to = result.AsSpan(y * stride, stride);
            for (var x = 0; x < to.Length; x++)
                to[x] = Clip(sums[x]);
        }

        return result;
    }

    private static float[] Rows(float[] source, int sourceWidth, int rows, int width, ResizeFilter filter)
    {
        var axis = ResizeWeights.Create(sourceWidth, width, filter);
        var result = new float[checked(rows * width)];
        for (var y = 0; y < rows; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var sum = 0.0;
                for (var k = 0; k < axis.Count[x]; k++)
                    sum += source[(y * sourceWidth) + axis.First[x] + k] * axis.Weights[(x * axis.Taps) + k];
                result[(y * width) + x] = (float)sum;
            }
        }

        return result;
    }

    private static float[] Columns(float[] source, int sourceHeight, int width, int height, ResizeFilter filter)
    {
        var axis = ResizeWeights.Create(sourceHeight, height, filter);
        var result = new float[checked(height * width)];
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var sum = 0.0;
                for (var k = 0; k < axis.Count[y]; k++)
                    sum += source[((axis.First[y] + k) * width) + x] * axis.Weights[(y * axis.Taps) + k];
                result[(y * width) + x] = (float)sum;
            }
        }

        return result;
    }

    private static byte[] Premultiply(byte[] pixels, int channels)
    {
        var result = (byte[])pixels.Clone();
        for (var i = 0; i < result.Length; i += channels)
        {
            int alpha = result[i + channels - 1];
            for (var c = 0; c < channels - 1; c++)
                result[i + c] = Picture.DivideBy255(result[i + c] * alpha);
        }

        return result;
    }

    private static void Unpremultiply(byte[] pixels, int channels)
    {
        for (var i = 0; i < pixels.Length; i += channels)
        {
            int alpha = pixels[i + channels - 1];
            if (alpha is 0 or 255)
                continue;
            for (var c = 0; c < channels - 1; c++)
                pixels[i + c] = (byte)Math.Min(255 * pixels[i + c] / alpha, 255);
        }
    }
}
