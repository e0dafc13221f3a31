using Graft.Torch;

namespace Graft.Formats;

/// <summary>A tensor to be written: its description and a way to get at its bytes.</summary>
public sealed class TensorData
{
    /// <summary>Creates a tensor whose bytes are streamed when the file is written.</summary>
    /// <param name="name">The key in the state dict.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Sizes of the dimensions; empty for a scalar.</param>
    /// <param name="write">Writes exactly <see cref="Length"/> bytes: little-endian, contiguous, row-major.</param>
    /// <exception cref="ArgumentException">The shape is impossible, or safetensors has no such element type.</exception>
    public TensorData(string name, DType type, long[] shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(write);
        if (SafetensorsDType.Name(type) is null)
            throw new ArgumentException($"Tensor '{name}': safetensors has no element type {type}.", nameof(type));
        if (!ElementCount.TryGet(shape, out var count) || !ElementCount.TryGetBytes(count, type.Size(), out var length))
            throw new ArgumentException($"Tensor '{name}': [{string.Join(", ", shape)}] is not a shape.", nameof(shape));
        Name = name;
        Type = type;
        Shape = shape;
        Length = length;
        Write = write;
    }

    /// <summary>Creates a tensor whose bytes are in memory.</summary>
    /// <param name="name">The key in the state dict.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Sizes of the dimensions; empty for a scalar.</param>
    /// <param name="bytes">The elements: little-endian, contiguous, row-major.</param>
    /// <exception cref="ArgumentException">The bytes do not fit the shape, or safetensors has no such element type.</exception>
    public TensorData(string name, DType type, long[] shape, ReadOnlyMemory<byte> bytes)
        : this(name, type, shape, stream => stream.Write(bytes.Span))
    {
        if (bytes.Length != Length)
            throw new ArgumentException($"Tensor '{name}' needs {Length} bytes but {bytes.Length} are given.", nameof(bytes));
    }

    /// <summary>The key in the state dict.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DType Type { get; }

    /// <summary>Sizes of the dimensions; empty for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>Bytes of all elements.</summary>
    public long Length { get; }

    /// <summary>Writes the bytes.</summary>
    public Action<Stream> Write { get; }
}
