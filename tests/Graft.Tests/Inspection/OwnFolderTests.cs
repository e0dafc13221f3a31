using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Inspection;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Tests.Training;
using Graft.Transfer;

namespace Graft.Tests.Inspection;

/// <summary>What Graft writes beside diffusers folders: adapters and classifiers; and what to do with openai's files.</summary>
public sealed class OwnFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_adapter_names_its_kind_and_its_source()
    {
        string fingerprint;
        using (var source = DiffusionModel.Load(TinyModel.Save(_folder["source"])))
        {
            fingerprint = source.Fingerprint();
            using var adapted = new Lora { Training = TinyRun.Options(1) }.Adapt(source, new TinyPictures());
            adapted.Save(_folder["lora"]);
        }

        var model = ModelInspection.Of(_folder["lora"]);
        model.Layout.ShouldBe(WeightLayout.Adapter);
        model.Description.ShouldBe($"an adapter (LORA) of the source model {_folder["source"]}, without which it draws nothing");
        model.Notes.ShouldContain(n => n.Contains(fingerprint));
        model.ParameterCount.ShouldBePositive();
        model.Warnings.ShouldBeEmpty();

        var bare = ModelInspection.Of(_folder["lora/adapter_model.safetensors"]);
        bare.Layout.ShouldBe(WeightLayout.Adapter);
        bare.Description.ShouldBe("the weights of an adapter");
        bare.Notes.ShouldContain(n => n.Contains("adapter_config.json"));

        File.Delete(_folder["lora/adapter_model.safetensors"]);
        ModelInspection.Of(_folder["lora"]).Warnings.Single().ShouldContain("adapter_model.safetensors is due there");
        File.WriteAllText(_folder["lora/adapter_config.json"], "{}");
        Should.Throw<InputException>(() => ModelInspection.Of(_folder["lora"])).Message.ShouldContain("has no peft_type");
    }

    [Fact]
    public void The_shipped_features_are_a_classifier()
    {
        var model = ModelInspection.Of(Path.Combine(SharedFiles.Repository, "models", "fashion-features"));
        model.Layout.ShouldBe(WeightLayout.GraftClassifier);
        model.Description.ShouldBe("Graft's classifier 'fashion-features' (ResNetClassifier): 10 classes, features of 64 dimensions for measures");
        model.PictureShape.ShouldBe([1, 28, 28]);
        model.Warnings.ShouldBeEmpty();
        model.Notes.ShouldBeEmpty();
        model.Architecture.ShouldBeNull();
    }

    [Theory]
    [InlineData("mixture-source", "PointDenoiser", "2 numbers")]
    [InlineData("ecg-ptbxl", "SequenceUNet", "16 leads times samples")]
    public void The_shipped_denoisers_are_known(string name, string network, string what)
    {
        var folder = Path.Combine(SharedFiles.Repository, "models", name);
        var model = ModelInspection.Of(folder);
        model.Layout.ShouldBe(WeightLayout.GraftDenoiser);
        model.Description.ShouldStartWith($"a folder of a Graft{network}: the weights of a denoiser of ");
        model.Description.ShouldContain(what);
        (model.Architecture, model.Warnings.Count, model.Notes.Count).ShouldBe((null, 0, 0));
        ModelInspection.Of(Path.Combine(folder, "denoiser", "diffusion_pytorch_model.safetensors")).Notes.ShouldContain(n => n.Contains("config.json"));
    }

    [Fact]
    public void A_classifier_that_does_not_fit_its_configuration_is_told()
    {
        using (var network = TinyClassifier.Create())
            network.Save(_folder["classifier"]);
        ModelInspection.Of(_folder["classifier/model.safetensors"]).Description.ShouldBe($"the weights of a classifier of Graft's (ResNetClassifier), {TinyClassifier.Options.NumClasses} classes");

        var config = JsonNode.Parse(File.ReadAllText(_folder["classifier/config.json"]))!;
        config["num_classes"] = TinyClassifier.Options.NumClasses + 1;
        File.WriteAllText(_folder["classifier/config.json"], config.ToJsonString());
        ModelInspection.Of(_folder["classifier"]).Warnings.Single().ShouldContain("belong to different networks");
        config["num_classes"] = 0;
        File.WriteAllText(_folder["classifier/config.json"], config.ToJsonString());
        Should.Throw<InputException>(() => ModelInspection.Of(_folder["classifier"])).Message.ShouldContain("num_classes 0");
    }

    [Fact]
    public void Openai_s_weights_are_sent_to_convert()
    {
        var bare = _folder["guided.safetensors"];
        ModelConversion.Plan(TinyGuidedModel.SavePlain(_folder["model"]), bare, new ConversionOptions { Names = WeightNames.GuidedDiffusion }).Run();
        var model = ModelInspection.Of(bare);
        model.Layout.ShouldBe(WeightLayout.GuidedDiffusionUNet);
        model.Notes.ShouldContain(n => n.Contains("graft convert"));
        ModelInspection.Of(_folder["model"]).Notes.ShouldNotContain(n => n.Contains("graft convert"));
    }
}
