using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

/// <summary>What a GPU's training does with its batches, on the processor.</summary>
public class BatchesAheadTests
{
    private static readonly TrainingOptions Options = new() { Steps = 3, BatchSize = 4, Accumulation = 2, Seed = 5 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_part_is_read_once_and_in_order_and_gives_what_it_gave(bool ahead) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var weight = Tensor.Full(0.5, [1]);
        weight.RequiresGrad = true;
        var source = new Source();
        var stage = Stage(source, weight);
        using var batches = new BatchesAhead(source, ahead);
        for (var step = 0; step < Options.Steps; step++)
        {
            var (loss, _) = TrainingStep.Accumulate(stage, Options, step, batches: batches);
            loss.ShouldBe(TrainingStep.Accumulate(Stage(new Source(), weight), Options, step).Loss);
            // The next step's first part, but after the last step nothing.
            source.Read.Count.ShouldBe(Math.Min((2 * (step + 1)) + (ahead ? 1 : 0), 6));
        }

        source.Read.ShouldBe([(0, 0), (0, 2), (1, 4), (1, 6), (2, 8), (2, 10)]);
        batches.Dispose();
        source.Given.ShouldAllBe(x => x.IsDisposed);
    });

    [Fact]
    public void What_was_read_for_another_step_is_read_again() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var source = new Source();
        using var batches = new BatchesAhead(source, ahead: true);
        batches.Prepare(1, [4, 5]);
        batches.Prepare(1, [4, 5]);
        source.Read.ShouldBe([(1, 4)]);
        batches.Read(2, [8, 9]).X0.ToArray<float>().ShouldBe([8, 9]);
        batches.Read(2, [8, 9]).Step.ShouldBe(2);
        source.Read.ShouldBe([(1, 4), (2, 8), (2, 8)]);
    });

    private static TrainingStage Stage(Source source, Tensor weight) => new()
    {
        Name = "line",
        Network = new Empty(),
        Trainable = [new NamedTensor("weight", weight)],
        Data = source,
        Loss = batch => new Loss((batch.X0 * weight).Square().Mean()),
        Save = _ => { },
    };

    private sealed class Empty : Module;

    private sealed class Source : IBatchSource
    {
        public List<(long Step, long First)> Read { get; } = [];

        public List<Tensor> Given { get; } = [];

        public string Description => "numbers of draws";

        Batch IBatchSource.Read(long step, long[] items)
        {
            Read.Add((step, items[0]));
            var x0 = Tensor.From(Array.ConvertAll(items, i => (float)i), items.Length);
            Given.Add(x0);
            return new Batch(step, items, x0, Tensor.From(items, items.Length), Tensor.Empty([0]), null);
        }
    }
}
