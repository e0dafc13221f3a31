using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Tests.Networks;
using Graft.Torch;

namespace Graft.Tests.Formats.Diffusers;

public class DiffusersFolderTests
{
    [Fact]
    public void A_round_trip_keeps_weights_names_and_configuration()
    {
        var folders = UNet2DFixtures.Folders();
        folders.Count.ShouldBeGreaterThanOrEqualTo(2);
        foreach (var folder in folders)
        {
            using var temporary = new TemporaryFolder();
            using (var model = DiffusionModel.Load(folder))
                model.Save(temporary.Path);
            SameWeights(Weights(temporary.Path), Weights(folder));
            foreach (var file in (string[])["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"])
                SameJson(Path.Combine(temporary.Path, file), Path.Combine(folder, file));
        }
    }

    [Fact]
    public void Unknown_keys_survive_adaptation_and_keys_are_sorted()
    {
        using var temporary = new TemporaryFolder();
        var folder = UNet2DFixtures.CopyTo(temporary["in"], "old_cifar_quirks");
        foreach (var file in (string[])["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"])
        {
            var json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, file)))!.AsObject();
            json["zz_of_others"] = new JsonObject { ["b"] = 1e-30, ["a"] = "é<>" };
            json["_aa_of_others"] = null;
            File.WriteAllText(Path.Combine(folder, file), json.ToJsonString());
        }

        using (var model = DiffusionModel.Load(folder))
        using (var copy = model.Clone())
            copy.Save(temporary["out"]);
        foreach (var file in (string[])["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"])
        {
            SameJson(Path.Combine(temporary["out"], file), Path.Combine(folder, file));
            var text = File.ReadAllText(Path.Combine(temporary["out"], file));
            text.ShouldEndWith("}\n");
            text.ShouldContain("\n  \"_class_name\"");
            var keys = JsonNode.Parse(text)!.AsObject().Select(p => p.Key).ToArray();
            keys.ShouldBe(keys.Order(StringComparer.Ordinal));
            keys.ShouldContain("_aa_of_others");
        }
    }

    /// <summary>The layout of google/ddpm-*: every file in the root.</summary>
    [Fact]
    public void Files_in_the_root_are_read_too()
    {
        using var temporary = new TemporaryFolder();
        var folder = UNet2DFixtures.CopyTo(temporary["in"], "old_cifar_quirks");
        foreach (var file in Directory.GetFiles(Path.Combine(folder, "unet")).Concat(Directory.GetFiles(Path.Combine(folder, "scheduler"))))
            File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        Directory.Delete(Path.Combine(folder, "unet"));
        Directory.Delete(Path.Combine(folder, "scheduler"));
        File.Delete(Path.Combine(folder, "model_index.json"));
        using (var model = DiffusionModel.Load(folder))
            model.Save(temporary["out"]);
        SameWeights(Weights(temporary["out"]), Weights(UNet2DFixtures.InRepository("old_cifar_quirks")));
        ((string?)JsonNode.Parse(File.ReadAllText(Path.Combine(temporary["out"], "model_index.json")))!["unet"]![1]).ShouldBe("UNet2DModel");
    }

    [Fact]
    public void Half_precision_weights_are_read_as_single()
    {
        using var temporary = new TemporaryFolder();
        var folder = UNet2DFixtures.CopyTo(temporary["in"], "new_class_conditional");
        var weights = Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors");
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var file = WeightFile.Open(weights);
            WeightFile.Write(
                Path.Combine(folder, "unet", "diffusion_pytorch_model.fp16.safetensors"), [.. file.Names.Select(n => new NamedTensor(n, file.Read(n).To(DType.Float16)))]);
        });
        File.Delete(weights);
        using var model = DiffusionModel.Load(folder);
        TorchRuntime.Run(() => model.Network.Parameters().All(p => p.Value.Type == DType.Float32)).ShouldBeTrue();
    }

    private static string Weights(string folder) =>
        Directory.EnumerateFiles(folder, "diffusion_pytorch_model.*", SearchOption.AllDirectories).Single();

    private static void SameWeights(string ours, string theirs) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var a = WeightFile.Open(ours);
        using var b = WeightFile.Open(theirs);
        a.Names.Order(StringComparer.Ordinal).ShouldBe(b.Names.Order(StringComparer.Ordinal), theirs);
        foreach (var name in a.Names)
            a.Read(name).ToBytes().ShouldBe(b.Read(name).ToBytes(), $"{theirs}: {name}");
    });

    private static void SameJson(string ours, string theirs) =>
        JsonNode.DeepEquals(JsonNode.Parse(File.ReadAllText(ours)), JsonNode.Parse(File.ReadAllText(theirs))).ShouldBeTrue(File.ReadAllText(ours));
}
