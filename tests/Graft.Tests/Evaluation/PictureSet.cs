using Graft.Data;

namespace Graft.Tests.Evaluation;

/// <summary>Pictures given byte by byte.</summary>
internal sealed class PictureSet(ImageShape shape, params byte[][] pictures) : IImageSource
{
    public int Count => pictures.Length;

    public ImageShape Shape => shape;

    public IReadOnlyList<string> Classes => [];

    public string Description => $"{Count} given pictures";

    public ReadOnlySpan<byte> this[int index] => pictures[index];

    /// <summary>Grey pictures of one pixel: distances can be done in the head.</summary>
    public static PictureSet Pixels(params byte[] values) => new(new ImageShape(1, 1, 1), [.. values.Select(v => new[] { v })]);

    public static PictureSet Random(int count, ImageShape shape, ulong seed)
    {
        var random = new SplitMix(seed);
        return new PictureSet(shape, [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, shape.Elements).Select(_ => (byte)random.Next(256)).ToArray())]);
    }

    public string Name(int index) => $"picture {index}";

    public int? Label(int index) => null;
}
