using System.Globalization;
using System.Text.RegularExpressions;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>
/// openai's names of CLIP's image tower, as Hugging Face's. The file has no configuration: sizes follow from the shapes, a head has 64 channels
/// and the activation is <see cref="ClipActivation.QuickGelu"/>, as in every vision transformer that openai published.
/// </summary>
internal static partial class OpenAiClip
{
    private const long HeadSize = 64;
    private const string Prefix = "visual.";
    private const string Blocks = "visual.transformer.resblocks.";
    private const string Patches = "visual.conv1.weight";

    private static readonly (string Theirs, string Ours)[] Parts =
    [
        ("embeddings.class_embedding", "class_embedding"),
        ("embeddings.patch_embedding.", "conv1."),
        ("embeddings.position_embedding.weight", "positional_embedding"),
        ("pre_layrnorm.", "ln_pre."),
        ("post_layernorm.", "ln_post."),
    ];

    private static readonly (string Theirs, string Ours)[] BlockParts =
    [
        ("self_attn.out_proj.", "attn.out_proj."),
        ("layer_norm1.", "ln_1."),
        ("layer_norm2.", "ln_2."),
        ("mlp.fc1.", "mlp.c_fc."),
        ("mlp.fc2.", "mlp.c_proj."),
    ];

    /// <summary>Whether a file holds an image tower under these names.</summary>
    public static bool Is(WeightFile file) => file.Names.Any(n => n.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>The architecture that the shapes tell.</summary>
    /// <exception cref="InputException">It is a residual network, or a part is missing or has an impossible shape.</exception>
    public static ClipVisionOptions Infer(WeightFile file)
    {
        if (file.Contains("visual.layer1.0.conv1.weight"))
            throw Fault(file, "its image tower is a ResNet", "give a vision transformer (ViT-B/32, ViT-B/16, ViT-L/14)");
        var patches = Shape(file, Patches, 4);
        var positions = Shape(file, "visual.positional_embedding", 2);
        var projection = Shape(file, "visual.proj", 2);
        var hidden = Shape(file, $"{Blocks}0.mlp.c_fc.weight", 2)[0];
        var grid = (long)Math.Round(Math.Sqrt(Math.Max(0, positions[0] - 1)));
        if ((grid * grid) + 1 != positions[0])
            throw Fault(file, $"its {positions[0]} positions are not those of a square of patches and a class");
        if (patches[0] % HeadSize != 0)
            throw Fault(file, $"its width of {patches[0]} is not a multiple of openai's {HeadSize} channels a head", "give the Hugging Face folder, whose config.json says how many heads there are");
        var options = new ClipVisionOptions
        {
            HiddenSize = patches[0],
            IntermediateSize = hidden,
            NumHiddenLayers = Layers(file),
            NumAttentionHeads = patches[0] / HeadSize,
            PatchSize = patches[2],
            ImageSize = Math.Min(grid, int.MaxValue) * Math.Min(patches[2], int.MaxValue),
            ProjectionDim = projection[1],
        };
        options.Validate(file.Path);
        return options;
    }

    /// <summary>The tensor that is called <paramref name="name"/> at Hugging Face's, or null.</summary>
    public static Tensor? Read(WeightFile file, string name)
    {
        if (name == ClipVisionModel.ProjectionName)
            return file.Contains("visual.proj") ? file.Read("visual.proj").Transpose(0, 1) : null;
        if (Joined().Match(name) is { Success: true } joined)
        {
            var whole = $"{Blocks}{joined.Groups[1].Value}.attn.in_proj_{joined.Groups[3].Value}";
            return file.Contains(whole) ? file.Read(whole).Chunk(3)["qkv".IndexOf(joined.Groups[2].Value[0], StringComparison.Ordinal)] : null;
        }

        return Map(name) is { } mapped && file.Contains(mapped) ? file.Read(mapped) : null;
    }

    /// <summary>The shape of the tensor that is called <paramref name="name"/> at Hugging Face's, or null.</summary>
    public static long[]? ShapeOf(WeightFile file, string name)
    {
        if (name == ClipVisionModel.ProjectionName)
            return file.Contains("visual.proj") && file.Describe("visual.proj").Shape is [var width, var dimension] ? [dimension, width] : null;
        if (Joined().Match(name) is { Success: true } joined)
        {
            var whole = $"{Blocks}{joined.Groups[1].Value}.attn.in_proj_{joined.Groups[3].Value}";
            return file.Contains(whole) && file.Describe(whole).Shape is [var rows, .. var rest] && rows % 3 == 0 ? [rows / 3, .. rest] : null;
        }

        return Map(name) is { } mapped && file.Contains(mapped) ? file.Describe(mapped).Shape : null;
    }

    private static string? Map(string name)
    {
        var inner = name.StartsWith("vision_model.", StringComparison.Ordinal) ? name["vision_model.".Length..] : name;
        if (Block().Match(inner) is { Success: true } block)
            return Renamed(block.Groups[2].Value, BlockParts) is { } part ? $"{Blocks}{block.Groups[1].Value}.{part}" : null;
        return Renamed(inner, Parts) is { } own ? Prefix + own : null;
    }

    private static string? Renamed(string name, (string Theirs, string Ours)[] table)
    {
        foreach (var (theirs, ours) in table)
        {
            if (name.StartsWith(theirs, StringComparison.Ordinal))
                return ours + name[theirs.Length..];
        }

        return null;
    }

    private static int Layers(WeightFile file) => 1 + file.Names
        .Where(n => n.StartsWith(Blocks, StringComparison.Ordinal))
        .Select(n => int.TryParse(n[Blocks.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var i) ? i : -1)
        .DefaultIfEmpty(-1).Max();

    private static long[] Shape(WeightFile file, string name, int dims)
    {
        if (!file.Contains(name))
            throw Fault(file, $"it holds no {name}, so it is not openai's CLIP", "give a Hugging Face folder or openai's .pt of a vision transformer");
        var shape = file.Describe(name).Shape;
        return shape.Length == dims && shape.All(s => s >= 1) ? shape : throw Fault(file, $"its {name} has the impossible shape [{string.Join(", ", shape)}]");
    }

    private static InputException Fault(WeightFile file, string what, string remedy = "download the file again") => new($"Cannot use '{file.Path}': {what}; {remedy}.");

    [GeneratedRegex(@"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$", RegexOptions.CultureInvariant)]
    private static partial Regex Joined();

    [GeneratedRegex(@"^encoder\.layers\.(\d+)\.(.+)$", RegexOptions.CultureInvariant)]
    private static partial Regex Block();
}
