using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Formats.Images;

namespace Graft.Networks.Clip;

/// <summary>Whose preparation of pictures is followed where the two differ.</summary>
public enum ClipProcessorKind
{
    /// <summary>
    /// <c>CLIPImageProcessor</c>: converts to RGB first (alpha is dropped), and a crop of an odd remainder begins at the lower half.
    /// </summary>
    HuggingFace,

    /// <summary>
    /// openai's transform (torchvision's): resizes first, so that transparent pixels have no part in it, drops alpha afterwards, and rounds the
    /// crop's beginning, halves to even.
    /// </summary>
    OpenAi,
}

/// <summary>How a picture becomes <c>pixel_values</c>: the keys of <c>preprocessor_config.json</c>.</summary>
public sealed record ClipImageProcessorOptions
{
    private const long LargestEdge = 1 << 14;

    /// <summary>The mean of openai's training pictures, in [0, 1], red, green, blue.</summary>
    public static IReadOnlyList<double> OpenAiMean { get; } = [0.48145466, 0.4578275, 0.40821073];

    /// <summary>Their standard deviation.</summary>
    public static IReadOnlyList<double> OpenAiDeviation { get; } = [0.26862954, 0.26130258, 0.27577711];

    /// <summary>Whose order of steps and whose rounding.</summary>
    public ClipProcessorKind Kind { get; init; }

    /// <summary>The shortest edge after resizing in pixels; null: not resized by it.</summary>
    public int? ShortestEdge { get; init; }

    /// <summary>Height and width after resizing, whatever the picture's proportions; null: not resized to it.</summary>
    public (int Height, int Width)? Size { get; init; }

    /// <summary>How pixels are weighted.</summary>
    public ResizeFilter Filter { get; init; } = ResizeFilter.Bicubic;

    /// <summary>Height and width of the middle that is cut out; null: nothing is cut.</summary>
    public (int Height, int Width)? Crop { get; init; }

    /// <summary>What bytes are multiplied by; null: they stay 0 to 255.</summary>
    public double? RescaleFactor { get; init; } = 1 / 255.0;

    /// <summary>Subtracted from each colour, red, green, blue; null (with <see cref="Deviation"/>): not normalised.</summary>
    public IReadOnlyList<double>? Mean { get; init; } = OpenAiMean;

    /// <summary>What each colour is divided by then.</summary>
    public IReadOnlyList<double>? Deviation { get; init; } = OpenAiDeviation;

    /// <summary>The usual steps for a network of an edge: shortest edge to it by bicubic, its middle, openai's mean and deviation.</summary>
    /// <param name="edge">Pixels.</param>
    /// <param name="kind">Whose.</param>
    public static ClipImageProcessorOptions Standard(int edge, ClipProcessorKind kind) => new() { Kind = kind, ShortestEdge = edge, Crop = (edge, edge) };

    /// <summary>Reads <c>preprocessor_config.json</c>, of today or of older versions (whose sizes are bare numbers); absent keys take Hugging Face's defaults.</summary>
    /// <param name="json">The keys.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A value has another type, or asks for what is not done here.</exception>
    public static ClipImageProcessorOptions FromJson(JsonObject json, string where)
    {
        ArgumentNullException.ThrowIfNull(json);
        const int Standard = 224;
        var keys = new ClipJson(json, where);
        var (shortest, size) = keys.Flag("do_resize", true) ? Resized(json["size"]) : (null, null);
        var normalised = keys.Flag("do_normalize", true);
        return new ClipImageProcessorOptions
        {
            ShortestEdge = shortest,
            Size = size,
            Filter = keys.Integer("resample", 3) switch
            {
                1 => ResizeFilter.Lanczos,
                2 => ResizeFilter.Bilinear,
                3 => ResizeFilter.Bicubic,
                4 => ResizeFilter.Box,
                var other => throw keys.Fault($"resample {other} is none of 1 (Lanczos), 2 (bilinear), 3 (bicubic) and 4 (box)"),
            },
            Crop = !keys.Flag("do_center_crop", true) ? null
                : json["crop_size"] is not { } crop ? (Standard, Standard)
                : crop is JsonObject area ? (Edge(new ClipJson(area, where), "height"), Edge(new ClipJson(area, where), "width"))
                : (Edge(keys, "crop_size"), Edge(keys, "crop_size")),
            RescaleFactor = keys.Flag("do_rescale", true) ? keys.Real("rescale_factor", 1 / 255.0) : null,
            Mean = normalised ? keys.Colours("image_mean", [.. OpenAiMean]) : null,
            Deviation = !normalised ? null
                : keys.Colours("image_std", [.. OpenAiDeviation]) is var deviation && deviation.All(d => d > 0) ? deviation
                : throw keys.Fault("image_std must be above 0"),
        };

        (int? Shortest, (int Height, int Width)? Size) Resized(JsonNode? given)
        {
            if (given is null)
                return (Standard, null);
            if (given is not JsonObject sizes)
                return (Edge(keys, "size"), null);
            var inner = new ClipJson(sizes, where);
            return inner.Has("shortest_edge") ? (Edge(inner, "shortest_edge"), null)
                : inner.Has("height") && inner.Has("width") ? (null, (Edge(inner, "height"), Edge(inner, "width")))
                : throw keys.Fault("size names neither shortest_edge nor height and width");
        }
    }

