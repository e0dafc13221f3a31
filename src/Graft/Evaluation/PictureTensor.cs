using Graft.Data;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>
/// RGB pictures whose value range is known: [N, 3, H, W] in [-1, 1], whatever they came from. A perceptual measure takes this and no
/// bare tensor: pictures in [0, 1] where [-1, 1] is due give numbers that look right and are not.
/// </summary>
/// <remarks>It owns nothing: its tensor lives as long as the scope it was made in. Use it inside <see cref="TorchRuntime.Run{T}"/>.</remarks>
public readonly struct PictureTensor
{
    private const double Slack = 1e-3;

    private PictureTensor(Tensor values) => Values = values;

    /// <summary>[N, 3, H, W] in [-1, 1].</summary>
    public Tensor Values { get; }

    /// <summary>The pictures as a network of 1 or 3 channels takes them.</summary>
    /// <param name="channels">1: the first channel, which is the only one of a grey picture; 3: all.</param>
    internal Tensor Channels(int channels) => channels == 1 ? Values.Slice(1, 0, 1) : Values;

    /// <summary>How many pictures there are.</summary>
    public int Count => (int)Values.Size(0);

    /// <summary>Pictures of a set, as x / 127.5 − 1 in float32.</summary>
    /// <param name="source">Grey or RGB pictures; grey is repeated.</param>
    /// <param name="first">The first to take.</param>
    /// <param name="count">How many.</param>
    /// <param name="device">Where the tensor goes.</param>
    public static PictureTensor From(IImageSource source, int first, int count, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var size = source.Shape.Elements;
        var bytes = new byte[checked(size * count)];
        for (var i = 0; i < count; i++)
            source[first + i].CopyTo(bytes.AsSpan(i * size, size));
        return FromBytes(Tensor.From(bytes, count, source.Shape.Channels, source.Shape.Height, source.Shape.Width).To(device));
    }

    /// <summary>Pictures of bytes 0 to 255.</summary>
    /// <param name="values">UInt8 [N, 1 or 3, H, W].</param>
    /// <exception cref="ArgumentException">Another type or shape.</exception>
    public static PictureTensor FromBytes(Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Type != DType.UInt8)
            throw new ArgumentException($"pictures of bytes are UInt8, and this is {values}", nameof(values));
        return new PictureTensor(Rgb((values.To(DType.Float32) / 127.5) - 1.0));
    }

    /// <summary>Pictures in [0, 1]; gradients flow through.</summary>
    /// <param name="values">Real numbers [N, 1 or 3, H, W].</param>
    /// <exception cref="ArgumentException">Another type or shape, or values outside.</exception>
    public static PictureTensor FromUnit(Tensor values)
    {
        Check(values, 0, clipped: true);
        return new PictureTensor(Rgb((values * 2.0) - 1.0));
    }

    /// <summary>Pictures in [-1, 1]; gradients flow through.</summary>
    /// <param name="values">Real numbers [N, 1 or 3, H, W].</param>
    /// <param name="clipped">Whether values outside are an error; not so for a network's raw prediction.</param>
    /// <exception cref="ArgumentException">Another type or shape, or values outside.</exception>
    public static PictureTensor FromSigned(Tensor values, bool clipped = true)
    {
        Check(values, -1, clipped);
        return new PictureTensor(Rgb(values));
    }

    private static Tensor Rgb(Tensor x) => x.Dims == 4 && x.Size(1) is 1 or 3
        ? x.Expand(-1, 3, -1, -1)
        : throw new ArgumentException($"pictures are [N, 1 or 3, H, W], and this is {x}", nameof(x));

    private static void Check(Tensor x, double low, bool clipped)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (!x.Type.IsFloatingPoint())
            throw new ArgumentException($"pictures in [{low}, 1] are real numbers, and this is {x}", nameof(x));
        if (!clipped)
            return;
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        double smallest = x.Min().Item(), largest = x.Max().Item();
        if (!(smallest >= low - Slack) || !(largest <= 1 + Slack))
            throw new ArgumentException($"the pictures are said to be in [{low}, 1] and reach from {smallest:G4} to {largest:G4}", nameof(x));
    }
}
