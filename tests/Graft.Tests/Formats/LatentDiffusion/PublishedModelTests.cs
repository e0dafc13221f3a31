using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Graft.Formats.GuidedDiffusion;
using Graft.Formats.LatentDiffusion;
using Graft.Inspection;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Tests.Formats.LatentDiffusion;

/// <summary>
/// CompVis' class-conditional ImageNet model at its full size: the names and shapes that its own code makes of cin256-v2's configuration
/// (<c>cin256-v2.txt</c>), without the gigabytes of its values.
/// </summary>
public sealed class PublishedModelTests : IDisposable
{
    private const long UNetParameters = 400_920_579;
    private const long TransformerParameters = 169_550_400;
    private const long FirstStageParameters = 55_322_782;
    private readonly TemporaryFolder _folder = new();

    private static UNet2DOptions Cin256 => new()
    {
        SampleSize = JsonValue.Create(64),
        BlockOutChannels = [192, 384, 576, 960],
        DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        AttentionHeadDim = null,
        CrossAttentionDim = 512,
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_UNet_has_CompVis_names_shapes_and_counts()
    {
        var shapes = Module.ShapesOf(() => new UNet2D(Cin256));
        shapes.Sum(p => Count(p.Shape)).ShouldBe(UNetParameters);
        var transformers = shapes.Where(p => p.Name.Contains("attentions.", StringComparison.Ordinal)).ToList();
        transformers.Sum(p => Count(p.Shape)).ShouldBe(TransformerParameters);
        transformers.Count(p => p.Name.EndsWith(".proj_in.weight", StringComparison.Ordinal)).ShouldBe(16);

        var ours = shapes.ToDictionary(p => p.Name, p => p.Shape);
        var named = GuidedDiffusionNames.Of(Cin256).Pairs.Where(p => ours.ContainsKey(p.Ours[0])).ToDictionary(p => "model.diffusion_model." + p.Theirs, p => ours[p.Ours.Single()]);
        named.Count.ShouldBe(shapes.Count); // none is left out
        var theirs = Listed("model.diffusion_model.");
        named.Keys.Order(StringComparer.Ordinal).ShouldBe(theirs.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, shape) in theirs)
            named[name].ShouldBe(shape, name);
    }

