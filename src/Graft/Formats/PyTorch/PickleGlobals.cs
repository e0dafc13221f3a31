using Graft.Torch;

namespace Graft.Formats;

/// <summary>What a name in a pickle stands for.</summary>
internal enum GlobalKind
{
    OrderedDict,
    Size,
    Device,
    RebuildTensor,
    RebuildTensorV2,
    RebuildTensorV3,
    RebuildParameter,
    TypedStorage,
    UntypedStorage,
    ScriptClass,

    /// <summary>What training scripts leave beside the weights: nothing is made of it.</summary>
    Ignored,
}

/// <summary>A name that a pickle may refer to. It is a mark only: no code stands behind it.</summary>
internal sealed record PickleGlobal(string Name, GlobalKind Kind, DType? Type = null);

/// <summary>The only names a checkpoint may refer to. All others are refused before anything is done with them.</summary>
internal static class PickleGlobals
{
    private static readonly Dictionary<(string Module, string Name), object> Allowed = Create();

    /// <summary>A <see cref="PickleGlobal"/>, a boxed <see cref="DType"/>, or null if the name is not allowed.</summary>
    public static object? Find(string module, string name) => Allowed.GetValueOrDefault((module, name));

    private static Dictionary<(string Module, string Name), object> Create()
    {
        var allowed = new Dictionary<(string Module, string Name), object>();
        Add("collections", "OrderedDict", GlobalKind.OrderedDict);
        // PyTorch Lightning's record of the best checkpoint: a class as a key, and NumPy's numbers.
        Add("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", GlobalKind.Ignored);
        Add("numpy.core.multiarray", "scalar", GlobalKind.Ignored);
        Add("numpy", "dtype", GlobalKind.Ignored);
        Add("_codecs", "encode", GlobalKind.Ignored);
        Add("torch", "Size", GlobalKind.Size);
        Add("torch", "device", GlobalKind.Device);
        Add("torch._utils", "_rebuild_tensor", GlobalKind.RebuildTensor);
        Add("torch._utils", "_rebuild_tensor_v2", GlobalKind.RebuildTensorV2);
        Add("torch._utils", "_rebuild_tensor_v3", GlobalKind.RebuildTensorV3);
        Add("torch._utils", "_rebuild_parameter", GlobalKind.RebuildParameter);
        foreach (var module in (string[])["torch", "torch.storage"])
        {
            Add(module, "TypedStorage", GlobalKind.UntypedStorage);
            Add(module, "_TypedStorage", GlobalKind.UntypedStorage);
            Add(module, "UntypedStorage", GlobalKind.UntypedStorage);
            Add(module, "_UntypedStorage", GlobalKind.UntypedStorage);
        }

        foreach (var (name, type) in Storages)
        {
            Add("torch", name, GlobalKind.TypedStorage, type);
            Add("torch.cuda", name, GlobalKind.TypedStorage, type);
        }

        foreach (var (name, type) in Types)
            allowed[("torch", name)] = type;
        return allowed;

        void Add(string module, string name, GlobalKind kind, DType? type = null) =>
            allowed[(module, name)] = new PickleGlobal($"{module}.{name}", kind, type);
    }

    private static IEnumerable<(string Name, DType Type)> Storages =>
    [
        ("DoubleStorage", DType.Float64), ("FloatStorage", DType.Float32), ("HalfStorage", DType.Float16),
        ("BFloat16Storage", DType.BFloat16), ("LongStorage", DType.Int64), ("IntStorage", DType.Int32),
        ("ShortStorage", DType.Int16), ("CharStorage", DType.Int8), ("ByteStorage", DType.UInt8), ("BoolStorage", DType.Bool),
        ("ComplexFloatStorage", DType.Complex64), ("ComplexDoubleStorage", DType.Complex128),
    ];

    private static IEnumerable<(string Name, DType Type)> Types =>
    [
        ("float64", DType.Float64), ("float32", DType.Float32), ("float16", DType.Float16), ("bfloat16", DType.BFloat16),
        ("int64", DType.Int64), ("int32", DType.Int32), ("int16", DType.Int16), ("int8", DType.Int8), ("uint8", DType.UInt8),
        ("bool", DType.Bool), ("complex64", DType.Complex64), ("complex128", DType.Complex128),
    ];
}
