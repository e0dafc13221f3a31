using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>
/// CLIP's text tower (Radford et al. 2021, section 2.4): a causal transformer over tokens, whose state at the text's end, normalised and
/// projected, stands for the text; under the names of Hugging Face's <c>CLIPTextModelWithProjection</c>.
/// </summary>
public sealed class ClipTextModel : Module
{
    private readonly Tower _tower;
    private readonly Linear _projection;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public ClipTextModel(ClipTextOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("given");
        Options = options;
        _tower = Add("text_model", new Tower(options));
        _projection = Add("text_projection", new Linear(options.HiddenSize, options.ProjectionDim, bias: false));
    }

    /// <summary>The architecture.</summary>
    public ClipTextOptions Options { get; }

    /// <summary>
    /// The embeddings of texts. What stands behind a text's first end token has no part in them, since a token sees only those before it:
    /// texts may be filled up with anything to one length.
    /// </summary>
    /// <param name="tokens">Int64 [N, L] with L up to <c>max_position_embeddings</c>; each row holds <c>eos_token_id</c>.</param>
    /// <returns>[N, projection], not divided by their lengths.</returns>
    /// <exception cref="ArgumentException">Another shape or type, or a text without its end.</exception>
    public Tensor Forward(Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.Type != DType.Int64 || tokens.Dims != 2 || tokens.Size(1) > Options.MaxPositionEmbeddings)
            throw new ArgumentException($"texts are Int64[N, up to {Options.MaxPositionEmbeddings}], and this is {tokens}", nameof(tokens));
        var (n, length) = ((int)tokens.Size(0), (int)tokens.Size(1));
        var ids = tokens.ToArray<long>();
        var ends = new long[n];
        for (var i = 0; i < n; i++)
        {
            var end = Array.IndexOf(ids, Options.EosTokenId, i * length, length);
            ends[i] = end >= 0 ? end : throw new ArgumentException($"text {i} has no end token {Options.EosTokenId}", nameof(tokens));
        }

        var states = _tower.Forward(tokens).Reshape((long)n * length, Options.HiddenSize);
        return _projection.Forward(states.IndexSelect(0, Tensor.From(ends, n).To(tokens.Device)));
    }

    private sealed class Tower : Module
    {
        private readonly ClipTable _tokens;
        private readonly ClipTable _positions;
        private readonly ClipTransformer _encoder;
        private readonly LayerNorm _after;

        internal Tower(ClipTextOptions options)
        {
            _tokens = Add("embeddings.token_embedding", new ClipTable(options.VocabSize, options.HiddenSize));
            _positions = Add("embeddings.position_embedding", new ClipTable(options.MaxPositionEmbeddings, options.HiddenSize));
            _encoder = Add("encoder", new ClipTransformer(options.Transformer));
            _after = Add("final_layer_norm", new LayerNorm(options.HiddenSize, options.LayerNormEps));
        }

        internal Tensor Forward(Tensor tokens)
        {
            var x = _tokens.Rows(tokens) + _positions.Weight.Slice(0, 0, tokens.Size(1));
            return _after.Forward(_encoder.Forward(x, causal: true)[^1]);
        }
    }
}