    /// <summary>The keys, as a <c>CLIPImageProcessor</c> writes them.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["do_center_crop"] = Crop is not null,
            ["do_convert_rgb"] = true,
            ["do_normalize"] = Mean is not null,
            ["do_rescale"] = RescaleFactor is not null,
            ["do_resize"] = ShortestEdge is not null || Size is not null,
            ["image_processor_type"] = "CLIPImageProcessor",
            ["resample"] = Filter switch { ResizeFilter.Lanczos => 1, ResizeFilter.Bilinear => 2, ResizeFilter.Box => 4, _ => 3 },
        };
        if (ShortestEdge is { } shortest)
            json["size"] = new JsonObject { ["shortest_edge"] = shortest };
        else if (Size is { } size)
            json["size"] = new JsonObject { ["height"] = size.Height, ["width"] = size.Width };
        if (Crop is { } crop)
            json["crop_size"] = new JsonObject { ["height"] = crop.Height, ["width"] = crop.Width };
        if (RescaleFactor is { } factor)
            json["rescale_factor"] = factor;
        if (Mean is not null && Deviation is not null)
        {
            json["image_mean"] = new JsonArray([.. Mean.Select(m => (JsonNode)m)]);
            json["image_std"] = new JsonArray([.. Deviation.Select(d => (JsonNode)d)]);
        }

        return json;
    }

    /// <summary>In words, for reports; it says everything that the result depends on.</summary>
    public override string ToString()
    {
        var steps = new List<string>();
        if (ShortestEdge is { } shortest)
            steps.Add($"shortest edge to {shortest} by Pillow's {Filter.ToString().ToLowerInvariant()}");
        if (Size is { } size)
            steps.Add($"to {size.Height} x {size.Width} by Pillow's {Filter.ToString().ToLowerInvariant()}");
        if (Crop is { } crop)
            steps.Add($"middle {crop.Height} x {crop.Width}");
        if (RescaleFactor is { } factor)
            steps.Add(string.Create(CultureInfo.InvariantCulture, $"times {factor:R}"));
        if (Mean is not null && Deviation is not null)
            steps.Add($"less [{Numbers(Mean)}], by [{Numbers(Deviation)}]");
        steps.Add(Kind == ClipProcessorKind.OpenAi ? "as openai's transform" : "as CLIPImageProcessor");
        return string.Join("; ", steps);

        static string Numbers(IEnumerable<double> values) => string.Join(", ", values.Select(v => v.ToString("R", CultureInfo.InvariantCulture)));
    }

    /// <summary>Throws unless every picture comes out at the size that a network takes.</summary>
    /// <param name="edge">The network's <c>image_size</c>.</param>
    /// <exception cref="InputException">It does not.</exception>
    internal void CheckGives(long edge)
    {
        var given = Crop ?? Size;
        if (given is null || given != ((int)edge, (int)edge))
            throw new InputException($"The processor gives pictures of {(given is { } g ? $"{g.Height} x {g.Width}" : "any size")} and the network takes {edge} x {edge}: they belong to different models.");
        if (Crop is { } crop && ((ShortestEdge is { } s && s < Math.Max(crop.Height, crop.Width)) || (Size is { } z && (z.Height < crop.Height || z.Width < crop.Width))))
            throw new InputException($"The processor cuts {crop.Height} x {crop.Width} out of something smaller, which would add black edges: give another size or crop_size.");
    }

    private static int Edge(ClipJson keys, string name)
    {
        var value = keys.Integer(name, 0);
        return value is >= 1 and <= LargestEdge ? (int)value : throw keys.Fault($"{name} {value} must lie between 1 and {LargestEdge}");
    }
}
