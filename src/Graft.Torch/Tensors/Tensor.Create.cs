using System.Numerics;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <content>Making tensors, and getting numbers in and out.</content>
public sealed unsafe partial class Tensor
{
    private static readonly Operator FullOp = new("aten::full");
    private static readonly Operator EmptyOp = new("aten::empty", "memory_format");
    private static readonly Operator ArangeOp = new("aten::arange", "start_step");
    private static readonly Operator ToOp = new("aten::to", "dtype");
    private static readonly Operator ToDeviceOp = new("aten::to", "device");
    private static readonly Operator PinOp = new("aten::pin_memory");
    private static readonly Operator CopyOp = new("aten::copy_");
    private static readonly Operator ContiguousOp = new("aten::contiguous");
    private static readonly Operator CloneOp = new("aten::clone");
    private static readonly Operator ResolveConjugateOp = new("aten::resolve_conj");
    private static readonly Operator ResolveNegativeOp = new("aten::resolve_neg");
    private static readonly Operator DetachOp = new("aten::detach");
    private static readonly Operator FillOp = new("aten::fill_", "Scalar");

    /// <summary>A tensor of copied values, in row-major order.</summary>
    /// <param name="values">As many as the shape holds.</param>
    /// <param name="shape">Sizes; none makes a scalar.</param>
    /// <exception cref="ArgumentException">The count does not fit the shape, or the element type is none of libtorch's.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        if (values.Length != Product(shape))
            throw new ArgumentException($"{values.Length} values do not fill a shape of {Product(shape)}", nameof(values));
        fixed (T* p = values)
            return FromMemory(p, DTypeOf<T>(), shape);
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    public static Tensor From<T>(T[] values, params ReadOnlySpan<long> shape)
        where T : unmanaged => From((ReadOnlySpan<T>)values, shape);

    /// <summary>A tensor of copied bytes: little-endian elements in row-major order.</summary>
    /// <exception cref="ArgumentException">The count does not fit the shape.</exception>
    public static Tensor FromBytes(ReadOnlySpan<byte> bytes, DType type, params ReadOnlySpan<long> shape)
    {
        if (bytes.Length != Product(shape) * type.Size())
            throw new ArgumentException($"{bytes.Length} bytes do not fill {type}[{string.Join(", ", shape.ToArray())}]", nameof(bytes));
        fixed (byte* p = bytes)
            return FromMemory(p, type, shape);
    }

    /// <summary>A tensor of elements copied from <paramref name="memory"/>, which must hold as many as the shape says.</summary>
    public static Tensor FromMemory(void* memory, DType type, params ReadOnlySpan<long> shape)
    {
        TorchRuntime.VerifyThread();
        fixed (long* sizes = shape)
        {
            var handle = NativeMethods.graft_tensor_from(memory, (int)type, sizes, shape.Length);
            return handle != 0 ? Wrap(handle) : throw TorchException.Last();
        }
    }

    /// <summary>A scalar.</summary>
    public static Tensor Scalar(double value, DType type = DType.Float32) => Full(value, [], type);

    /// <summary>A tensor of one repeated value.</summary>
    public static Tensor Full(double value, long[] shape, DType type = DType.Float32, Device device = default) =>
        FullOp.Call(shape, value, type, Argument.None, device);

    /// <summary>A tensor of zeros.</summary>
    public static Tensor Zeros(long[] shape, DType type = DType.Float32, Device device = default) => Full(0, shape, type, device);

    /// <summary>A tensor of ones.</summary>
    public static Tensor Ones(long[] shape, DType type = DType.Float32, Device device = default) => Full(1, shape, type, device);

    /// <summary>A tensor whose elements are not set.</summary>
    public static Tensor Empty(long[] shape, DType type = DType.Float32, Device device = default) =>
        EmptyOp.Call(shape, type, Argument.None, device);

    /// <summary>Integers (or steps) from <paramref name="start"/> to below <paramref name="end"/>.</summary>
    public static Tensor Arange(double start, double end, double step = 1, DType type = DType.Float32) =>
        ArangeOp.Call(start, end, step, type);

