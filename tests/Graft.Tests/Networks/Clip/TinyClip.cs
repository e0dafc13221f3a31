using Graft.Networks.Clip;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.Clip;

/// <summary>Towers of a few thousand numbers, with formula weights.</summary>
internal static class TinyClip
{
    public static ClipVisionOptions Options { get; } = new()
    {
        HiddenSize = 64,
        IntermediateSize = 24,
        NumHiddenLayers = 2,
        NumAttentionHeads = 1,
        ImageSize = 8,
        PatchSize = 4,
        ProjectionDim = 5,
    };

    public static ClipVisionModel Model(ClipVisionOptions? options = null) => TorchRuntime.Run(() =>
    {
        var model = new ClipVisionModel(options ?? Options);
        FormulaWeights.Fill(model, 3);
        return model;
    });

    /// <summary>The same weights under openai's names, joined and turned as there.</summary>
    public static IEnumerable<NamedTensor> OpenAiState(ClipVisionModel model)
    {
        var p = model.Parameters().ToDictionary(x => x.Name, x => x.Value);
        const string Tower = "vision_model.";
        yield return new("visual.class_embedding", p[Tower + "embeddings.class_embedding"]);
        yield return new("visual.positional_embedding", p[Tower + "embeddings.position_embedding.weight"]);
        yield return new("visual.proj", p["visual_projection.weight"].Transpose(0, 1).Contiguous());
        yield return new("visual.conv1.weight", p[Tower + "embeddings.patch_embedding.weight"]);
        foreach (var kind in (string[])["weight", "bias"])
        {
            yield return new($"visual.ln_pre.{kind}", p[$"{Tower}pre_layrnorm.{kind}"]);
            yield return new($"visual.ln_post.{kind}", p[$"{Tower}post_layernorm.{kind}"]);
            for (var i = 0; i < model.Options.NumHiddenLayers; i++)
            {
                var (theirs, ours) = ($"{Tower}encoder.layers.{i}.", $"visual.transformer.resblocks.{i}.");
                yield return new($"{ours}attn.in_proj_{kind}", Tensor.Cat([.. "qkv".Select(c => p[$"{theirs}self_attn.{c}_proj.{kind}"])]));
                yield return new($"{ours}attn.out_proj.{kind}", p[$"{theirs}self_attn.out_proj.{kind}"]);
                yield return new($"{ours}ln_1.{kind}", p[$"{theirs}layer_norm1.{kind}"]);
                yield return new($"{ours}ln_2.{kind}", p[$"{theirs}layer_norm2.{kind}"]);
                yield return new($"{ours}mlp.c_fc.{kind}", p[$"{theirs}mlp.fc1.{kind}"]);
                yield return new($"{ours}mlp.c_proj.{kind}", p[$"{theirs}mlp.fc2.{kind}"]);
            }
        }
    }
}
