using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats.Images;

namespace Graft.Tests.Evaluation;

public sealed class EvaluationReportTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_report_holds_everything_and_is_written_whole()
    {
        var input = new EvaluationInput { Samples = PictureSet.Pixels(3, 10, 18, 50), Target = PictureSet.Pixels(1), Training = PictureSet.Pixels(0, 10, 30, 70), Seed = 4 };
        var report = EvaluationReport.Of(input, new JsonObject { ["model"] = "a model" });
        var files = report.Write(_temporary["out"]);
        files.Select(Path.GetFileName).ShouldBe(["nearest.png", "memorisation.png", "evaluation.json"]);
        Directory.GetFileSystemEntries(_temporary["out"]).Length.ShouldBe(3);

        var json = JsonNode.Parse(File.ReadAllText(files[2]))!;
        ((string?)json["samples"]!["model"]).ShouldBe("a model");
        json["training"]!["names"]!.AsArray().Select(n => (string)n!).ShouldBe(["picture 0", "picture 1", "picture 2", "picture 3"]);
        var metric = json["metrics"]!["memorisation"]!;
        ((string?)metric["space"]).ShouldBe("pixel RMS in [0, 1]");
        var share = metric["values"]!["memorised_share"]!;
        ((double)share["value"]!, (int)share["n"]!).ShouldBe((0.5, 4));
        ((double)share["low"]!).ShouldBe(new Share(2, 4).Interval.Low);
        metric["details"]!["curve"]!.AsArray().Count.ShouldBe(41);
        ((double)metric["details"]!["distance_quantiles"]!["0.5"]!).ShouldBe(5.5 / 255, 1e-15);
        ((string?)metric["details"]!["samples"]![2]!["nearest"]).ShouldBe("picture 1");

        var again = EvaluationReport.Of(input with { Training = input.Target }, null, EvaluationReport.Metrics);
        ((string?)again.ToJson()["training"]).ShouldBe("the target");
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(30, 9)]
    public void Pictures_of_every_size_are_drawn(int samples, int edge)
    {
        var shape = new ImageShape(3, edge, edge);
        var training = PictureSet.Random(4, shape, 1);
        var found = new MemorisationMeter(training, new MemorisationOptions { Mirrored = true }).Measure(PictureSet.Random(samples, shape, 2));
        var pictures = MemorisationPictures.Of(found);
        pictures["nearest.png"].Width.ShouldBeGreaterThanOrEqualTo(480);
        (pictures["memorisation.png"].Width, pictures["memorisation.png"].Height).ShouldBe((640, 400));
    }

    [Fact]
    public void The_sheet_shows_the_most_copied_first_beside_what_it_copies()
    {
        var found = new MemorisationMeter(PictureSet.Pixels(40, 120)).Measure(PictureSet.Pixels(70, 119));
        var sheet = MemorisationPictures.Nearest(found);
        var first = Enumerable.Range(0, sheet.Height).Select(y => (y, Grey(sheet, 13, y))).First(p => p.Item2 is 119 or 70);
        first.Item2.ShouldBe((byte)119);
        Grey(sheet, 12 + 96 + 3, first.y).ShouldBe((byte)120);

        static byte Grey(Picture picture, int x, int y) => picture.Pixels[((y * picture.Width) + x) * 3];
    }
}
