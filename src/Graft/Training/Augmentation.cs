using Graft.Data;
using Graft.Torch;

namespace Graft.Training;

/// <summary>How a classifier's training pictures are varied; nothing unless it is asked for. Mirroring is <see cref="TrainingOptions.Flip"/>.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Whole pixels that a picture is shifted by at most along each axis.</summary>
    public int MaxShift { get; init; }

    /// <summary>Degrees that it is turned by at most, either way.</summary>
    public double MaxRotation { get; init; }

    /// <summary>It is scaled by a factor between 1 / (1 + this) and 1 + this.</summary>
    public double MaxScale { get; init; }

    /// <summary>Grey value 0 to 255 of what comes in from outside the picture.</summary>
    public int Fill { get; init; }

    /// <summary>How often a rectangle is painted over with one colour (random erasing, Zhong et al. 2017), 0 to 1.</summary>
    public double EraseProbability { get; init; }

    /// <summary>Largest share of the picture that is painted over.</summary>
    public double EraseMaxArea { get; init; } = 0.2;

    /// <summary>Checks the values.</summary>
    /// <exception cref="InputException">One is out of range; the sentence names it.</exception>
    public void Validate()
    {
        Require(MaxShift is >= 0 and <= 1024, "max_shift", "from 0 to 1024 pixels");
        Require(MaxRotation is >= 0 and <= 180, "max_rotation", "from 0 to 180 degrees");
        Require(MaxScale is >= 0 and <= 1, "max_scale", "from 0 to 1");
        Require(Fill is >= 0 and <= 255, "fill", "from 0 to 255");
        Require(EraseProbability is >= 0 and <= 1, "erase_probability", "from 0 to 1");
        Require(EraseMaxArea is >= Augmentation.EraseMinArea and <= 1, "erase_max_area", "from 0.02 to 1");

        static void Require(bool condition, string name, string range)
        {
            if (!condition)
                throw new InputException($"The option augmentation.{name} must be {range}.");
        }
    }
}

/// <summary>Varies pictures: the result is a function of (seed, draw number, picture).</summary>
public sealed class Augmentation
{
    internal const double EraseMinArea = 0.02;
    private const double EraseMaxAspect = 10 / 3.0;
    private readonly AugmentationOptions _options;
    private readonly ImageShape _shape;
    private readonly bool _flip;
    private readonly KeyedRandom _mirror;
    private readonly KeyedRandom _affine;
    private readonly KeyedRandom _erase;

    /// <summary>Prepares.</summary>
    /// <param name="options">What is done.</param>
    /// <param name="shape">Shape of the pictures.</param>
    /// <param name="flip">Whether to mirror at random.</param>
    /// <param name="seed">Seed of everything that is drawn.</param>
    /// <exception cref="InputException">A value is out of range.</exception>
    public Augmentation(AugmentationOptions options, ImageShape shape, bool flip, long seed)
    {
        options.Validate();
        (_options, _shape, _flip) = (options, shape, flip);
        _mirror = new KeyedRandom(seed, "training/mirror");
        _affine = new KeyedRandom(seed, "training/affine");
        _erase = new KeyedRandom(seed, "training/erase");
    }

    /// <summary>Varies one picture.</summary>
    /// <param name="picture">Planes (CHW).</param>
    /// <param name="item">Number of the draw.</param>
    /// <param name="result">As long as the picture; must not overlap it.</param>
    public void Apply(ReadOnlySpan<byte> picture, long item, Span<byte> result)
    {
        Transform(picture, item, result);
        if (_options.EraseProbability > 0 && _erase.Uniform(0, item) < _options.EraseProbability)
            Erase(result, item);
    }

    /// <summary>Mirror, turn, scale and shift in one resampling: each result pixel is read from where it came from, bilinearly.</summary>
    private void Transform(ReadOnlySpan<byte> picture, long item, Span<byte> result)
    {
        var (h, w) = (_shape.Height, _shape.Width);
        var mirrored = _flip && _mirror.Uniform(0, item) < 0.5;
        var dx = (int)_affine.Integer(0, item, -_options.MaxShift, _options.MaxShift + 1, position: 0);
        var dy = (int)_affine.Integer(0, item, -_options.MaxShift, _options.MaxShift + 1, position: 1);
        var angle = Symmetric(2) * _options.MaxRotation * Math.PI / 180;
        var scale = Math.Pow(1 + _options.MaxScale, Symmetric(3));
        var (cos, sin) = (Math.Cos(angle) / scale, Math.Sin(angle) / scale);
        double centreX = (w - 1) / 2.0, centreY = (h - 1) / 2.0;
        for (var y = 0; y < h; y++)
        {
            for (var x = 0; x < w; x++)
            {
                double u = x - centreX - dx, v = y - centreY - dy;
                var fromX = centreX + (cos * u) + (sin * v);
                var fromY = centreY - (sin * u) + (cos * v);
                if (mirrored)
                    fromX = w - 1 - fromX;
                for (var c = 0; c < _shape.Channels; c++)
                    result[(((c * h) + y) * w) + x] = Bilinear(picture.Slice(c * h * w, h * w), fromX, fromY);
            }
        }

        double Symmetric(int position) => (2 * _affine.Uniform(0, item, position)) - 1;
    }

    private byte Bilinear(ReadOnlySpan<byte> plane, double x, double y)
    {
        int left = (int)Math.Floor(x), top = (int)Math.Floor(y);
        double right = x - left, down = y - top;
        var upper = ((1 - right) * At(plane, left, top)) + (right * At(plane, left + 1, top));
        var lower = ((1 - right) * At(plane, left, top + 1)) + (right * At(plane, left + 1, top + 1));
        return (byte)(((1 - down) * upper) + (down * lower) + 0.5);
    }

    private int At(ReadOnlySpan<byte> plane, int x, int y) =>
        (uint)x < (uint)_shape.Width && (uint)y < (uint)_shape.Height ? plane[(y * _shape.Width) + x] : _options.Fill;

    /// <summary>A rectangle of a random share of the picture, aspect and place, cut off at the edges; its aspect is log-uniform.</summary>
    private void Erase(Span<byte> picture, long item)
    {
        var (h, w) = (_shape.Height, _shape.Width);
        var area = (EraseMinArea + ((_options.EraseMaxArea - EraseMinArea) * _erase.Uniform(0, item, 1))) * h * w;
        var aspect = Math.Pow(EraseMaxAspect, (2 * _erase.Uniform(0, item, 2)) - 1);
        var height = Math.Clamp((int)Math.Round(Math.Sqrt(area * aspect)), 1, h);
        var width = Math.Clamp((int)Math.Round(Math.Sqrt(area / aspect)), 1, w);
        var top = (int)_erase.Integer(0, item, 0, h - height + 1, 3);
        var left = (int)_erase.Integer(0, item, 0, w - width + 1, 4);
        for (var c = 0; c < _shape.Channels; c++)
        {
            var value = (byte)_erase.Integer(0, item, 0, 256, 5 + c);
            for (var y = top; y < top + height; y++)
                picture.Slice((((c * h) + y) * w) + left, width).Fill(value);
        }
    }
}
