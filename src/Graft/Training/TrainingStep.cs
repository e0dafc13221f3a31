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
    /// <param name="batches">The stage's batches, which may be read ahead of the steps. Not given: each when it is due.</param>
    /// <returns>The loss and its terms, means over the parts; of one of several processes its share of them.</returns>
    internal static (double Loss, List<(string Name, double Value)> Terms) Accumulate(
        TrainingStage stage, TrainingOptions options, long step, DataParallel? processes = null, BatchesAhead? batches = null)
    {
        var (rank, size) = (processes?.Rank ?? 0, processes?.Size ?? 1);
        var parts = options.Accumulation;
        var total = 0.0;
        var terms = new List<(string Name, double Value)>();
        stage.Network.Train();
        using var recomputation = options.RecomputeBlocks ? new Recomputation() : null;
        for (var part = rank; part < parts; part += size)
        {
            using var scope = new TensorScope();
            var items = Items(options, step, part);
            var batch = batches?.Read(step, items) ?? stage.Data.Read(step, items);
            stage.Network.BeginBatch(options.Seed, step, items);
            var loss = stage.Loss(batch);
            var mean = parts == 1 ? loss.Total : loss.Total * (1.0 / parts);
            // Gradients that come in several passes are complete after the last: then no sum begins while one goes on.
            recomputation?.Backward(mean);
            if (part + size >= parts)
                processes?.BeforeLastBackward();
            if (recomputation is null)
                Autograd.Backward(mean);
            PrepareNext(batches, options, step, part, (rank, size));
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

    /// <summary>Numbers of the draws of a part of a step.</summary>
    private static long[] Items(TrainingOptions options, long step, int part)
    {
        var items = new long[options.BatchSize / options.Accumulation];
        for (var k = 0; k < items.Length; k++)
            items[k] = (((step * options.Accumulation) + part) * items.Length) + k;
        return items;
    }

    /// <summary>Before anybody waits for this part's numbers.</summary>
    private static void PrepareNext(BatchesAhead? batches, TrainingOptions options, long step, int part, (int Rank, int Size) processes)
    {
        if (part + processes.Size < options.Accumulation)
            batches?.Prepare(step, Items(options, step, part + processes.Size));
        else if (step + 1 < options.Steps)
            batches?.Prepare(step + 1, Items(options, step + 1, processes.Rank));
    }
}
