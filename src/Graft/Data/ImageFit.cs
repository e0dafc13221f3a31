using Graft.Formats.Images;

namespace Graft.Data;

/// <summary>How a picture of another aspect ratio is brought to a model's shape. Resizing is antialiased and bicubic.</summary>
public enum ImageFit
{
    /// <summary>Cuts the middle out in the wanted aspect ratio, then resizes: nothing is distorted, edges are lost.</summary>
    Crop,

    /// <summary>Resizes both axes to what is wanted: nothing is lost, the aspect ratio changes.</summary>
    Stretch,

    /// <summary>Resizes until all of it fits, then fills the rest with the background.</summary>
    Pad,
}

/// <summary>Brings pictures to a shape.</summary>
public static class ImageFitting
{
    /// <summary>Alpha over the background, then the channels, then the size: the order of Hugging Face's processors.</summary>
    /// <param name="picture">Any size and number of channels.</param>
    /// <param name="shape">1 or 3 channels.</param>
    /// <param name="fit">What happens to another aspect ratio.</param>
    /// <param name="background">Behind alpha, and around the picture with <see cref="ImageFit.Pad"/>.</param>
    /// <returns>A picture of that shape, without alpha.</returns>
    /// <exception cref="InputException">The shape has neither 1 nor 3 channels, or no pixels.</exception>
    public static Picture To(Picture picture, ImageShape shape, ImageFit fit, Rgb background)
    {
        ArgumentNullException.ThrowIfNull(picture);
        shape.Check();
        var opaque = picture.OverColour(background);
        var converted = shape.Channels == 1 ? opaque.ToGrey() : opaque.ToRgb();
        return fit switch
        {
            ImageFit.Crop => Resize.Bicubic(CropToAspect(converted, shape.Width, shape.Height), shape.Width, shape.Height),
            ImageFit.Stretch => Resize.Bicubic(converted, shape.Width, shape.Height),
            ImageFit.Pad => Pad(converted, shape.Width, shape.Height, background),
            _ => throw new ArgumentOutOfRangeException(nameof(fit), fit, "unknown fit"),
        };
    }

    private static Picture CropToAspect(Picture picture, int width, int height)
    {
        var (wide, high) = ((long)picture.Width * height, (long)picture.Height * width);
        return wide > high
            ? picture.CentreCrop(Nearest((double)high / height, picture.Width), picture.Height)
            : picture.CentreCrop(picture.Width, Nearest((double)wide / width, picture.Height));
    }

    private static Picture Pad(Picture picture, int width, int height, Rgb background)
    {
        var scale = Math.Min((double)width / picture.Width, (double)height / picture.Height);
        var fitted = Resize.Bicubic(picture, Nearest(picture.Width * scale, width), Nearest(picture.Height * scale, height));
        var result = Picture.Filled(width, height, picture.Channels, background);
        var (left, top) = ((width - fitted.Width) / 2, (height - fitted.Height) / 2);
        var bytes = fitted.Width * fitted.Channels;
        for (var y = 0; y < fitted.Height; y++)
        {
            fitted.Pixels.AsSpan(y * bytes, bytes)
                .CopyTo(result.Pixels.AsSpan((((top + y) * width) + left) * fitted.Channels));
        }

        return result;
    }

    private static int Nearest(double pixels, int most) => Math.Clamp((int)Math.Round(pixels), 1, most);
}
