using System.Text.Json.Nodes;
using Graft.Diffusion;

namespace Graft.Tests.Cli;

/// <summary>More labelled pictures from a few, at the command line.</summary>
public sealed class AugmentTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_labelled_folder_becomes_more_pictures_that_read_back()
    {
        TinyModel.Save(_temporary["model"], schedule: new ScheduleOptions { NumTrainTimesteps = 50 });
        foreach (var (file, i) in Directory.GetFiles(Path.Combine(SharedFiles.Repository, "samples/targets/bag"), "*.png").Order().Take(4).Select((f, i) => (f, i)))
        {
            Directory.CreateDirectory(_temporary[$"target/{i % 2}"]);
            File.Copy(file, _temporary[$"target/{i % 2}/{i}.png"]);
        }

        string[] arguments = ["augment", "--source", _temporary["model"], "--target", _temporary["target"], "--method", "finetune", "--out", _temporary["out"], "-n", "2", "--steps", "2", "--sample-steps", "2", "--device", "cpu", "--set", "training.batch_size=2"];
        var (code, output, errors) = GraftProgram.Run([.. arguments, "--dry-run"]);
        code.ShouldBe(0, string.Join('\n', errors));
        ((int)JsonNode.Parse(output)!["training"]!["batch_size"]!).ShouldBe(2);
        ((bool)JsonNode.Parse(output)!["target"]!["labels_from_folders"]!).ShouldBeTrue();
        Directory.Exists(_temporary["out"]).ShouldBeFalse();

        (code, output, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("4 pictures of 2 classes are in");
        Directory.GetFiles(_temporary["out/pictures"], "*", SearchOption.AllDirectories).Length.ShouldBe(4);
        Directory.GetFiles(_temporary["out"]).Select(Path.GetFileName).Order().ShouldBe(["augmentation.json", "grid.png", "labels.csv"]);

        // The pictures are a labelled folder as any other.
        (code, output, errors) = GraftProgram.Run("augment", "--source", _temporary["model"], "--target", _temporary["out/pictures"], "--labels", _temporary["out/labels.csv"], "--method", "finetune", "--out", _temporary["again"], "-n", "1", "--steps", "1", "--sample-steps", "1", "--set", "training.batch_size=2");
        code.ShouldBe(0, string.Join('\n', errors));
        GraftProgram.Run(arguments).Errors.ShouldContain(line => line.EndsWith("is finished already", StringComparison.Ordinal));
        (code, _, errors) = GraftProgram.Run([.. arguments, "--sample-seed", "3"]);
        code.ShouldBe(2);
        errors[^1].ShouldContain("holds another augmentation: its sample_seed is 0 and not 3");
        (code, _, errors) = GraftProgram.Run("augment", "--source", "x", "--target", "y", "--method", "finetune");
        code.ShouldBe(2);
        errors[^1].ShouldContain("--out is missing: `graft augment --help`");
    }
}
