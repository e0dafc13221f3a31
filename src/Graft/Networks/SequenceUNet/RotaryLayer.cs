using Graft.Networks.Transformers;
using Graft.Torch;

namespace Graft.Networks.SequenceUNetParts;

/// <summary>
/// A pre-norm transformer layer whose attention turns queries and keys by an angle for each position (Su et al. 2021, "RoFormer", eq. 34), so
/// that their product depends on the distance of two positions and on nothing else of where they are.
/// </summary>
internal sealed class RotaryLayer : Module
{
    private const long Widening = 4;
    private readonly long _heads;
    private readonly double _base;
    private readonly LayerNorm _norm1;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly LayerNorm _norm2;
    private readonly Linear _widen;
    private readonly Linear _narrow;

    /// <param name="width">C.</param>
    /// <param name="heads">Heads, each of an even width C / heads.</param>
    /// <param name="rotaryBase">Of the frequencies; the paper's is 10,000 (section 3.2.2).</param>
    internal RotaryLayer(long width, long heads, double rotaryBase)
    {
        (_heads, _base) = (heads, rotaryBase);
        _norm1 = Add("norm1", new LayerNorm(width));
        _query = Add("to_q", new Linear(width, width, bias: false));
        _key = Add("to_k", new Linear(width, width, bias: false));
        _value = Add("to_v", new Linear(width, width, bias: false));
        _output = Add("to_out.0", new Linear(width, width));
        _norm2 = Add("norm2", new LayerNorm(width));
        _widen = Add("ff.net.0.proj", new Linear(width, Widening * width));
        _narrow = Add("ff.net.2", new Linear(Widening * width, width));
    }

    /// <summary>Tokens [N, L, C], same shape out.</summary>
    internal Tensor Forward(Tensor x) => Recomputation.Of(given => TensorScope.Of(() => Compute(given[0])), x);

    private Tensor Compute(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        var h = x + Attended(_norm1.Forward(x));
        return h + _narrow.Forward(Functional.Silu(_widen.Forward(_norm2.Forward(h))));
    }

    /// <summary>Each pair (a, b) = (x_i, x_{i + d/2}) turned by l·base^(−2i/d) at position l.</summary>
    /// <param name="x">[..., d, L].</param>
    /// <param name="rotaryBase">The base.</param>
    internal static Tensor Rotated(Tensor x, double rotaryBase)
    {
        long length = x.Size(-1), half = x.Size(-2) / 2;
        var frequencies = (Tensor.Arange(0, half).To(DType.Float64) * (-Math.Log(rotaryBase) / half)).Exp();
        var angles = frequencies.Unsqueeze(1) * Tensor.Arange(0, length).To(DType.Float64).Unsqueeze(0);
        var (cos, sin) = (angles.Cos().To(x.Type).Upload(x.Device), angles.Sin().To(x.Type).Upload(x.Device));
        var pair = x.Chunk(2, -2);
        return Tensor.Cat([(pair[0] * cos) - (pair[1] * sin), (pair[0] * sin) + (pair[1] * cos)], -2);
    }

    private Tensor Attended(Tensor x)
    {
        long n = x.Size(0), tokens = x.Size(1), width = x.Size(2), size = width / _heads;
        var parts = JointProjection.OfTokens(x, _query, _key, _value).Reshape(n, 3, _heads, size, tokens);
        var turned = Tensor.Cat([Rotated(parts.Slice(1, 0, 2), _base), parts.Slice(1, 2, 3)], 1).Reshape(n, 3 * width, tokens, 1);
        return _output.Forward(JointProjection.Tokens(Functional.SelfAttention(turned, _heads, 1 / Math.Sqrt(size))));
    }
}
