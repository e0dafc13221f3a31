using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks.Clip;

/// <summary>
/// The architecture of CLIP's image tower, as <c>config.json</c> of a <c>CLIPVisionModelWithProjection</c> holds it; the defaults are Hugging
/// Face's, which are those of ViT-B/32.
/// </summary>
public sealed record ClipVisionOptions
{
    internal const string NameKey = "graft_name";
    internal const long LargestSize = 1 << 16;
    internal const int MostLayers = 1000;

    /// <summary><c>hidden_size</c>: width of a token.</summary>
    public long HiddenSize { get; init; } = 768;

    /// <summary><c>intermediate_size</c>: width of the feed-forward part's hidden layer.</summary>
    public long IntermediateSize { get; init; } = 3072;

    /// <summary><c>num_hidden_layers</c>.</summary>
    public int NumHiddenLayers { get; init; } = 12;

    /// <summary><c>num_attention_heads</c>, a divisor of the width.</summary>
    public long NumAttentionHeads { get; init; } = 12;

    /// <summary><c>image_size</c>: edge of the square that the network sees.</summary>
    public long ImageSize { get; init; } = 224;

    /// <summary><c>patch_size</c>: edge of the square that becomes one token.</summary>
    public long PatchSize { get; init; } = 32;

    /// <summary><c>projection_dim</c>: width of the embedding that pictures and text share.</summary>
    public long ProjectionDim { get; init; } = 512;

    /// <summary><c>hidden_act</c>.</summary>
    public ClipActivation HiddenAct { get; init; } = ClipActivation.QuickGelu;

    /// <summary><c>layer_norm_eps</c>.</summary>
    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary>What whoever trained it calls it (<c>graft_name</c>, a key of our own); null of all others, which are called CLIP.</summary>
    public string? Name { get; init; }

    /// <summary>Tokens of a picture: one for the class and one for each patch.</summary>
    public long Tokens => 1 + (ImageSize / PatchSize * (ImageSize / PatchSize));

    /// <summary>The transformer's part of it.</summary>
    internal ClipTransformerOptions Transformer => new(HiddenSize, NumHiddenLayers, NumAttentionHeads, IntermediateSize, HiddenAct, LayerNormEps);

    /// <summary>
    /// Reads a configuration of <c>model_type</c> <c>clip_vision_model</c>, or the image tower of one of <c>clip</c>; keys that say nothing of the
    /// architecture are ignored, absent ones take the defaults.
    /// </summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">It is of another model, a value has another type, or the values do not fit together.</exception>
    public static ClipVisionOptions FromJson(JsonObject json, string where)
    {
        ArgumentNullException.ThrowIfNull(json);
        var top = new ClipJson(json, where);
        var kind = top.Text("model_type", json.ContainsKey("vision_config") ? "clip" : "clip_vision_model");
        if (kind is not ("clip" or "clip_vision_model"))
            throw top.Fault($"its model_type is {FileFault.Quote(kind)} and not clip or clip_vision_model");
        var both = kind == "clip";
        var tower = both ? new ClipJson(Tower(json, top), where) : top;
        var standard = new ClipVisionOptions();
        var act = tower.Text("hidden_act", ClipActivations.Name(standard.HiddenAct));
        if (tower.Integer("num_channels", 3) != 3)
            throw top.Fault("its pictures have other than 3 channels");
        var options = new ClipVisionOptions
        {
            HiddenSize = tower.Integer("hidden_size", standard.HiddenSize),
            IntermediateSize = tower.Integer("intermediate_size", standard.IntermediateSize),
            NumHiddenLayers = (int)Math.Clamp(tower.Integer("num_hidden_layers", standard.NumHiddenLayers), 0, int.MaxValue),
            NumAttentionHeads = tower.Integer("num_attention_heads", standard.NumAttentionHeads),
            ImageSize = tower.Integer("image_size", standard.ImageSize),
            PatchSize = tower.Integer("patch_size", standard.PatchSize),
            // Of a CLIPModel, the width that both towers share stands outside of them.
            ProjectionDim = (both ? top : tower).Integer("projection_dim", standard.ProjectionDim),
            HiddenAct = ClipActivations.Find(act)
                ?? throw top.Fault($"the hidden_act {FileFault.Quote(act)} is unknown ({ClipActivations.Known} are known)"),
            LayerNormEps = tower.Real("layer_norm_eps", standard.LayerNormEps),
            Name = top.Has(NameKey) ? FileFault.Shorten(top.Text(NameKey, "")) : null,
        };
        options.Validate(where);
        return options;
    }

