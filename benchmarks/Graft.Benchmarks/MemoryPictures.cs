using Graft.Data;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary>Random pictures in memory: what is in them does not change what a step costs.</summary>
internal sealed class MemoryPictures : IImageSource
{
    private readonly byte[] _bytes;

    internal MemoryPictures(ImageShape shape, int count)
    {
        (Shape, Count) = (shape, count);
        var random = new KeyedRandom(0, "benchmark/pictures");
        _bytes = new byte[shape.Elements * count];
        for (var i = 0; i < _bytes.Length; i++)
            _bytes[i] = (byte)random.Bits(0, i);
    }

    public int Count { get; }

    public ImageShape Shape { get; }

    public IReadOnlyList<string> Classes => [];

    public string Description => $"{Count} random pictures of {Shape}";

    public ReadOnlySpan<byte> this[int index] => _bytes.AsSpan(index * Shape.Elements, Shape.Elements);

    public string Name(int index) => $"picture {index}";

    public int? Label(int index) => null;
}
