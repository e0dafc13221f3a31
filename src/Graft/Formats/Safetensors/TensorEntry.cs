using Graft.Torch;

namespace Graft.Formats;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
/// <param name="Name">The key in the state dict.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes of the dimensions; empty for a scalar.</param>
/// <param name="Offset">Bytes from the beginning of the data section (behind the header) to the first element.</param>
/// <param name="Length">Bytes of all elements: little-endian, contiguous, row-major.</param>
public sealed record TensorEntry(string Name, DType Type, long[] Shape, long Offset, long Length);

/// <summary>Tensors by name, mapped from one or several files.</summary>
public unsafe interface ITensorFile : IDisposable
{
    /// <summary>The tensors in file order.</summary>
    IReadOnlyList<TensorEntry> Entries { get; }

    /// <summary>The tensor of a name.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    TensorEntry this[string name] { get; }

    /// <summary>Whether there is a tensor of this name.</summary>
    bool Contains(string name);

    /// <summary>The bytes of a tensor of at most 2 GiB; valid until the file is disposed.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    /// <exception cref="NotSupportedException">The tensor is too large for a span; use <see cref="Pointer"/>.</exception>
    ReadOnlySpan<byte> Bytes(string name);

    /// <summary>Address of the first byte of a tensor; valid until the file is disposed. Not necessarily aligned.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    byte* Pointer(string name);

    /// <summary>Copies a tensor.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="destination">At least <see cref="TensorEntry.Length"/> bytes.</param>
    /// <exception cref="InputException">There is no such tensor.</exception>
    /// <exception cref="ArgumentException">The destination is too small.</exception>
    void CopyTo(string name, Span<byte> destination);

    /// <summary>Writes the bytes of a tensor of any size to a stream.</summary>
    /// <exception cref="InputException">There is no such tensor.</exception>
    void WriteTo(string name, Stream destination);
}
