using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>
/// A tensor of a PyTorch checkpoint: a view of a storage in the mapped file. Valid while its <see cref="CheckpointFile"/> is open.
/// </summary>
public sealed unsafe class CheckpointTensor
{
    private readonly CheckpointStorage _storage;

    internal CheckpointTensor(CheckpointStorage storage, DType type, long[] shape, long[] strides, long storageOffset, long count)
    {
        _storage = storage;
        Type = type;
        Shape = shape;
        Strides = strides;
        StorageOffset = storageOffset;
        Count = count;
        Length = count * type.Size();
    }

    /// <summary>Element type.</summary>
    public DType Type { get; }

    /// <summary>Sizes of the dimensions; empty for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>Elements between neighbours of each dimension in the storage; zero where a dimension is expanded.</summary>
    public long[] Strides { get; }

    /// <summary>Elements from the beginning of the storage to the first element.</summary>
    public long StorageOffset { get; }

    /// <summary>Key of the storage in the file: tensors with the same key share memory in PyTorch.</summary>
    public string StorageKey => _storage.Key;

    /// <summary>Elements.</summary>
    public long Count { get; }

    /// <summary>Bytes of all elements, once contiguous.</summary>
    public long Length { get; }

    /// <summary>Copies the elements: contiguous, row-major, little-endian.</summary>
    /// <param name="destination">At least <see cref="Length"/> bytes.</param>
    /// <exception cref="ArgumentException">The destination is too small.</exception>
    /// <exception cref="InputException">The checksum of the storage is wrong.</exception>
    public void CopyTo(Span<byte> destination)
    {
        fixed (byte* address = destination)
            CopyTo(address, destination.Length);
    }

    /// <summary>Copies the elements to memory of any size: contiguous, row-major, little-endian.</summary>
    /// <param name="destination">Where the elements go.</param>
    /// <param name="length">Bytes there; at least <see cref="Length"/>.</param>
    /// <exception cref="ArgumentException">The destination is too small.</exception>
    /// <exception cref="InputException">The checksum of the storage is wrong.</exception>
    public void CopyTo(byte* destination, long length)
    {
        if (length < Length)
            throw new ArgumentException($"The tensor needs {Length} bytes but the destination has {length}.", nameof(length));
        var source = First();
        if (Count == 0)
            return;
        var outer = OuterDimensions(out var run);
        if (outer == 0)
            Buffer.MemoryCopy(source, destination, length, Length);
        else
            CopyStrided(source, destination, outer, run);
    }

    /// <summary>The elements as bytes: contiguous, row-major, little-endian.</summary>
    /// <exception cref="InputException">The checksum of the storage is wrong.</exception>
    /// <exception cref="NotSupportedException">The tensor is too large for an array; use <c>CopyTo</c> or <see cref="WriteTo"/>.</exception>
    public byte[] ToBytes()
    {
        if (Length > Array.MaxLength)
            throw new NotSupportedException($"The tensor has {Length} bytes, more than an array can hold; use CopyTo or WriteTo.");
        First();
        var bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Writes the elements to a stream: contiguous, row-major, little-endian.</summary>
    /// <exception cref="InputException">The checksum of the storage is wrong.</exception>
    public void WriteTo(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var source = First();
        if (Count == 0)
            return;
        if (OuterDimensions(out _) == 0)
        {
            NativeCopy.Write(destination, source, Length);
            return;
        }

        var copy = (byte*)NativeMemory.Alloc((nuint)Length);
        try
        {
            CopyTo(copy, Length);
            NativeCopy.Write(destination, copy, Length);
        }
        finally
        {
            NativeMemory.Free(copy);
        }
    }

    private byte* First() => _storage.Bytes() + (StorageOffset * Type.Size());

    /// <summary>How many leading dimensions must be walked; the others lie in runs of contiguous elements.</summary>
    private int OuterDimensions(out long run)
    {
        run = 1;
        var outer = Shape.Length;
        while (outer > 0 && (Shape[outer - 1] == 1 || Strides[outer - 1] == run))
            run *= Shape[--outer];
        return outer;
    }

    private void CopyStrided(byte* source, byte* destination, int outer, long run)
    {
        var size = Type.Size();
        var index = new long[outer - 1];
        var count = Shape[outer - 1];
        var step = Strides[outer - 1] * size;
        var bytes = run * size;
        while (true)
        {
            CopyRuns(source, destination, count, step, bytes);
            destination += count * bytes;
            var dimension = outer - 2;
            for (; dimension >= 0; dimension--)
            {
                source += Strides[dimension] * size;
                if (++index[dimension] < Shape[dimension])
                    break;
                source -= Strides[dimension] * size * Shape[dimension];
                index[dimension] = 0;
            }

            if (dimension < 0)
                return;
        }
    }

    private static void CopyRuns(byte* source, byte* destination, long count, long step, long bytes)
    {
        for (long i = 0; i < count; i++, source += step, destination += bytes)
        {
            switch (bytes)
            {
                case 1: *destination = *source; break;
                case 2: Unsafe.WriteUnaligned(destination, Unsafe.ReadUnaligned<short>(source)); break;
                case 4: Unsafe.WriteUnaligned(destination, Unsafe.ReadUnaligned<int>(source)); break;
                case 8: Unsafe.WriteUnaligned(destination, Unsafe.ReadUnaligned<long>(source)); break;
                default: Buffer.MemoryCopy(source, destination, bytes, bytes); break;
            }
        }
    }
}
