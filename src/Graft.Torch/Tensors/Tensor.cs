using System.Runtime.CompilerServices;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// A reference to a libtorch tensor. It dies with the <see cref="TensorScope"/> it was made in, or when disposed.
/// All use is on the thread that owns libtorch (<see cref="TorchRuntime.Run{T}"/>).
/// </summary>
public sealed unsafe partial class Tensor : IDisposable
{
    private static readonly Operator VersionOp = new("aten::_version");
    private nint _handle;
    private long[]? _shape;
    private DType _type;
    private Device _device;

    private Tensor(nint handle)
    {
        _handle = handle;
        Scope = TensorScope.Current;
        Scope?.Add(this);
    }

    /// <summary>Finalizers free nothing: that a tensor gets here at all is a leak, which is counted.</summary>
#pragma warning disable MA0055 // it counts, and frees nothing
    ~Tensor()
#pragma warning restore MA0055
    {
        if (_handle != 0)
            TorchRuntime.CountLeak();
    }

    /// <summary>Sizes of the dimensions.</summary>
    public ReadOnlySpan<long> Shape
    {
        get
        {
            Describe();
            return _shape;
        }
    }

    /// <summary>Number of dimensions.</summary>
    public int Dims => Shape.Length;

    /// <summary>Number of elements.</summary>
    public long Count
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape)
                count *= size;
            return count;
        }
    }

    /// <summary>Element type.</summary>
    public DType Type
    {
        get
        {
            Describe();
            return _type;
        }
    }

    /// <summary>Where the elements are.</summary>
    public Device Device
    {
        get
        {
            Describe();
            return _device;
        }
    }

    /// <summary>Whether operators record what is done with this tensor.</summary>
    public bool RequiresGrad
    {
        get
        {
            NativeDescription d;
            Check(NativeMethods.graft_tensor_describe(Handle, &d));
            return d.RequiresGrad != 0;
        }

        set => Check(NativeMethods.graft_tensor_set_requires_grad(Handle, value ? 1 : 0));
    }

    /// <summary>Whether elements lie in row-major order without gaps.</summary>
    public bool IsContiguous
    {
        get
        {
            NativeDescription d;
            Check(NativeMethods.graft_tensor_describe(Handle, &d));
            return d.Contiguous != 0;
        }
    }

    /// <summary>The gradient that <see cref="Autograd.Backward(Tensor, bool, bool)"/> has summed up here, or none. Each read is a new reference.</summary>
    public Tensor? Grad
    {
        get
        {
            var handle = NativeMethods.graft_tensor_grad(Handle);
            return handle == 0 ? null : Wrap(handle);
        }

        set => Check(NativeMethods.graft_tensor_set_grad(Handle, value?.Handle ?? 0));
    }

    /// <summary>
    /// How often the elements were changed in place, by whatever reference or view: what was computed from a tensor stands as long as
    /// this does. Two tensors' numbers say nothing of each other.
    /// </summary>
    public long Version => VersionOp.CallInteger(this);

    /// <summary>Whether this reference has been released.</summary>
    public bool IsDisposed => _handle == 0;

    internal nint Handle
    {
        get
        {
            TorchRuntime.VerifyThread();
            ObjectDisposedException.ThrowIf(_handle == 0, this);
            return _handle;
        }
    }

    internal TensorScope? Scope { get; private set; }

    /// <summary>Size of a dimension; negative ones count from the end.</summary>
    public long Size(int dim) => Shape[dim < 0 ? dim + Shape.Length : dim];

    /// <summary>Takes the tensor out of its scope: whoever calls this owns it.</summary>
    public Tensor Keep()
    {
        Scope = null;
        return this;
    }

    /// <summary>
    /// Hands a tensor of the current scope to the scope outside (or to the caller, if there is none).
    /// One that is kept, or that lives in a scope further out, stays as it is.
    /// </summary>
    public Tensor MoveToOuter()
    {
        var outer = TensorScope.Current?.Outer;
        if (Scope is null || Scope != TensorScope.Current)
            return this; // not the current scope's to give away; moving it inwards would shorten its life
        Scope = outer;
        outer?.Add(this);
        return this;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        TorchRuntime.VerifyThread();
        NativeMethods.graft_tensor_release(_handle);
        _handle = 0;
        Scope = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>Type and shape, as <c>Float32[2, 3]</c>.</summary>
    public override string ToString() => _handle == 0 ? "disposed" : $"{Type}[{string.Join(", ", Shape.ToArray())}]";

    internal static Tensor Wrap(nint handle) => new(handle);

    /// <summary>Drops what is known about type and shape: an operator that works in place may have changed it.</summary>
    internal void Forget() => _shape = null;

    private static void Check(int code)
    {
        if (code < 0)
            throw TorchException.Last();
    }

    [SkipLocalsInit]
    private void Describe()
    {
        if (_shape is not null && _handle != 0)
            return;
        NativeDescription d;
        Check(NativeMethods.graft_tensor_describe(Handle, &d));
        _type = (DType)d.DType;
        _device = new Device((DeviceType)d.DeviceType, Math.Max(0, d.DeviceIndex));
        _shape = new Span<long>(d.Sizes, d.Dims).ToArray();
    }
}
