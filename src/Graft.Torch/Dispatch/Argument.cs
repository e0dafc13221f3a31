using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>One argument of an operator. Everything an operator takes converts to it implicitly; <c>null</c> is "none".</summary>
public readonly struct Argument
{
    internal readonly NativeKind Kind;
    internal readonly long Bits;
    internal readonly object? Reference;

    private Argument(NativeKind kind, long bits, object? reference = null)
    {
        Kind = kind;
        Bits = bits;
        Reference = reference;
    }

    /// <summary>No value, for an optional argument.</summary>
    public static Argument None => new(NativeKind.None, 0);

    /// <summary>The value that the operator's schema gives.</summary>
    public static Argument Default => new(NativeKind.Default, 0);

    /// <summary>A tensor, or none.</summary>
    public static implicit operator Argument(Tensor? value) =>
        value is null ? None : new Argument(NativeKind.Tensor, value.Handle, value);

    /// <summary>An int.</summary>
    public static implicit operator Argument(long value) => new(NativeKind.Int, value);

    /// <summary>An int, or none.</summary>
    public static implicit operator Argument(long? value) => value is null ? None : new Argument(NativeKind.Int, value.Value);

    /// <summary>A float.</summary>
    public static implicit operator Argument(double value) => new(NativeKind.Double, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A float, or none.</summary>
    public static implicit operator Argument(double? value) =>
        value is null ? None : new Argument(NativeKind.Double, BitConverter.DoubleToInt64Bits(value.Value));

    /// <summary>A bool.</summary>
    public static implicit operator Argument(bool value) => new(NativeKind.Bool, value ? 1 : 0);

    /// <summary>A string, or none.</summary>
    public static implicit operator Argument(string? value) => value is null ? None : new Argument(NativeKind.String, 0, value);

    /// <summary>A list of ints, or none.</summary>
    public static implicit operator Argument(long[]? value) => value is null ? None : new Argument(NativeKind.Ints, 0, value);

    /// <summary>A list of floats, or none.</summary>
    public static implicit operator Argument(double[]? value) => value is null ? None : new Argument(NativeKind.Doubles, 0, value);

    /// <summary>A list of bools, or none.</summary>
    public static implicit operator Argument(bool[]? value) => value is null ? None : new Argument(NativeKind.Bools, 0, value);

    /// <summary>A list of tensors (with holes, where the operator takes them), or none.</summary>
    public static implicit operator Argument(Tensor?[]? value) => value is null ? None : new Argument(NativeKind.Tensors, 0, value);

    /// <summary>An element type.</summary>
    public static implicit operator Argument(DType value) => new(NativeKind.Int, (long)value);

    /// <summary>An element type, or none.</summary>
    public static implicit operator Argument(DType? value) => value is null ? None : new Argument(NativeKind.Int, (long)value.Value);

    /// <summary>A device.</summary>
    public static implicit operator Argument(Device value) => new(NativeKind.Device, value.Packed);
}
