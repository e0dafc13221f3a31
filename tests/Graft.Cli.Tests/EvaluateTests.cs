using System.Text.Json.Nodes;
using Graft.Diffusion;

namespace Graft.Tests.Cli;

public sealed class EvaluateTests : IDisposable
{
    private const string Bag = "samples/targets/bag";
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_model_is_measured_and_written_down()
    {
        Model("model");
        var (code, output, errors) = GraftProgram.Run("evaluate", _temporary["model"], "--target", Bag, "-n", "3", "--steps", "2", "--seed", "5", "--device", "cpu", "--out", _temporary["out"]);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("3 samples of ");
        output.ShouldContain("seed      5");
        output.ShouldMatch(@"memorised_share +0\.000  0\.000 - 0\.561 +3  pixel RMS in \[0, 1\]");
        Directory.GetFileSystemEntries(_temporary["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["evaluation.json", "memorisation.png", "nearest.png"]);
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((string)json["samples"]!["fingerprint"]!).Length.ShouldBe(64);
        ((int)json["samples"]!["steps"]!).ShouldBe(2);
        ((string?)json["target"]!["names"]![9]).ShouldBe("09.png");
    }

    [Fact]
    public void Reused_features_are_said_with_what_they_changed()
    {
        Model("model");
        var (code, output, errors) = GraftProgram.Run("evaluate", _temporary["model"], "--target", Bag, "-n", "3", "--steps", "4", "--device", "cpu", "--reuse-features", "2", "--fresh-connections", "3", "--json");
        code.ShouldBe(0, string.Join('\n', errors));
        var how = JsonNode.Parse(output)!["samples"]!["feature_reuse"]!;
        ((int)how["every"]!, (int)how["connections"]!).ShouldBe((2, 3));

        (code, output, errors) = GraftProgram.Run("sample", _temporary["model"], "-n", "5", "--steps", "4", "--device", "cpu", "--reuse-features", "2", "--out", _temporary["drawn"]);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldMatch(@"Reuse changed the first 4 of them by \d+\.\d of 255 levels");
        Directory.GetFiles(_temporary["drawn"], "*.png").Length.ShouldBe(6);
        GraftProgram.Run("sample", _temporary["model"], "-n", "5", "--steps", "4", "--device", "cpu", "--out", _temporary["exact"]).Output.ShouldNotContain("Reuse");
        File.ReadAllBytes(_temporary["drawn/00000.png"]).ShouldNotBe(File.ReadAllBytes(_temporary["exact/00000.png"]));
    }

    [Fact]
    public void A_folder_of_copies_is_found_out()
    {
        var (code, output, errors) = GraftProgram.Run("evaluate", Bag, "--target", Bag, "--mirrored", "--json");
        code.ShouldBe(0, string.Join('\n', errors));
        var metric = JsonNode.Parse(output)!["metrics"]!["memorisation"]!;
        ((double)metric["values"]!["memorised_share"]!["value"]!).ShouldBe(1);
        ((double)metric["values"]!["memorised_share"]!["low"]!).ShouldBe(0.722467, 1e-6);
        ((bool)metric["settings"]!["mirrored"]!).ShouldBeTrue();

        (code, output, _) = GraftProgram.Run("evaluate", "samples/targets/dress", "--target", Bag, "--training", "samples/targets/dress", "-n", "4");
        code.ShouldBe(0);
        output.ShouldContain("training  10 pictures");
        output.ShouldMatch(@"memorised_share +1\.000 .* 4  pixel");
    }

    [Fact]
    public void Bad_input_is_one_line_and_exit_code_2()
    {
        Model("model");
        Directory.CreateDirectory(_temporary["empty"]);
        Refused(_temporary["nothing"], "--target", Bag).ShouldContain("There is no model at");
        Refused(_temporary["empty"], "--target", Bag).ShouldContain("There are no pictures in");
        Refused(_temporary["model"], "--target", _temporary["empty"]).ShouldContain("There are no pictures in");
        Refused(_temporary["model"], "--target", _temporary["no.yaml"]).ShouldContain("cannot be read");
        Refused(_temporary["model"], "--target", Bag, "-n", "0").ShouldContain("--count and --batch-size must be at least 1");
        Refused(_temporary["model"], "--target", Bag, "--sampler", "euler").ShouldContain("The sampler 'euler' is unknown");
        Refused(_temporary["model"], "--target", Bag, "--label", "1").ShouldContain("takes no class labels");
        Refused(Bag, "--target", Bag, "--label", "1").ShouldContain("is a folder of pictures");
        Refused(Bag, "--target", Bag, "--mask-rate", "0.5").ShouldContain("say how a model draws");
        Refused(Bag, "--target", Bag, "--reuse-features", "2").ShouldContain("say how a model draws");
        Refused(_temporary["model"], "--target", Bag, "--reuse-features", "1").ShouldContain("give 2 or more");
        Refused(_temporary["model"]).ShouldContain("--target");

        Directory.CreateDirectory(_temporary["mixed"]);
        File.Copy(Path.Combine(SharedFiles.Repository, Bag, "00.png"), _temporary["mixed/a.png"]);
        File.Copy(Path.Combine(SharedFiles.Repository, "docs", "pictures", "demo.png"), _temporary["mixed/b.png"]);
        Refused(_temporary["mixed"], "--target", Bag).ShouldContain("samples are not resized");

        TinyModel.Save(_temporary["classes"], TinyModel.Network with { NumClassEmbeds = 3 }, new ScheduleOptions { NumTrainTimesteps = 50 });
        Refused(_temporary["classes"], "--target", Bag, "--label", "3").ShouldContain("has 3 classes, from 0");
        TinyModel.Save(_temporary["embeddings"], TinyModel.Network with { ClassEmbedType = "identity" }, new ScheduleOptions { NumTrainTimesteps = 50 });
        Refused(_temporary["embeddings"], "--target", Bag).ShouldContain("conditioned on embeddings");
    }

    private void Model(string name) => TinyModel.Save(_temporary[name], schedule: new ScheduleOptions { NumTrainTimesteps = 50 });

    private static string Refused(params string[] arguments)
    {
        var (code, output, errors) = GraftProgram.Run(["evaluate", .. arguments]);
        code.ShouldBe(2, string.Join('\n', errors));
        output.ShouldBeEmpty();
        errors[^1].ShouldStartWith("error: ");
        return errors[^1];
    }
}
