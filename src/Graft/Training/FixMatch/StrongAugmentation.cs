using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// FixMatch's strong variation 𝒜: the weak one, then operations of RandAugment with magnitudes that are drawn anew each time (Cubuk et al. 2020;
/// Sohn et al. 2020, section 2.3), then a grey square (cutout; DeVries and Taylor 2017). A function of (seed, purpose, draw, picture).
/// </summary>
public sealed class StrongAugmentation
{
    private const byte Grey = 127;
    private readonly ImageShape _shape;
    private readonly FixMatchOptions _options;
    private readonly IReadOnlyList<PictureOperation> _operations;
    private readonly WeakAugmentation _weak;
    private readonly KeyedRandom _random;
    private readonly KeyedRandom _square;

    /// <summary>Prepares.</summary>
    /// <param name="shape">Shape of the pictures.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="options">How strong.</param>
    /// <param name="seed">Seed of everything that is drawn.</param>
    /// <param name="purpose">Different purposes draw independently.</param>
    /// <exception cref="InputException">A value is out of range.</exception>
    public StrongAugmentation(ImageShape shape, bool flip, FixMatchOptions options, long seed, string purpose)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_shape, _options, _operations) = (shape, options, PictureOperations.For(shape.Channels));
        _weak = new WeakAugmentation(shape, flip, options.MaxShift, seed, $"{purpose}/weak");
        _random = new KeyedRandom(seed, $"{purpose}/operations");
        _square = new KeyedRandom(seed, $"{purpose}/cutout");
    }

    /// <summary>Varies one picture.</summary>
    /// <param name="picture">Planes (CHW).</param>
    /// <param name="item">Number of the draw.</param>
    /// <param name="result">As long as the picture; must not overlap it.</param>
    public void Apply(ReadOnlySpan<byte> picture, long item, Span<byte> result)
    {
        _weak.Apply(picture, item, result);
        var before = new byte[picture.Length];
        foreach (var (operation, magnitude) in Drawn(item))
        {
            result.CopyTo(before);
            PictureOperations.Apply(operation, magnitude, _shape, before, result, (byte)_options.Fill);
        }

        CutOut(result, item);
    }

    /// <summary>The operations of a draw, and where in their ranges.</summary>
    /// <param name="item">Number of the draw.</param>
    public IReadOnlyList<(PictureOperation Operation, double Magnitude)> Drawn(long item) =>
        [.. Enumerable.Range(0, _options.Operations).Select(i => (_operations[(int)_random.Integer(0, item, 0, _operations.Count, 2 * i)], _random.Uniform(0, item, (2 * i) + 1)))];

    /// <summary>A square about any place of the picture, cut off at the edges; its edge is uniform up to the largest.</summary>
    private void CutOut(Span<byte> picture, long item)
    {
        var (h, w) = (_shape.Height, _shape.Width);
        var edge = (int)Math.Round(_options.Cutout * _square.Uniform(0, item, 0) * Math.Min(h, w));
        if (edge == 0)
            return;
        var top = (int)_square.Integer(0, item, 0, h, 1) - (edge / 2);
        var left = (int)_square.Integer(0, item, 0, w, 2) - (edge / 2);
        var (fromY, toY, fromX, toX) = (Math.Max(0, top), Math.Min(h, top + edge), Math.Max(0, left), Math.Min(w, left + edge));
        for (var c = 0; c < _shape.Channels; c++)
        {
            for (var y = fromY; y < toY; y++)
                picture.Slice((((c * h) + y) * w) + fromX, toX - fromX).Fill(Grey);
        }
    }
}
