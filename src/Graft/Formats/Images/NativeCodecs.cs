using System.Runtime.InteropServices;
using System.Text;

namespace Graft.Formats.Images;

/// <summary>The C ABI of <c>native/codecs/graft_codecs.h</c>.</summary>
internal static partial class NativeCodecs
{
    /// <summary>Bytes that a message needs at most; longer ones are cut.</summary>
    public const int MessageSize = 256;

    private const string Library = "graft_codecs";

    private const int ExpectedAbi = 2;

    private static readonly Lazy<string?> Fault = new(FindFault);

    [StructLayout(LayoutKind.Sequential)]
    public struct Info
    {
        public int Format;
        public int Width;
        public int Height;
        public int Channels;
        public int BitDepth;
        public int Flags;
        public int Orientation;
    }

    /// <summary>Says what to do when the native library is missing or of another version.</summary>
    /// <exception cref="GraftException">It is.</exception>
    public static void ThrowIfMissing()
    {
        if (Fault.Value is { } fault)
            throw new GraftException(fault);
    }

    /// <summary>The text that a native function left in <paramref name="message"/>.</summary>
    public static string Text(ReadOnlySpan<byte> message)
    {
        var end = message.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? message : message[..end]);
    }

    [LibraryImport(Library, EntryPoint = "graft_image_probe")]
    public static partial int Probe(ReadOnlySpan<byte> data, nuint size, out Info info, Span<byte> message, nuint messageSize);

    [LibraryImport(Library, EntryPoint = "graft_image_decode")]
    public static partial int Decode(
        ReadOnlySpan<byte> data, nuint size, Span<byte> pixels, nuint pixelsSize, Span<byte> message, nuint messageSize);

    [LibraryImport(Library, EntryPoint = "graft_png_encode")]
    public static partial int EncodePng(
        ReadOnlySpan<byte> pixels,
        nuint pixelsSize,
        int width,
        int height,
        int channels,
        int level,
        out nint encoded,
        out nuint encodedSize,
        Span<byte> message,
        nuint messageSize);

    [LibraryImport(Library, EntryPoint = "graft_jpeg_encode")]
    public static partial int EncodeJpeg(
        ReadOnlySpan<byte> pixels,
        nuint pixelsSize,
        int width,
        int height,
        int channels,
        int quality,
        int subsample,
        out nint encoded,
        out nuint encodedSize,
        Span<byte> message,
        nuint messageSize);

    [LibraryImport(Library, EntryPoint = "graft_codecs_free")]
    public static partial void Free(nint memory);

    [LibraryImport(Library, EntryPoint = "graft_codecs_abi")]
    private static partial int Abi();

    private static string? FindFault()
    {
        const string Remedy = "run the script ./graft once, which builds it";
        try
        {
            return Abi() == ExpectedAbi
                ? null
                : $"The library of picture codecs (lib{Library}.so) is of another version than this program; {Remedy}.";
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return $"The library of picture codecs (lib{Library}.so) cannot be loaded; {Remedy}.";
        }
    }
}
