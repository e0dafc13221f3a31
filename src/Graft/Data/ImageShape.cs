using System.Runtime.InteropServices;

namespace Graft.Data;

/// <summary>The shape of one picture as a model sees it: channels, height, width.</summary>
/// <param name="Channels">1 grey, 3 RGB.</param>
/// <param name="Height">Pixels.</param>
/// <param name="Width">Pixels.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ImageShape(int Channels, int Height, int Width)
{
    /// <summary>How many numbers one picture has: channels * height * width.</summary>
    public int Elements => checked(Channels * Height * Width);

    /// <summary>As <c>3 x 64 x 64</c>.</summary>
    public override string ToString() => $"{Channels} x {Height} x {Width}";

    /// <summary>Throws if no picture can be brought to this shape.</summary>
    internal void Check()
    {
        if (Channels is not (1 or 3) || Height < 1 || Width < 1 || (long)Channels * Height * Width > int.MaxValue)
            throw new InputException($"Pictures cannot be brought to the shape {this}; give 1 or 3 channels and at least one pixel.");
    }
}
