using Graft.Charts;
using Graft.Data.Ecg;
using Graft.Formats.Images;
using Graft.Tests.Data.Ecg;

namespace Graft.Tests.Charts;

public class EcgPaperTests
{
    private static readonly double[] Beats = [0.5, 1.4, 2.2, 3.1, 4.4, 5.3, 6.2, 7.0, 8.1, 9.2];

    [Fact]
    public void Twelve_leads_stand_at_their_places_in_millimetres()
    {
        var flat = CraftedEcg.Set(CraftedEcg.Card(), 1000, (lead, _) => lead == 1 ? 1 : 0);
        var paper = new EcgPaper { Scale = 4 };
        var picture = paper.Draw(flat.Card, flat[0]);
        picture.Width.ShouldBe((265 * 4) + 1);

        // Lead II is 1 mV, so 10 mm above the middle of its row (the second) in the first 2.5 s, and of the rhythm strip in all 10 s.
        var row = 120;
        var second = DarkRows(picture, 15 * 4, 60 * 4);
        var rhythm = DarkRows(picture, 200 * 4, 255 * 4);
        var top = second.Where(y => y < second[0] + (3 * row)).ToArray();
        rhythm[^1].ShouldBeGreaterThan(second[0]);
        // Of the left quarter: I at 0, II at +10 mm (40 pixels) of the row below, III at 0, II of the strip at +10 mm.
        var (i, ii, iii, strip) = (second[0], second.First(y => y > second[0] + 20), 0, second[^1]);
        (ii - i).ShouldBeInRange(row - 42, row - 38);
        iii = second.First(y => y > ii + 20);
        (iii - i).ShouldBeInRange((2 * row) - 2, (2 * row) + 2);
        (strip - i).ShouldBeInRange((3 * row) - 42, (3 * row) - 38);
        top.Length.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Units_that_are_not_known_are_said()
    {
        var set = CraftedEcg.Set(CraftedEcg.Card(), 1000, (lead, t) => CraftedEcg.Beat(lead, t, Beats));
        var known = new EcgPaper().Draw(set.Card, set[0], "a");
        var scored = set.Prepare(new ZScore());
        var unknown = new EcgPaper().Draw(scored.Card, scored[0], "a");
        known.Pixels.ShouldNotBe(unknown.Pixels);
        // The second line of the head, which says the gain, differs.
        known.Crop(0, 16, known.Width, 20).Pixels.ShouldNotBe(unknown.Crop(0, 16, known.Width, 20).Pixels);
    }

    [Fact]
    public void Other_leads_short_records_and_holes_are_drawn_too()
    {
        var two = CraftedEcg.Set(CraftedEcg.Card(100, "mV", "V1", "MLII"), 300, (_, t) => t > 1 && t < 2 ? double.NaN : Math.Sin(20 * t));
        var picture = new EcgPaper { Scale = 3 }.Draw(two.Card, two[0]);
        (picture.Width, picture.Height).ShouldBe(((265 * 3) + 1, ((((int)Math.Ceiling(54.0 / 3 / 5)) * 5) + 60 + 5) * 3 + 1));
        Should.Throw<ArgumentException>(() => new EcgPaper().Draw(CraftedEcg.Card(), two[0]));
    }

    [Fact]
    public void Real_and_generated_stand_beside_each_other()
    {
        var set = CraftedEcg.Set(CraftedEcg.Card(), 1000, (lead, t) => CraftedEcg.Beat(lead, t, Beats), (lead, t) => CraftedEcg.Beat(lead, t + 0.2, Beats));
        var paper = new EcgPaper { Scale = 2 };
        var one = paper.Draw(set.Card, set[0], "real");
        var both = paper.Beside([(set.Card, set[0], "real")], [(set.Card, set[1], "generated"), (set.Card, set[0], "generated")]);
        both.Width.ShouldBe((2 * one.Width) + 12);
        both.Height.ShouldBe((2 * one.Height) + 12);
        both.Crop(0, 0, one.Width, one.Height).Pixels.ShouldBe(one.Pixels);
    }

    /// <summary>Rows in which a stretch of columns is mostly as dark as the trace.</summary>
    private static int[] DarkRows(Picture picture, int from, int to) =>
        [.. Enumerable.Range(60, picture.Height - 60).Where(y => Enumerable.Range(from, to - from).Count(x => picture.Pixels[((y * picture.Width) + x) * 3] < 120) > (to - from) / 2)];
}
