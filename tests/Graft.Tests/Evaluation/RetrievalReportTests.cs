using Graft.Evaluation;

namespace Graft.Tests.Evaluation;

public class RetrievalReportTests
{
    [Fact]
    public void By_hand_four_pictures_and_seven_names()
    {
        // Names 3 to 6 are nobody's; the pictures have the names 0, 1, 2, 2.
        float[][] scores =
        [
            [9, 1, 1, 0, 0, 0, 0], // first
            [5, 4, 3, 9, 8, 7, 1], // its name is the fifth best
            [9, 8, 1, 7, 6, 5, 4], // its name is last
            [1, 1, 1, 1, 1, 1, 1], // the same of everything: equals count against
        ];
        var report = RetrievalReport.Of(scores, [0, 1, 2, 2], 7, "by hand");
        report.First.ShouldBe(new Share(1, 4));
        report.AmongFive.ShouldBe(new Share(2, 4));
        // Of name 0 another picture is as good as its own, of name 1 one is better, of name 2 two are as good or better.
        report.NamesFirst.ShouldBe(new Share(0, 3));
        report.NamesAmongFive.ShouldBe(new Share(3, 3));
        report.ToJson()["top_5"]!["share"]!.GetValue<double>().ShouldBe(0.5);
    }
}
