namespace Graft.Formats;

/// <summary>Copies of memory that may exceed what one span can address.</summary>
internal static unsafe class NativeCopy
{
    private const int Chunk = 1 << 24;

    /// <summary>Writes bytes to a stream in pieces.</summary>
    public static void Write(Stream destination, byte* source, long length)
    {
        for (long done = 0; done < length; done += Chunk)
            destination.Write(new ReadOnlySpan<byte>(source + done, (int)Math.Min(Chunk, length - done)));
    }
}