    [Fact]
    public void The_autoencoder_has_CompVis_names_shapes_and_counts()
    {
        var shapes = Module.ShapesOf(() => new VqAutoencoder(new VqAutoencoderOptions()));
        shapes.Sum(p => Count(p.Shape)).ShouldBe(FirstStageParameters);
        var theirs = Listed("first_stage_model.");
        shapes.Select(p => "first_stage_model." + p.Name).Order(StringComparer.Ordinal).ShouldBe(theirs.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, shape) in shapes)
            shape.ShouldBe(theirs["first_stage_model." + name], name);
    }

    [Fact]
    public void Classes_are_a_table_of_the_contexts_width()
    {
        var options = Cin256 with { NumClassEmbeds = 1001, ClassEmbedType = "context" };
        Module.ShapesOf(() => new UNet2D(options)).Sum(p => Count(p.Shape)).ShouldBe(UNetParameters + (1001 * 512));
    }

    [Fact]
    public void A_file_of_these_shapes_is_told_apart_and_described()
    {
        var path = Hollow("cin256-v2.safetensors", Listed(""));
        using (var file = LatentDiffusionFile.Open(path))
        {
            var model = file.Describe();
            var due = Cin256 with { NumClassEmbeds = 1001, ClassEmbedType = "context" };
            model.Network.ToJson().ToJsonString().ShouldBe(UNet2DOptions.FromJson(due.ToJson(), "here").ToJson().ToJsonString());
            model.Network.ClassName.ShouldBe("GraftUNet2DModel");
            model.FirstStage!.ToJson().ToJsonString().ShouldBe(new VqAutoencoderOptions().ToJson().ToJsonString());
            model.Averaged.ShouldBeFalse();
            var schedule = file.Schedule(model);
            (schedule.NumTrainTimesteps, schedule.BetaStart, schedule.BetaEnd, schedule.ClipSample).ShouldBe((1000, 0.0015, 0.0195, false));
        }

        var inspection = ModelInspection.Of(path);
        inspection.Layout.ShouldBe(WeightLayout.LatentDiffusion);
        inspection.ParameterCount.ShouldBe(UNetParameters + FirstStageParameters + (1001 * 512));
        inspection.Architecture!.Levels.Select(l => (l.Channels, l.AttentionDown, l.AttentionUp)).ShouldBe([(192, false, false), (384, true, true), (576, true, true), (960, true, true)]);
        inspection.Architecture.ContextWidth.ShouldBe(512);
        inspection.Notes.ShouldContain("U-Net: 400,920,579 parameters, 169,550,400 of them in 16 spatial transformers that attend to a context of width 512");
        inspection.Notes.ShouldContain("autoencoder: 55,322,782 parameters, a codebook of 8192 vectors of 3, pictures 4 times as high and wide as latents");
        inspection.Notes.ShouldContain("embedding of classes: 1001 x 512");
        inspection.Notes.ShouldContain(n => n.Contains("cin256-v2", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_missing_left_over_or_of_another_shape_is_named()
    {
        void Refused(string sentence, Action<Dictionary<string, long[]>> change)
        {
            var shapes = Listed("");
            change(shapes);
            using var file = LatentDiffusionFile.Open(Hollow($"{Guid.NewGuid():N}.safetensors", shapes));
            Should.Throw<InputException>(() => file.Describe()).Message.ShouldContain(sentence);
        }

        Refused("lacks 'model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_v.weight'", s => s.Remove("model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn2.to_v.weight"));
        Refused("'model.diffusion_model.middle_block.1.proj_in.weight' of", s => s["model.diffusion_model.middle_block.1.proj_in.weight"] = [960, 960]);
        Refused("which latent diffusion's UNetModel does not", s => s["model.diffusion_model.id_predictor.0.weight"] = [192]);
        Refused("lacks 'first_stage_model.decoder.up.1.upsample.conv.weight'", s => s.Remove("first_stage_model.decoder.up.1.upsample.conv.weight"));
        Refused("which is in no VQ autoencoder", s => s["first_stage_model.decoder.up.1.attn.0.q.weight"] = [256, 256, 1, 1]);
        Refused("no codebook", s => s.Remove("first_stage_model.quantize.embedding.weight"));
        Refused("embedded in 640 numbers", s => s["cond_stage_model.embedding.weight"] = [1001, 640]);
        Refused("how many heads", s => // no model that was published
        {
            foreach (var name in s.Keys.Where(n => n.EndsWith("attn2.to_k.weight", StringComparison.Ordinal) || n.EndsWith("attn2.to_v.weight", StringComparison.Ordinal)).ToList())
                s[name] = [s[name][0], 256];
        });
    }

    private static long Count(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);

    private static Dictionary<string, long[]> Listed(string prefix) => File.ReadLines(LatentFixture.Folder("cin256-v2.txt"))
        .Select(line => line.Split(' '))
        .Where(parts => parts[0].StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(parts => parts[0], parts => Array.ConvertAll(parts[1].Split('x'), long.Parse));

    /// <summary>A file with a header for all tensors and a hole where their values would be.</summary>
    private string Hollow(string name, Dictionary<string, long[]> shapes)
    {
        var (header, at) = (new JsonObject(), 0L);
        foreach (var (tensor, shape) in shapes)
        {
            var end = at + (4 * Count(shape));
            header[tensor] = new JsonObject { ["dtype"] = "F32", ["shape"] = new JsonArray([.. shape.Select(size => (JsonNode)size)]), ["data_offsets"] = new JsonArray(at, end) };
            at = end;
        }

        var bytes = Encoding.UTF8.GetBytes(header.ToJsonString());
        bytes = [.. bytes, .. Enumerable.Repeat((byte)' ', (8 - (bytes.Length % 8)) % 8)];
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
        using var stream = File.Create(_folder[name]);
        stream.Write(length);
        stream.Write(bytes);
        stream.SetLength(8 + bytes.Length + at);
        return _folder[name];
    }
}
