using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// FixMatch's weak variation α: mirrored half of the time, and shifted by whole pixels with the picture reflected at its edges. The result is a
/// function of (seed, purpose, draw, picture).
/// </summary>
public sealed class WeakAugmentation
{
    private const int FlipPosition = 0;
    private const int AcrossPosition = 1;
    private const int DownPosition = 2;
    private readonly ImageShape _shape;
    private readonly bool _flip;
    private readonly int _across;
    private readonly int _down;
    private readonly KeyedRandom _random;

    /// <summary>Prepares.</summary>
    /// <param name="shape">Shape of the pictures.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="maxShift">Largest shift along an axis in shares of its length, 0 to 0.5; whole pixels below it are drawn.</param>
    /// <param name="seed">Seed of everything that is drawn.</param>
    /// <param name="purpose">Different purposes draw independently.</param>
    public WeakAugmentation(ImageShape shape, bool flip, double maxShift, long seed, string purpose)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxShift);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxShift, 0.5);
        (_shape, _flip) = (shape, flip);
        (_across, _down) = (Math.Min((int)(maxShift * shape.Width), shape.Width - 1), Math.Min((int)(maxShift * shape.Height), shape.Height - 1));
        _random = new KeyedRandom(seed, purpose);
    }

    /// <summary>Varies one picture.</summary>
    /// <param name="picture">Planes (CHW).</param>
    /// <param name="item">Number of the draw.</param>
    /// <param name="result">As long as the picture; must not overlap it.</param>
    public void Apply(ReadOnlySpan<byte> picture, long item, Span<byte> result)
    {
        var (h, w) = (_shape.Height, _shape.Width);
        var mirrored = _flip && _random.Uniform(0, item, FlipPosition) < 0.5;
        var dx = (int)_random.Integer(0, item, -_across, _across + 1, AcrossPosition);
        var dy = (int)_random.Integer(0, item, -_down, _down + 1, DownPosition);
        for (var c = 0; c < _shape.Channels; c++)
        {
            for (var y = 0; y < h; y++)
            {
                var row = picture.Slice(((c * h) + Reflect(y - dy, h)) * w, w);
                var to = result.Slice(((c * h) + y) * w, w);
                for (var x = 0; x < w; x++)
                {
                    var from = Reflect(x - dx, w);
                    to[x] = row[mirrored ? w - 1 - from : from];
                }
            }
        }
    }

    /// <summary>-1 is 1, -2 is 2, and so at the other end: the edge itself is not repeated.</summary>
    private static int Reflect(int at, int size) => at < 0 ? -at : at >= size ? (2 * (size - 1)) - at : at;
}
