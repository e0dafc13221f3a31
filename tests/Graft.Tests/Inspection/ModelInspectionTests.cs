using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats.Diffusers;
using Graft.Inspection;

namespace Graft.Tests.Inspection;

public sealed class ModelInspectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_is_described_by_its_configuration_and_its_weights()
    {
        var model = ModelInspection.Of(TinyModel.Save(_folder["model"]));

        model.Layout.ShouldBe(WeightLayout.DiffusersUNet2D);
        model.PictureShape.ShouldBe([1, 8, 8]);
        model.Architecture!.Levels.ShouldBe([new UNetLevel(8, false, false), new UNetLevel(16, true, true)]);
        model.Architecture.LayersPerBlock.ShouldBe(1);
        model.Architecture.MiddleAttentionNorm.ShouldBeTrue();
        model.AttentionNames.ShouldBe(AttentionNames.Old);
        model.Schedule!.NumTrainTimesteps.ShouldBe(1000);
        model.Schedule.BetaLast.ShouldBe(0.02, 1e-6);
        model.ElementTypes.ShouldBe(new Dictionary<string, int> { ["float32"] = model.TensorCount });
        model.ParameterCount.ShouldBe(model.Tensors.Sum(t => t.Count));
        model.Warnings.ShouldBeEmpty();
        model.UnknownKeys.ShouldBeEmpty();
    }

    [Fact]
    public void What_is_wrong_with_a_folder_is_said()
    {
        var folder = TinyModel.Save(_folder["model"], schedule: new ScheduleOptions { BetaEnd = 0.001, VarianceType = VarianceType.LearnedRange });
        Edit(Path.Combine(folder, "unet", "config.json"), json =>
        {
            json["layers_per_block"] = 2;
            json["speed"] = 3;
            json.Remove("norm_eps");
        });

        var model = ModelInspection.Of(folder);
        model.Warnings.ShouldContain(w => w.Contains("layers_per_block: 2 is said, 1 is there"));
        model.Warnings.ShouldContain(w => w.Contains("variance_type is learned, but the network gives 1 channels where 2 are due"));
        model.Warnings.ShouldContain(w => w.Contains("does not end in noise"));
        model.UnknownKeys.ShouldBe(["network: speed"]);
        model.DefaultedKeys.ShouldContain("network: norm_eps");
    }

    [Fact]
    public void A_folder_without_scheduler_or_weights_is_described_as_far_as_it_goes()
    {
        var folder = TinyModel.Save(_folder["model"]);
        Directory.Delete(Path.Combine(folder, "scheduler"), recursive: true);
        File.Delete(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors"));

        var model = ModelInspection.Of(folder);
        model.Architecture.ShouldNotBeNull();
        model.Schedule.ShouldBeNull();
        model.Warnings.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("{not json", "cannot be read")]
    [InlineData("""{"block_out_channels": [8], "down_block_types": []}""", "one entry for each level")]
    public void A_broken_configuration_is_refused(string config, string reason)
    {
        var folder = TinyModel.Save(_folder["model"]);
        File.WriteAllText(Path.Combine(folder, "unet", "config.json"), config);
        Should.Throw<InputException>(() => ModelInspection.Of(folder)).Message.ShouldContain(reason);
    }

    [Fact]
    public void What_is_not_there_is_refused()
    {
        Should.Throw<InputException>(() => ModelInspection.Of(_folder["nowhere"])).Message.ShouldContain("There is no file");
        Should.Throw<InputException>(() => ModelInspection.Of(_folder.Path)).Message.ShouldContain("holds no model");
        File.WriteAllText(_folder["a.safetensors"], "");
        File.WriteAllText(_folder["b.safetensors"], "");
        Should.Throw<InputException>(() => ModelInspection.Of(_folder.Path)).Message.ShouldContain("name one of them");
    }

    [Theory]
    [InlineData("")]
    [InlineData("module.")]
    [InlineData("ema.unet.")]
    public void A_bare_file_tells_its_architecture_whatever_the_prefix(string prefix)
    {
        var folder = TinyModel.Save(_folder["model"]);
        var whole = ModelInspection.Of(folder);
        var bare = ModelInspection.Of(ShapesFile.Write(
            _folder["bare.safetensors"], [.. whole.Tensors.Select(t => (prefix + t.Name, t.Shape.ToArray()))]));

        bare.Layout.ShouldBe(WeightLayout.DiffusersUNet2D);
        bare.Prefix.ShouldBe(prefix);
        Json(bare.Architecture!).ShouldBe(Json(whole.Architecture!));
        bare.ElementTypes.Keys.ShouldBe(["float16"]);
        bare.NotInferable.ShouldContain("norm_num_groups (a divisor of 8)");
        bare.PictureShape.ShouldBe([1, 0, 0]);
    }

    [Fact]
    public void An_unknown_layout_gets_a_summary_of_prefixes()
    {
        var path = ShapesFile.Write(_folder["x.safetensors"], ("a.b.weight", [2, 3]), ("a.b.bias", [2]), ("c.weight", [5]));
        var model = ModelInspection.Of(path);
        model.Layout.ShouldBe(WeightLayout.Unknown);
        model.Architecture.ShouldBeNull();
        model.ParameterCount.ShouldBe(13);
        model.Prefixes.OrderBy(p => p.Prefix, StringComparer.Ordinal).ShouldBe([new NamePrefix("a.b", 2, 8), new NamePrefix("c", 1, 5)]);
    }

    [Fact]
    public void Json_lists_tensors_only_when_asked()
    {
        var model = ModelInspection.Of(TinyModel.Save(_folder["model"]));
        var brief = JsonNode.Parse(model.ToJson())!.AsObject();
        brief.ContainsKey("tensors").ShouldBeFalse();
        ((string)brief["layout"]!).ShouldBe("DiffusersUNet2D");
        ((int)brief["schedule"]!["num_train_timesteps"]!).ShouldBe(1000);
        JsonNode.Parse(model.ToJson(tensors: true))!["tensors"]!.AsArray().Count.ShouldBe(model.TensorCount);
    }

    [SharedTheory("reference/unet2d")]
    [InlineData("old_scale_shift_gray28", "diffusers 0.27 reads this file without an error")]
    [InlineData("new_scale_shift_gray28", "diffusers 0.14 expects one")]
    public void The_trap_of_the_middle_norm_is_told(string name, string sentence)
    {
        var folder = SharedFiles.Reference("unet2d", name);
        ModelInspection.Of(folder).Warnings.ShouldContain(w => w.Contains(sentence));
        ModelInspection.Of(Path.Combine(folder, "unet", "diffusion_pytorch_model.safetensors")).Warnings.ShouldContain(w => w.Contains(sentence));
    }

    [SharedTheory("reference/unet2d")]
    [InlineData("old_cifar_quirks")]
    [InlineData("old_class_conditional")]
    [InlineData("old_library_defaults")]
    [InlineData("new_celebahq_quirks")]
    [InlineData("new_class_conditional")]
    [InlineData("new_learned_sigma_out6_noattn")]
    [InlineData("new_scale_shift_gray28")]
    public void Shapes_tell_what_the_configuration_says(string name)
    {
        var folder = SharedFiles.Reference("unet2d", name);
        var whole = ModelInspection.Of(folder);
        var bare = ModelInspection.Of(whole.Weights!);
        Json(bare.Architecture!).ShouldBe(Json(whole.Architecture!));
        whole.Warnings.ShouldNotContain(w => w.Contains("differ in"));
        whole.ParameterCount.ShouldBe((long)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!["parameters"]!);
        whole.AttentionNames.ShouldBe(name.Contains("noattn") ? null : name.StartsWith("old") ? AttentionNames.Old : AttentionNames.New);
    }

    private static string Json(UNetArchitecture unet) => System.Text.Json.JsonSerializer.Serialize(unet);

    private static void Edit(string path, Action<JsonObject> edit)
    {
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}
