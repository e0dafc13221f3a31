using System.Text.Json.Nodes;

namespace Graft.Tests.Cli;

/// <summary>Points from end to end: pretrained by a recipe, drawn, adapted, judged.</summary>
public sealed class PointTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Points_are_pretrained_drawn_adapted_and_judged()
    {
        var source = _temporary["source"];
        Run("pretrain", "recipes/mixture-source.yaml", "--size", "ci", "--set", $"out={source}").ShouldContain("The model is in");
        Run("sample", source, "-n", "20", "--sampler", "dpm-solver-2", "--steps", "3", "--target", "recipes/mixture-source.yaml", "--out", _temporary["drawn"])
            .ShouldContain("20 points are in");
        Directory.GetFiles(_temporary["drawn"]).Select(Path.GetFileName).Order().ShouldBe(["samples.csv", "samples.png"]);
        File.ReadAllLines(_temporary["drawn/samples.csv"]).Length.ShouldBe(21);
        Run("sample", source, "-n", "4", "--steps", "3", "--format", "safetensors", "--out", _temporary["tensors"]).ShouldContain("samples.safetensors");

        foreach (var method in (string[])["finetune", "scratch"])
        {
            Run("adapt", "recipes/mixture-target.yaml", "--source", source, "--method", method, "--steps", "4", "--set", "training.batch_size=8", "--out", _temporary[method])
                .ShouldContain("The adapted model is in");
        }

        Run("adapt", "--source", source, "--target", _temporary["drawn/samples.csv"], "--method", "lora", "--steps", "2", "--out", _temporary["lora"]);
        var json = JsonNode.Parse(Run("evaluate", _temporary["finetune"], "--target", "recipes/mixture-target.yaml", "-n", "50", "--steps", "3", "--json", "--out", _temporary["judged"]))!;
        json["metrics"]!.AsObject().Select(p => p.Key).ShouldBe(["energy", "sliced_wasserstein", "likelihood", "memorisation"]);
        ((int)json["metrics"]!["sliced_wasserstein"]!["values"]!["sliced_w2"]!["n"]!).ShouldBe(50);
        File.Exists(_temporary["judged/samples.png"]).ShouldBeTrue();
        json = JsonNode.Parse(Run("evaluate", _temporary["drawn/samples.csv"], "--target", _temporary["drawn/samples.csv"], "--json"))!;
        ((double)json["metrics"]!["sliced_wasserstein"]!["values"]!["sliced_w2"]!["value"]!).ShouldBe(0);
        Run("inspect", source).ShouldContain("GraftPointDenoiser");

        Refused("makes items of 2 numbers, which are no pictures", "sample", source, "--format", "png", "--steps", "2", "--out", _temporary["no"]);
        Refused("names no mixture", "sample", source, "--target", _temporary["drawn/samples.csv"], "--steps", "2", "--out", _temporary["no"]);
        Refused("and the data are pictures", "evaluate", source, "--target", "samples/targets/bag");
        Refused("and the target is pictures", "evaluate", _temporary["drawn/samples.csv"], "--target", "samples/targets/bag");
        Refused("Networks that look at pictures compare", "evaluate", _temporary["drawn/samples.csv"], "--target", _temporary["drawn/samples.csv"], "--features", "models/fashion-features");
        Directory.Exists(_temporary["no"]).ShouldBeFalse();
    }

    private static string Run(params string[] arguments)
    {
        var (code, output, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(0, string.Join('\n', errors));
        return output;
    }

    private static void Refused(string part, params string[] arguments)
    {
        var (code, _, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(2, string.Join('\n', errors));
        string.Join('\n', errors).ShouldContain(part);
    }
}
