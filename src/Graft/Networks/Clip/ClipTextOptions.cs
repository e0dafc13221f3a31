using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks.Clip;

/// <summary>
/// The architecture of CLIP's text tower, as <c>config.json</c> of a <c>CLIPTextModelWithProjection</c> holds it; the defaults are Hugging
/// Face's, which are those of ViT-B/32.
/// </summary>
public sealed record ClipTextOptions
{
    private const long LargestVocabulary = 1 << 20;

    /// <summary><c>vocab_size</c>: tokens that there are.</summary>
    public long VocabSize { get; init; } = 49408;

    /// <summary><c>max_position_embeddings</c>: tokens that a text may have, its beginning and its end among them.</summary>
    public long MaxPositionEmbeddings { get; init; } = 77;

    /// <summary><c>hidden_size</c>: width of a token.</summary>
    public long HiddenSize { get; init; } = 512;

    /// <summary><c>intermediate_size</c>: width of the feed-forward part's hidden layer.</summary>
    public long IntermediateSize { get; init; } = 2048;

    /// <summary><c>num_hidden_layers</c>.</summary>
    public int NumHiddenLayers { get; init; } = 12;

    /// <summary><c>num_attention_heads</c>, a divisor of the width.</summary>
    public long NumAttentionHeads { get; init; } = 8;

    /// <summary><c>projection_dim</c>: width of the embedding that pictures and text share.</summary>
    public long ProjectionDim { get; init; } = 512;

    /// <summary><c>hidden_act</c>.</summary>
    public ClipActivation HiddenAct { get; init; } = ClipActivation.QuickGelu;

    /// <summary><c>layer_norm_eps</c>.</summary>
    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary><c>bos_token_id</c>: the token that a text begins with.</summary>
    public long BosTokenId { get; init; } = 49406;

    /// <summary><c>eos_token_id</c>: the token that a text ends with, and whose state stands for the text.</summary>
    public long EosTokenId { get; init; } = 49407;

    /// <summary>The transformer's part of it.</summary>
    internal ClipTransformerOptions Transformer => new(HiddenSize, NumHiddenLayers, NumAttentionHeads, IntermediateSize, HiddenAct, LayerNormEps);

    /// <summary>Reads the keys of a text tower; absent ones take the defaults.</summary>
    /// <param name="json">The keys: a configuration's <c>text_config</c>.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A value has another type, or the values do not fit together.</exception>
    public static ClipTextOptions FromJson(JsonObject json, string where)
    {
        ArgumentNullException.ThrowIfNull(json);
        var keys = new ClipJson(json, where);
        var standard = new ClipTextOptions();
        var act = keys.Text("hidden_act", ClipActivations.Name(standard.HiddenAct));
        var options = new ClipTextOptions
        {
            VocabSize = keys.Integer("vocab_size", standard.VocabSize),
            MaxPositionEmbeddings = keys.Integer("max_position_embeddings", standard.MaxPositionEmbeddings),
            HiddenSize = keys.Integer("hidden_size", standard.HiddenSize),
            IntermediateSize = keys.Integer("intermediate_size", standard.IntermediateSize),
            NumHiddenLayers = (int)Math.Clamp(keys.Integer("num_hidden_layers", standard.NumHiddenLayers), 0, int.MaxValue),
            NumAttentionHeads = keys.Integer("num_attention_heads", standard.NumAttentionHeads),
            ProjectionDim = keys.Integer("projection_dim", standard.ProjectionDim),
            HiddenAct = ClipActivations.Find(act)
                ?? throw keys.Fault($"the hidden_act {FileFault.Quote(act)} is unknown ({ClipActivations.Known} are known)"),
            LayerNormEps = keys.Real("layer_norm_eps", standard.LayerNormEps),
            BosTokenId = keys.Integer("bos_token_id", standard.BosTokenId),
            EosTokenId = keys.Integer("eos_token_id", standard.EosTokenId),
        };
        options.Validate(where);
        return options;
    }

    /// <summary>The configuration as Hugging Face writes it for a <c>CLIPTextModelWithProjection</c>.</summary>
    public JsonObject ToJson() => new()
    {
        ["attention_dropout"] = 0.0,
        ["bos_token_id"] = BosTokenId,
        ["eos_token_id"] = EosTokenId,
        ["hidden_act"] = ClipActivations.Name(HiddenAct),
        ["hidden_size"] = HiddenSize,
        ["intermediate_size"] = IntermediateSize,
        ["layer_norm_eps"] = LayerNormEps,
        ["max_position_embeddings"] = MaxPositionEmbeddings,
        ["model_type"] = "clip_text_model",
        ["num_attention_heads"] = NumAttentionHeads,
        ["num_hidden_layers"] = NumHiddenLayers,
        ["projection_dim"] = ProjectionDim,
        ["vocab_size"] = VocabSize,
    };

    /// <summary>Everything that building the network relies on.</summary>
    /// <exception cref="InputException">The values do not fit together.</exception>
    internal void Validate(string where)
    {
        Size(HiddenSize, "hidden_size", ClipVisionOptions.LargestSize);
        Size(IntermediateSize, "intermediate_size", ClipVisionOptions.LargestSize);
        Size(ProjectionDim, "projection_dim", ClipVisionOptions.LargestSize);
        Size(MaxPositionEmbeddings, "max_position_embeddings", ClipVisionOptions.LargestSize);
        Size(VocabSize, "vocab_size", LargestVocabulary);
        Size(NumHiddenLayers, "num_hidden_layers", ClipVisionOptions.MostLayers);
        Require(NumAttentionHeads >= 1 && HiddenSize % NumAttentionHeads == 0, $"num_attention_heads {NumAttentionHeads} does not divide hidden_size {HiddenSize}");
        Require(LayerNormEps > 0 && double.IsFinite(LayerNormEps), "layer_norm_eps must be above 0");
        Require(BosTokenId >= 0 && BosTokenId < VocabSize, $"bos_token_id {BosTokenId} is no token of {VocabSize}");
        Require(EosTokenId >= 0 && EosTokenId < VocabSize, $"eos_token_id {EosTokenId} is no token of {VocabSize}");

        void Size(long value, string name, long most) => Require(value >= 1 && value <= most, $"{name} {value} must lie between 1 and {most}");

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The CLIP text configuration {where} cannot be used: {message}.");
        }
    }

    /// <summary>Names and shapes of all parameters, without building anything.</summary>
    internal IEnumerable<(string Name, long[] Shape)> Shapes()
    {
        yield return ("text_model.embeddings.token_embedding.weight", [VocabSize, HiddenSize]);
        yield return ("text_model.embeddings.position_embedding.weight", [MaxPositionEmbeddings, HiddenSize]);
        yield return ("text_model.final_layer_norm.weight", [HiddenSize]);
        yield return ("text_model.final_layer_norm.bias", [HiddenSize]);
        yield return ("text_projection.weight", [ProjectionDim, HiddenSize]);
        foreach (var (name, shape) in ClipTransformer.Shapes(Transformer))
            yield return ($"text_model.encoder.{name}", shape);
    }
}