    /// <summary>
    /// The values in row-major order, copied: <see cref="Half"/> for Float16, <see cref="Complex"/> for Complex128, the bits as
    /// <see cref="ushort"/> for BFloat16. Complex64 goes out by <see cref="ToBytes"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The element type is another.</exception>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        var values = new T[Count];
        CopyTo<T>(values);
        return values;
    }

    /// <summary>Copies the values in row-major order.</summary>
    /// <exception cref="InvalidOperationException">The element type or the count is another.</exception>
    public void CopyTo<T>(Span<T> destination)
        where T : unmanaged
    {
        if (sizeof(T) != Type.Size() || (DTypeOf<T>() != Type && typeof(T) != typeof(byte) && !(Type == DType.BFloat16 && typeof(T) == typeof(ushort))))
            throw new InvalidOperationException($"{this} cannot be read as {typeof(T).Name}.");
        if (destination.Length != Count)
            throw new InvalidOperationException($"{this} does not fit {destination.Length} values.");
        fixed (T* p = destination)
            CopyOut(p);
    }

    /// <summary>The bytes of all elements in row-major order, little-endian.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[checked((int)(Count * Type.Size()))];
        fixed (byte* p = bytes)
            CopyOut(p);
        return bytes;
    }

    /// <summary>Gives row-major elements to <paramref name="use"/>, in place where they lie so already.</summary>
    public void WithBytes(Action<nint, long> use)
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        // Conjugates and negatives are views with a flag: what lies in memory is not yet the value.
        var plain = ResolveNegativeOp.Call(ResolveConjugateOp.Call(To(Device.Cpu))).Contiguous();
        use((nint)plain.Data(), plain.Count * plain.Type.Size());
    }

    /// <summary>The value of a tensor of one element, as a double (an int64 beyond 2⁵³ is rounded).</summary>
    /// <exception cref="InvalidOperationException">There are more or fewer elements, or it is a complex number.</exception>
    public double Item()
    {
        if (Count != 1 || Type.IsComplex())
            throw new InvalidOperationException($"{this} is no single real value.");
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        return To(DType.Float64).ToArray<double>()[0];
    }

    /// <summary>The tensor in another element type; itself if it has that type.</summary>
    public Tensor To(DType type) => ToOp.Call(this, type);

    /// <summary>The tensor on another device; itself if it is there.</summary>
    public Tensor To(Device device) => ToDeviceOp.Call(this, device, Type);

    /// <summary>
    /// The tensor on another device; itself if it is there. From the processor to a GPU it goes by page-locked memory, and nobody waits for it:
    /// what the GPU is asked for next comes after it. For what is copied again and again; locked memory is kept.
    /// </summary>
    public Tensor Upload(Device device)
    {
        if (device.Type == DeviceType.Cpu || Device.Type != DeviceType.Cpu)
            return To(device);
        using var locked = PinOp.Call(this);
        return ToDeviceOp.Call(locked, device, Type, true);
    }

    /// <summary>The tensor in row-major order; itself if it is so.</summary>
    public Tensor Contiguous() => ContiguousOp.Call(this);

    /// <summary>A copy.</summary>
    public Tensor Clone() => CloneOp.Call(this);

    /// <summary>The same elements, without what was recorded.</summary>
    public Tensor Detach() => DetachOp.Call(this);

    /// <summary>Overwrites the elements, converting and broadcasting as needed. Nothing is recorded: no gradient flows to the source.</summary>
    public Tensor CopyFrom(Tensor source)
    {
        using var mode = Autograd.NoGrad();
        CopyOp.Apply(this, source);
        return this;
    }

    /// <summary>Overwrites every element. Nothing is recorded.</summary>
    public Tensor Fill(double value)
    {
        using var mode = Autograd.NoGrad();
        FillOp.Apply(this, value);
        return this;
    }

    /// <summary>Address of the first element: the tensor must be contiguous and on the CPU, and must outlive its use.</summary>
    public nint DataPointer => (nint)Data();

    internal void* Data()
    {
        var data = NativeMethods.graft_tensor_data(Handle);
        return data != null || Count == 0 ? data : throw TorchException.Last();
    }

    private static DType DTypeOf<T>() => typeof(T) switch
    {
        var t when t == typeof(float) => DType.Float32,
        var t when t == typeof(double) => DType.Float64,
        var t when t == typeof(long) => DType.Int64,
        var t when t == typeof(int) => DType.Int32,
        var t when t == typeof(short) => DType.Int16,
        var t when t == typeof(sbyte) => DType.Int8,
        var t when t == typeof(byte) => DType.UInt8,
        var t when t == typeof(bool) => DType.Bool,
        var t when t == typeof(Half) => DType.Float16,
        var t when t == typeof(ushort) => DType.BFloat16,
        var t when t == typeof(Complex) => DType.Complex128,
        _ => throw new ArgumentException($"{typeof(T).Name} is no element type of a tensor"),
    };

    private static long Product(ReadOnlySpan<long> shape)
    {
        var product = 1L;
        foreach (var size in shape)
            product = checked(product * size);
        return product;
    }

    private void CopyOut(void* destination)
    {
        var bytes = Count * Type.Size();
        WithBytes((source, count) => Buffer.MemoryCopy((void*)source, destination, bytes, count));
    }
}
