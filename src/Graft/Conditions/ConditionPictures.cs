using Graft.Data;
using Graft.Torch;

namespace Graft.Conditions;

/// <summary>Turns a batch in [-1, 1] back into pictures of bytes, which the published preparations begin with.</summary>
internal static class ConditionPictures
{
    private const double Slack = 1e-3;

    /// <summary>Refuses what is no batch of pictures in the range.</summary>
    /// <exception cref="ArgumentException">Another type or shape, or values outside.</exception>
    public static void Check(Tensor images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Type != DType.Float32 || images.Dims != 4 || images.Size(1) is not (1 or 3) || images.Count == 0)
            throw new ArgumentException($"pictures are Float32[N, 1 or 3, H, W], and this is {images}", nameof(images));
        using var mode = Autograd.NoGrad();
        using var scope = new TensorScope();
        double smallest = images.Min().Item(), largest = images.Max().Item();
        if (!(smallest >= -1 - Slack) || !(largest <= 1 + Slack))
            throw new ArgumentException($"the pictures are due in [-1, 1] and reach from {smallest:G4} to {largest:G4}", nameof(images));
    }

    /// <summary>The pictures of a batch, each number rounded to the nearest of 256 steps: those of a file come back to the byte.</summary>
    /// <param name="images">Float32 [N, 1 or 3, H, W] in [-1, 1].</param>
    /// <exception cref="ArgumentException">Another type or shape, or values outside.</exception>
    public static IImageSource From(Tensor images)
    {
        Check(images);
        using var mode = Autograd.NoGrad();
        using var scope = new TensorScope();
        var shape = new ImageShape((int)images.Size(1), (int)images.Size(2), (int)images.Size(3));
        var bytes = ((images + 1.0) * 127.5).Round().Clamp(0, 255).To(DType.UInt8).ToBytes();
        var pictures = new byte[images.Size(0)][];
        for (var i = 0; i < pictures.Length; i++)
            pictures[i] = bytes.AsSpan(i * shape.Elements, shape.Elements).ToArray();
        return new Samples(pictures, shape, null, $"{pictures.Length} pictures of {shape}");
    }
}
