using Graft.Networks.Clip;

namespace Graft.Tests.Networks.Clip;

/// <summary>A pair of towers of some thousand numbers.</summary>
internal static class TinyPair
{
    public static NameTokenizer Tokenizer { get; } = new(["a", "black", "face", "grey", "of", "white"], "abcdefghijklmnopqrstuvwxyz");

    public static ClipVisionOptions Vision { get; } = new()
    {
        HiddenSize = 16, IntermediateSize = 24, NumHiddenLayers = 1, NumAttentionHeads = 2, ImageSize = 8, PatchSize = 4, ProjectionDim = 6, Name = "tiny-pair",
    };

    public static ClipTextOptions Text { get; } = new()
    {
        HiddenSize = 12, IntermediateSize = 20, NumHiddenLayers = 2, NumAttentionHeads = 3, MaxPositionEmbeddings = 10, ProjectionDim = 6,
        VocabSize = Tokenizer.VocabSize, BosTokenId = Tokenizer.Begin, EosTokenId = Tokenizer.End,
    };

    public static ImageTextModel Create(long seed = 1) => new(
        ClipModel.Create(Vision, Text, seed), Tokenizer, ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace));
}
