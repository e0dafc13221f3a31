namespace Graft.Torch;

/// <summary>Element types. The values are those of libtorch's <c>c10::ScalarType</c>.</summary>
public enum DType
{
    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8 = 0,

    /// <summary>Signed 8-bit integer.</summary>
    Int8 = 1,

    /// <summary>Signed 16-bit integer.</summary>
    Int16 = 2,

    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 3,

    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 4,

    /// <summary>IEEE half precision.</summary>
    Float16 = 5,

    /// <summary>IEEE single precision.</summary>
    Float32 = 6,

    /// <summary>IEEE double precision.</summary>
    Float64 = 7,

    /// <summary>Two single-precision numbers: real, imaginary.</summary>
    Complex64 = 9,

    /// <summary>Two double-precision numbers: real, imaginary.</summary>
    Complex128 = 10,

    /// <summary>One byte, 0 or 1.</summary>
    Bool = 11,

    /// <summary>bfloat16: the upper half of a single-precision number.</summary>
    BFloat16 = 15,
}

/// <summary>Facts about element types.</summary>
public static class DTypeExtensions
{
    /// <summary>Bytes per element.</summary>
    public static int Size(this DType type) => type switch
    {
        DType.UInt8 or DType.Int8 or DType.Bool => 1,
        DType.Int16 or DType.Float16 or DType.BFloat16 => 2,
        DType.Int32 or DType.Float32 => 4,
        DType.Int64 or DType.Float64 or DType.Complex64 => 8,
        DType.Complex128 => 16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown element type"),
    };

    /// <summary>Whether gradients can flow through this type.</summary>
    public static bool IsFloatingPoint(this DType type) =>
        type is DType.Float16 or DType.BFloat16 or DType.Float32 or DType.Float64;

    /// <summary>Whether the elements are complex numbers.</summary>
    public static bool IsComplex(this DType type) => type is DType.Complex64 or DType.Complex128;
}
