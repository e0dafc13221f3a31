using System.Runtime.InteropServices;

namespace Graft.Torch.Native;

/// <summary>The C ABI of <c>native/torch/graft_torch.h</c>.</summary>
internal static unsafe partial class NativeMethods
{
    internal const string Library = "graft_torch";
    internal const int MaxDims = 12;

    [LibraryImport(Library)]
    internal static partial byte* graft_last_error();

    [LibraryImport(Library)]
    internal static partial byte* graft_version();

    [LibraryImport(Library)]
    internal static partial byte* graft_build_info();

    [LibraryImport(Library)]
    internal static partial int graft_set_threads(int count);

    [LibraryImport(Library)]
    internal static partial int graft_get_threads();

    [LibraryImport(Library)]
    internal static partial void graft_leave_at_once();

    [LibraryImport(Library)]
    internal static partial int graft_allow_tf32(int allowed);

    [LibraryImport(Library)]
    internal static partial int graft_tf32_allowed();

    [LibraryImport(Library)]
    internal static partial int graft_benchmark_cudnn(int wanted);

    [LibraryImport(Library)]
    internal static partial int graft_cudnn_benchmarked();

    [LibraryImport(Library)]
    internal static partial int graft_device_count(int deviceType);

    [LibraryImport(Library)]
    internal static partial byte* graft_blas_path();

    [LibraryImport(Library)]
    internal static partial long graft_live_tensors();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint graft_find_operator(string name, string overload);

    [LibraryImport(Library)]
    internal static partial byte* graft_operator_schema(nint op);

    [LibraryImport(Library)]
    internal static partial int graft_call(nint op, int gradMode, NativeValue* arguments, int count, NativeValue* results, int capacity);

    [LibraryImport(Library)]
    internal static partial void graft_free(void* memory);

    [LibraryImport(Library)]
    internal static partial nint graft_tensor_from(void* data, int dtype, long* sizes, int dims);

    [LibraryImport(Library)]
    internal static partial void graft_tensor_release(nint tensor);

    [LibraryImport(Library)]
    internal static partial int graft_tensor_describe(nint tensor, NativeDescription* description);

    [LibraryImport(Library)]
    internal static partial void* graft_tensor_data(nint tensor);

    [LibraryImport(Library)]
    internal static partial int graft_tensor_set_requires_grad(nint tensor, int value);

    [LibraryImport(Library)]
    internal static partial nint graft_tensor_grad(nint tensor);

    [LibraryImport(Library)]
    internal static partial int graft_tensor_set_grad(nint tensor, nint grad);

    [LibraryImport(Library)]
    internal static partial int graft_backward(nint* outputs, nint* seeds, int count, int retainGraph, int createGraph);

    [LibraryImport(Library)]
    internal static partial int graft_gradients(
        nint* outputs, nint* seeds, int count, nint* inputs, int inputCount, int retainGraph, int createGraph, int allowUnused, nint* results);

    [LibraryImport(Library)]
    internal static partial int graft_random_fill(
        int distribution, ulong key, ulong step, long* items, long itemCount, long low, long high, nint output);

    [LibraryImport(Library)]
    internal static partial int graft_adamw_step(
        NativeAdamW* options, int count, nint* parameters, nint* gradients, nint* expAvg, nint* expAvgSq, nint* ema, double* norm);

    [LibraryImport(Library)]
    internal static partial int graft_memory_begin();

    [LibraryImport(Library)]
    internal static partial int graft_memory_read(long* current, long* peak, int resetPeak);

    [LibraryImport(Library)]
    internal static partial int graft_memory_end();

    [LibraryImport(Library)]
    internal static partial int graft_profile_begin();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int graft_profile_enter(string label);

    [LibraryImport(Library)]
    internal static partial int graft_profile_leave();

    [LibraryImport(Library)]
    internal static partial int graft_profile_end(NativeProfileRow** rows, int* rowCount, NativeProfileRegion** regions, int* regionCount);
}

/// <summary><c>graft_kind</c>.</summary>
internal enum NativeKind
{
    None = 0,
    Tensor = 1,
    Int = 2,
    Double = 3,
    Bool = 4,
    String = 5,
    Ints = 6,
    Doubles = 7,
    Bools = 8,
    Tensors = 9,
    Device = 10,
    Default = 11,
}

/// <summary><c>graft_value</c>: 16 bytes.</summary>
[StructLayout(LayoutKind.Explicit)]
internal struct NativeValue
{
    [FieldOffset(0)]
    public NativeKind Kind;

    [FieldOffset(4)]
    public int Count;

    [FieldOffset(8)]
    public long Int;

    [FieldOffset(8)]
    public double Double;

    [FieldOffset(8)]
    public nint Pointer;
}

/// <summary><c>graft_description</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeDescription
{
    public int DType;
    public int Dims;
    public int DeviceType;
    public int DeviceIndex;
    public int RequiresGrad;
    public int Contiguous;
    public fixed long Sizes[NativeMethods.MaxDims];
    public fixed long Strides[NativeMethods.MaxDims];
}

/// <summary><c>graft_adamw</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeAdamW
{
    public double LearningRate;
    public double Beta1;
    public double Beta2;
    public double Epsilon;
    public double WeightDecay;
    public double MaxNorm;
    public double EmaDecay;
    public long Step;
}

/// <summary><c>graft_profile_row</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeProfileRow
{
    public byte* Name;
    public int Region;
    public int Backward;
    public long Calls;
    public long Nanoseconds;
    public long Bytes;
    public double Operations;
}

/// <summary><c>graft_profile_region</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeProfileRegion
{
    public byte* Label;
    public int Parent;
    public long Held;
    public long Peak;
    public long BackwardPeak;
}
