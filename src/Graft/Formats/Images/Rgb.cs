using System.Runtime.InteropServices;

namespace Graft.Formats.Images;

/// <summary>A colour of 8 bits a channel.</summary>
/// <param name="R">Red, 0 to 255.</param>
/// <param name="G">Green, 0 to 255.</param>
/// <param name="B">Blue, 0 to 255.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Rgb(byte R, byte G, byte B)
{
    /// <summary>255, 255, 255.</summary>
    public static Rgb White { get; } = new(255, 255, 255);

    /// <summary>0, 0, 0.</summary>
    public static Rgb Black { get; }

    /// <summary>Whether the three channels are equal.</summary>
    public bool IsGrey => R == G && G == B;

    /// <summary>The luma of Pillow's mode L: <c>(19595 R + 38470 G + 7471 B + 32768) / 65536</c>, ITU-R 601-2.</summary>
    public byte Luma => (byte)(((R * 19595) + (G * 38470) + (B * 7471) + 0x8000) >> 16);
}
