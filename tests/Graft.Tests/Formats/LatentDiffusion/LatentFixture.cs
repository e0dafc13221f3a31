using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.LatentDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Formats.LatentDiffusion;

/// <summary>
/// A small latent diffusion model, with what CompVis' own code gave for it: <c>class</c> is as cin256-v2 (one head, a class as the context),
/// <c>tokens</c> has several heads, blocks and tokens. The weights are the formula's, of the names in CompVis' files.
/// </summary>
internal sealed class LatentFixture
{
    public LatentFixture(string name)
    {
        Json = JsonNode.Parse(File.ReadAllText(Folder($"{name}.json")))!;
        Numbers = Folder($"{name}.safetensors");
    }

    public static TheoryData<string> Names => ["class", "tokens"];

    /// <summary>Relative to the largest number of a tensor.</summary>
    public static JsonNode Tolerance { get; } = JsonNode.Parse("""{"rel": 1e-5, "relative_to": "max abs of the tensor"}""")!;

    /// <summary>In double precision: what is left is the rounding of the stored numbers and of the time embedding, which are single.</summary>
    public static JsonNode Exact { get; } = JsonNode.Parse("""{"rel": 1e-6, "relative_to": "max abs of the tensor"}""")!;

    public JsonNode Json { get; }

    public string Numbers { get; }

    public double Gain => (double)Json["gain"]!;

    public LatentDiffusionOptions Options => new()
    {
        ImageSize = (int)Json["unet"]!["image_size"]!,
        NumHeads = (int?)Json["unet"]!["num_heads"],
        NumHeadChannels = (int?)Json["unet"]!["num_head_channels"],
    };

    public static string Folder(string file) => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ldm", file);

    public JsonObject Shapes(Func<string, bool>? which = null) => new(Json["parameter_shapes"]!.AsObject()
        .Where(p => which?.Invoke(p.Key) != false).Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));

    /// <summary>Writes the model's file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="change">Takes, adds or replaces tensors.</param>
    public string Write(string path, Action<List<TensorData>>? change = null)
    {
        var tensors = Shapes().Select(p => FormulaWeights.Tensor(p.Key, [.. p.Value!.AsArray().Select(size => (long)size!)], Gain)).ToList();
        change?.Invoke(tensors);
        SafetensorsWriter.Write(path, null, tensors);
        return path;
    }

    public static TensorData Floats(string name, params float[] values) =>
        new(name, DType.Float32, values.Length == 1 ? [] : [values.Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
}
