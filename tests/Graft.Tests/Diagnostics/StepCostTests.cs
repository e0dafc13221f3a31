using Graft.Diagnostics;
using Graft.Tests.Training;
using Graft.Transfer;

namespace Graft.Tests.Diagnostics;

public class StepCostTests
{
    [Fact]
    public void Bytes_are_those_of_the_parameters_that_a_method_holds()
    {
        using var source = TinyRun.Model();
        var options = TinyRun.Options(4) with { Accumulation = 1 };
        var costs = StepCost.Measure(
            [("all", new Finetune { Training = options with { EmaDecay = 0 } }), ("averaged", new Finetune { Training = options }), ("few", new Lora { Rank = 1, Training = options with { EmaDecay = 0 } })],
            source, new TinyPictures(), rounds: 3);
        var weights = source.Network.ParameterCount * sizeof(float);
        var (all, averaged, few) = (costs[0], costs[1], costs[2]);
        all.Trained.ShouldBe(all.Parameters);
        all.WeightBytes.ShouldBe(weights);
        all.OptimiserBytes.ShouldBe(2 * weights);
        averaged.OptimiserBytes.ShouldBe(3 * weights);
        few.WeightBytes.ShouldBe(weights + (few.Trained * sizeof(float)));
        few.OptimiserBytes.ShouldBe(2 * few.Trained * sizeof(float));
        few.Trained.ShouldBe(few.Parameters - all.Parameters);
        all.StepBytes.ShouldBeGreaterThan(weights); // the gradients at least
        costs.ShouldAllBe(c => c.Seconds.Count == 3 && c.MedianSeconds > 0);
    }

    [Fact]
    public void Modules_on_the_way_up_keep_less_of_a_step()
    {
        using var source = TinyRun.Model();
        var lean = new ConditionTuning { Conditional = false, Variant = AnlVariant.Lean, Training = TinyRun.Options(4) with { BatchSize = 16, Accumulation = 1 } };
        var costs = StepCost.Measure([("everywhere", lean), ("decoder", lean with { DecoderOnly = true })], source, new TinyPictures(), rounds: 1);
        costs[1].StepBytes.ShouldBeLessThan(costs[0].StepBytes);
    }
}
