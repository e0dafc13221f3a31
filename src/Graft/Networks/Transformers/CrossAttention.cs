using Graft.Torch;

namespace Graft.Networks.Transformers;

/// <summary>
/// Attention of tokens to a context, or to themselves: CompVis' <c>CrossAttention</c>, diffusers' <c>Attention</c>, by their names.
/// </summary>
internal sealed class CrossAttention : Module
{
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;
    private readonly long _heads;

    /// <param name="width">C, of the tokens.</param>
    /// <param name="contextWidth">D, of the context's tokens; C where tokens attend to themselves.</param>
    /// <param name="heads">Heads, each of width C / heads.</param>
    internal CrossAttention(long width, long contextWidth, long heads)
    {
        if (heads < 1 || width % heads != 0)
            throw new InputException($"{heads} heads do not divide {width} channels: give another number of heads.");
        _heads = heads;
        _query = Add("to_q", new Linear(width, width, bias: false));
        _key = Add("to_k", new Linear(contextWidth, width, bias: false));
        _value = Add("to_v", new Linear(contextWidth, width, bias: false));
        _output = Add("to_out.0", new Linear(width, width));
    }

    /// <summary>
    /// What each token gets: [N, T, C], or [N, 1, C] where the context is one token. The softmax over one token is 1, so that every
    /// position gets the same, and queries and keys (which the parameters hold all the same) have no gradient.
    /// </summary>
    /// <param name="x">Tokens, [N, T, C].</param>
    /// <param name="context">[N, M, D]; null: x itself.</param>
    internal Tensor Forward(Tensor x, Tensor? context = null)
    {
        if (context is null)
            return ToThemselves(x);
        if (context.Size(1) == 1)
            return _output.Forward(_value.Forward(context));
        long n = x.Size(0), tokens = x.Size(1), width = x.Size(2);
        var mixed = Functional.Attention(
            SplitHeads(_query.Forward(x)), SplitHeads(_key.Forward(context)), SplitHeads(_value.Forward(context)),
            1 / Math.Sqrt((double)width / _heads), x.Type == DType.Float64 ? DType.Float64 : DType.Float32);
        if (_heads > 1)
            mixed = mixed.Reshape(n, _heads, tokens, width / _heads).Transpose(1, 2).Reshape(n, tokens, width);
        return _output.Forward(mixed);
    }

    /// <summary>As a feature map, of which no scores are kept.</summary>
    private Tensor ToThemselves(Tensor x)
    {
        var qkv = JointProjection.OfTokens(x, _query, _key, _value);
        return _output.Forward(JointProjection.Tokens(Functional.SelfAttention(qkv, _heads, 1 / Math.Sqrt((double)x.Size(2) / _heads))));
    }

    private Tensor SplitHeads(Tensor x)
    {
        if (_heads == 1)
            return x;
        long n = x.Size(0), tokens = x.Size(1), size = x.Size(2) / _heads;
        return x.Reshape(n, tokens, _heads, size).Transpose(1, 2).Reshape(n * _heads, tokens, size);
    }
}
