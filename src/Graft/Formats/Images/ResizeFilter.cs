namespace Graft.Formats.Images;

/// <summary>How neighbouring pixels are weighted when a picture is resized. All are antialiased: they widen when shrinking.</summary>
public enum ResizeFilter
{
    /// <summary>Cubic convolution with a = -0.5 over 4 pixels: the default of most preprocessing.</summary>
    Bicubic,

    /// <summary>A triangle over 2 pixels.</summary>
    Bilinear,

    /// <summary>The plain mean of the pixels covered.</summary>
    Box,

    /// <summary>A sinc windowed by a wider sinc over 6 pixels.</summary>
    Lanczos,
}
