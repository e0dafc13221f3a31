using Graft.Data;
using Graft.Torch;
using Graft.Transfer.GuidedParts;

namespace Graft.Tests.Transfer;

public class SourceRatiosTests
{
    [Theory]
    [InlineData(new[] { 2.0, 2, 2, 2 }, 4)]
    [InlineData(new[] { 0.0, 1e30, 0 }, 1)]
    [InlineData(new[] { 1e-300, 3e-300 }, 1.6)] // (1 + 3)² / (1 + 9); their squares are 0
    public void Weights_count_as_so_many_equal_ones(double[] weights, double expected) =>
        SourceRatios.EffectiveCount(weights).ShouldBe(expected, 1e-12);

    [Fact]
    public void What_h_has_to_learn_from_is_told_once_and_a_few_items_are_a_warning()
    {
        var notes = new Notes();
        var points = new SampleSet(new ItemShape(1), [.. Enumerable.Range(0, 600).Select(i => (float)i)], "points");
        var asked = 0;
        // Of 600 points two lie where the target does.
        var ratios = new SourceRatios(points, (x, _, _) => Ratio(x), Device.Cpu);
        TorchRuntime.Run(() =>
        {
            ratios.Tell(notes);
            ratios.Tell(notes);
        });
        notes.Lines.ShouldHaveSingleItem().ShouldContain("of the source's 600 items: -9.0 to -9.0 (5th to 95th percentile), at most 3.0; weighed by the ratio they count as 2.0");
        notes.Warnings.ShouldHaveSingleItem().ShouldContain("2.0 of the source's 600 items carry the ratio");
        ratios.Ratios[599].ShouldBe(Math.Exp(3), 1e-5);
        asked.ShouldBe(3); // 256 at a time

        Tensor Ratio(Tensor x)
        {
            asked++;
            return Tensor.Where(x.Reshape(-1).IsGreater(597.5), Tensor.Full(3, [x.Size(0)]), Tensor.Full(-9, [x.Size(0)]));
        }
    }
}
