using Graft.Torch;

namespace Graft.Training;

/// <summary>One step of a stage: its batch, in equal parts, and the gradients of the mean loss.</summary>
internal static class TrainingStep
{
    /// <summary>Adds the gradients of a step to the parameters'.</summary>
    /// <param name="stage">What is trained.</param>
    /// <param name="options">Batch size, accumulation, seed.</param>
    /// <param name="step">From 0.</param>
    /// <param name="processes">Of several processes, this one's share: every so many-th part. Not given: all parts.</param>
    /// <returns>The loss and its terms, means over the parts; of one of several processes its share of them.</returns>
    internal static (double Loss, List<(string Name, double Value)> Terms) Accumulate(TrainingStage stage, TrainingOptions options, long step, DataParallel? processes = null)
    {
        var (rank, size) = (processes?.Rank ?? 0, processes?.Size ?? 1);
        var parts = options.Accumulation;
        var count = options.BatchSize / parts;
        var total = 0.0;
        var terms = new List<(string Name, double Value)>();
        stage.Network.Train();
        using var recomputation = options.RecomputeBlocks ? new Recomputation() : null;
        for (var part = rank; part < parts; part += size)
        {
            using var scope = new TensorScope();
            var first = ((step * parts) + part) * count;
            var items = new long[count];
            for (var k = 0; k < count; k++)
                items[k] = first + k;
            var batch = stage.Data.Read(step, items);
            stage.Network.BeginBatch(options.Seed, step, items);
            var loss = stage.Loss(batch);
            var mean = parts == 1 ? loss.Total : loss.Total * (1.0 / parts);
            // Gradients that come in several passes are complete after the last: then no sum begins while one goes on.
            recomputation?.Backward(mean);
            if (part + size >= parts)
                processes?.BeforeLastBackward();
            if (recomputation is null)
                Autograd.Backward(mean);
            total += loss.Total.Detach().Item() / parts;
            for (var i = 0; i < (loss.Terms?.Length ?? 0); i++)
            {
                var (name, value) = loss.Terms![i];
                if (part == rank)
                    terms.Add((name, 0));
                terms[i] = (name, terms[i].Value + (value.Detach().Item() / parts));
            }
        }

        return (total, terms);
    }
}
