using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks.Clip;
using Graft.Conditions;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.Clip;

/// <summary>openai's CLIP: the image tower in both namings, its gradient, the preparation of pictures, and the TorchScript archive.</summary>
public class ClipParityTests
{
    private const double FromStoredTensor = 2e-5;

    private static string Tower => SharedFiles.Reference("clip", "vit_small");

    private static string Pictures => SharedFiles.Reference("clip", "preprocess");

    [SharedTheory("reference/clip/vit_small")]
    [InlineData("hf")]
    [InlineData("openai.pt")]
    public void The_tower_equals_openais(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var tolerance = Fixture(Tower)["tolerance"]!;
        using var io = WeightFile.Open(Path.Combine(Tower, "io.safetensors"));
        using var model = ClipVisionModel.Load(Path.Combine(Tower, name));
        model.Parameters().ShouldAllBe(p => !p.Value.RequiresGrad);
        var x = io.Read("pixel_values");
        x.RequiresGrad = true;
        var output = model.Forward(x);
        output.ImageEmbeds.ShouldMatch(io.Read("image_embeds"), tolerance["image_embeds"]!, "image_embeds");
        output.HiddenStates.Count.ShouldBe(3);
        for (var i = 0; i < 3; i++)
            output.HiddenStates[i].ShouldMatch(io.Read($"hidden_states.{i}"), tolerance["hidden_states"]!, $"hidden_states.{i}");
        output.LastHiddenState.ShouldMatch(io.Read("last_hidden_state"), tolerance["hidden_states"]!, "last_hidden_state");
        output.PoolerOutput.ShouldMatch(io.Read("pooler_output"), tolerance["hidden_states"]!, "pooler_output");
        Autograd.Backward(output.ImageEmbeds.Square().Mean());
        x.Grad!.ShouldMatch(io.Read("grad.pixel_values"), tolerance["grad"]!, "grad.pixel_values");
    });

    [SharedFact("reference/clip/vit_small")]
    public void Both_namings_hold_the_same_network()
    {
        using var theirs = ClipVisionModel.Load(Path.Combine(Tower, "hf"));
        using var ours = ClipVisionModel.Load(Path.Combine(Tower, "openai.pt"));
        ours.Options.ShouldBe(theirs.Options);
        ours.Fingerprint().ShouldBe(theirs.Fingerprint());
    }

    [SharedTheory("reference/clip/preprocess")]
    [InlineData("rgb_97x61.jpg")]
    [InlineData("rgba_130x75.png")]
    [InlineData("gray_51x80.png")]
    [InlineData("rgb_tiny_20x15.png")]
    public void Pictures_are_prepared_as_openais_and_give_its_embedding(string file) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var tolerance = Fixture(Pictures)["tolerance"]!;
        using var due = WeightFile.Open(Path.Combine(Pictures, "expected.safetensors"));
        using var encoder = ClipImageEncoder.Load(Path.Combine(Tower, "openai.pt"));
        var picture = ImageCodec.Load(Path.Combine(Pictures, file));
        var key = file.Replace('.', '_');
        foreach (var size in new[] { 32, 64, 224 })
        {
            var processor = new ClipImageProcessor(ClipImageProcessorOptions.Standard(size, ClipProcessorKind.OpenAi));
            processor.Crop(picture).Pixels.ShouldBe(due.Read($"{key}/crop_uint8_{size}").ToBytes(), $"{size}");
            if (!due.Contains($"{key}/tensor_{size}"))
                continue;
            // The bytes are the same, so the numbers may differ by the roundings of float32 alone: far inside of the kit's tolerance.
            var tensor = processor.Prepare([picture]);
            tensor.Squeeze(0).ShouldMatch(due.Read($"{key}/tensor_{size}"), tolerance["tensor"]!, $"tensor {size}");
            (tensor.Squeeze(0) - due.Read($"{key}/tensor_{size}")).Abs().Max().Item().ShouldBeLessThan(1e-6);
        }

        var embedding = encoder.Encode([picture]);
        (embedding.Squeeze(0) - due.Read($"{key}/image_embed")).Abs().Max().Item().ShouldBeLessThan(FromStoredTensor);
        if (picture.Channels is 1 or 3)
        {
            var batch = (Tensor.From(picture.ToPlanes(), 1, picture.Channels, picture.Height, picture.Width).To(DType.Float32) / 127.5) - 1.0;
            encoder.Encode(batch).ToArray<float>().ShouldBe(embedding.ToArray<float>());
        }
    });

    [SharedFact("reference/clip/preprocess")]
    public void Hugging_Faces_order_is_that_of_its_processor() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var due = WeightFile.Open(Path.Combine(Pictures, "expected.safetensors"));
        var picture = ImageCodec.Load(Path.Combine(Pictures, "rgba_130x75.png"));
        // At 32 the remainder is 23, of which Hugging Face cuts 11 in front and torchvision, whose crop the kit stores, 12.
        foreach (var size in new[] { 64, 224 })
        {
            new ClipImageProcessor(ClipImageProcessorOptions.Standard(size, ClipProcessorKind.HuggingFace)).Crop(picture)
                .Pixels.ShouldBe(due.Read($"rgba_130x75_png/crop_uint8_{size}_rgb_first").ToBytes(), $"{size}");
        }
    });

    [SharedFact("reference/clip/vit_small")]
    public void The_folders_processor_is_read()
    {
        using var encoder = ClipImageEncoder.Load(Path.Combine(Tower, "hf"));
        encoder.Processor.Options.ToString().ShouldBe(ClipImageProcessorOptions.Standard(32, ClipProcessorKind.HuggingFace).ToString());
        encoder.Dimension.ShouldBe(32);
        using var archive = ClipImageEncoder.Load(Path.Combine(Tower, "openai.pt"));
        archive.Model.Fingerprint().ShouldBe(encoder.Model.Fingerprint());
        archive.Hash.ShouldNotBe(encoder.Hash, "the two prepare pictures with alpha in two ways");
    }

    [SharedFact("reference/clip/torchscript")]
    public void The_TorchScript_archive_is_read_without_running_it() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var folder = SharedFiles.Reference("clip", "torchscript");
        using var io = WeightFile.Open(Path.Combine(folder, "io.safetensors"));
        using var archive = WeightFile.Open(Path.Combine(folder, "jit.pt"), scripts: true);
        archive.Names.Select(n => $"state.{n}").Order(StringComparer.Ordinal)
            .ShouldBe(io.Names.Where(n => n.StartsWith("state.", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        foreach (var name in archive.Names)
            archive.Read(name).ToBytes().ShouldBe(io.Read($"state.{name}").ToBytes(), name);

        using var model = ClipVisionModel.Load(Path.Combine(folder, "jit.pt"));
        model.Forward(io.Read("pixel_values")).ImageEmbeds
            .ShouldMatch(io.Read("image_embeds"), Fixture(folder)["tolerance"]!["image_embeds"]!, "image_embeds");
    });

    private static JsonNode Fixture(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;
}
