using Graft.Torch;

namespace Graft.Training;

/// <summary>One step of a stage: its batch, in equal parts, and the gradients of the mean loss.</summary>
internal static class TrainingStep
{
    /// <summary>Adds the gradients of a step to the parameters'.</summary>
    /// <param name="stage">What is trained.</param>
    /// <param name="options">Batch size, accumulation, seed.</param>
    /// <param name="step">From 0.</param>
    /// <returns>The loss and its terms, means over the parts.</returns>
    internal static (double Loss, List<(string Name, double Value)> Terms) Accumulate(TrainingStage stage, TrainingOptions options, long step)
    {
        var parts = options.Accumulation;
        var size = options.BatchSize / parts;
        var total = 0.0;
        var terms = new List<(string Name, double Value)>();
        stage.Network.Train();
        for (var part = 0; part < parts; part++)
        {
            using var scope = new TensorScope();
            var first = ((step * parts) + part) * size;
            var items = new long[size];
            for (var k = 0; k < size; k++)
                items[k] = first + k;
            var batch = stage.Data.Read(step, items);
            stage.Network.BeginBatch(options.Seed, step, items);
            var loss = stage.Loss(batch);
            Autograd.Backward(parts == 1 ? loss.Total : loss.Total * (1.0 / parts));
            total += loss.Total.Detach().Item() / parts;
            for (var i = 0; i < (loss.Terms?.Length ?? 0); i++)
            {
                var (name, value) = loss.Terms![i];
                if (part == 0)
                    terms.Add((name, 0));
                terms[i] = (name, terms[i].Value + (value.Detach().Item() / parts));
            }
        }

        return (total, terms);
    }
}