    /// <summary>The configuration as Hugging Face writes it for a <c>CLIPVisionModelWithProjection</c>.</summary>
    public JsonObject ToJson()
    {
        var json = Keys();
        if (Name is not null)
            json[NameKey] = Name;
        return json;
    }

    private JsonObject Keys() => new()
    {
        ["architectures"] = new JsonArray("CLIPVisionModelWithProjection"),
        ["attention_dropout"] = 0.0,
        ["hidden_act"] = ClipActivations.Name(HiddenAct),
        ["hidden_size"] = HiddenSize,
        ["image_size"] = ImageSize,
        ["intermediate_size"] = IntermediateSize,
        ["layer_norm_eps"] = LayerNormEps,
        ["model_type"] = "clip_vision_model",
        ["num_attention_heads"] = NumAttentionHeads,
        ["num_channels"] = 3,
        ["num_hidden_layers"] = NumHiddenLayers,
        ["patch_size"] = PatchSize,
        ["projection_dim"] = ProjectionDim,
        ["torch_dtype"] = "float32",
    };

    /// <summary>Everything that building the network relies on.</summary>
    /// <exception cref="InputException">The values do not fit together.</exception>
    internal void Validate(string where)
    {
        Size(HiddenSize, "hidden_size");
        Size(IntermediateSize, "intermediate_size");
        Size(ProjectionDim, "projection_dim");
        Size(ImageSize, "image_size");
        Size(PatchSize, "patch_size");
        Require(NumHiddenLayers is >= 1 and <= MostLayers, $"num_hidden_layers {NumHiddenLayers} must lie between 1 and {MostLayers}");
        Require(PatchSize <= ImageSize, $"a patch_size of {PatchSize} does not fit an image_size of {ImageSize}");
        Require(NumAttentionHeads >= 1 && HiddenSize % NumAttentionHeads == 0, $"num_attention_heads {NumAttentionHeads} does not divide hidden_size {HiddenSize}");
        Require(LayerNormEps > 0 && double.IsFinite(LayerNormEps), "layer_norm_eps must be above 0");

        void Size(long value, string name) => Require(value is >= 1 and <= LargestSize, $"{name} {value} must lie between 1 and {LargestSize}");

        void Require(bool condition, string message)
        {
            if (!condition)
                throw new InputException($"The CLIP configuration {where} cannot be used: {message}.");
        }
    }

    /// <summary>Names and shapes of all parameters, without building anything: a file is held against them first.</summary>
    internal IEnumerable<(string Name, long[] Shape)> Shapes()
    {
        yield return ("vision_model.embeddings.class_embedding", [HiddenSize]);
        yield return ("vision_model.embeddings.patch_embedding.weight", [HiddenSize, 3, PatchSize, PatchSize]);
        yield return ("vision_model.embeddings.position_embedding.weight", [Tokens, HiddenSize]);
        foreach (var norm in (string[])["pre_layrnorm", "post_layernorm"])
        {
            yield return ($"vision_model.{norm}.weight", [HiddenSize]);
            yield return ($"vision_model.{norm}.bias", [HiddenSize]);
        }

        yield return (ClipVisionModel.ProjectionName, [ProjectionDim, HiddenSize]);
        foreach (var (name, shape) in ClipTransformer.Shapes(Transformer))
            yield return ($"vision_model.encoder.{name}", shape);
    }

    /// <summary>
    /// The image tower's keys. Older folders repeat them as <c>vision_config_dict</c>, which transformers lets win where both are there.
    /// </summary>
    private static JsonObject Tower(JsonObject json, ClipJson top)
    {
        var tower = new JsonObject();
        foreach (var key in (string[])["vision_config", "vision_config_dict"])
        {
            if (json[key] is null)
                continue;
            foreach (var (name, value) in json[key] as JsonObject ?? throw top.Fault($"its {key} is no object"))
                tower[name] = value?.DeepClone();
        }

        return tower;
    }
}
