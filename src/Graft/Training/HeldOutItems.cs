using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Items that nothing is trained on, taken out of the few that there are, and what is measured on them: the rule by which every method
/// can be stopped in the same way (<see cref="TrainingOptions.HeldOut"/>, <see cref="TrainingOptions.ValidateEvery"/>).
/// </summary>
internal static class HeldOutItems
{
    /// <summary>Splits a set.</summary>
    /// <param name="items">The set.</param>
    /// <param name="options">The share that is held out, and the seed that chooses.</param>
    /// <returns>What is trained on, and what is held out: null where the share is 0.</returns>
    /// <exception cref="InputException">There are too few items.</exception>
    internal static (ISampleSource Trained, ISampleSource? Held) Split(ISampleSource items, TrainingOptions options)
    {
        if (options.HeldOut == 0)
            return (items, null);
        var held = Math.Max(1, (int)Math.Round(items.Count * options.HeldOut));
        if (held >= items.Count)
            throw new InputException($"held_out {options.HeldOut} leaves nothing to train on of {items.Count} {items.Noun()}: give more of them, or set it to 0.");
        var order = Order(items, options);
        return (items.Subset([.. order[held..].Order()]), items.Subset([.. order[..held].Order()]));
    }

    /// <summary>One of several splits (cross-validation): every item is held out in one of them.</summary>
    /// <param name="items">The set, of <paramref name="folds"/> items or more.</param>
    /// <param name="options">The seed that chooses.</param>
    /// <param name="fold">Which, from 0.</param>
    /// <param name="folds">Of how many, 2 or more.</param>
    internal static (ISampleSource Trained, ISampleSource Held) Fold(ISampleSource items, TrainingOptions options, int fold, int folds)
    {
        var order = Order(items, options);
        return (Of(k => k % folds != fold), Of(k => k % folds == fold));

        ISampleSource Of(Func<int, bool> chosen) => items.Subset([.. Enumerable.Range(0, items.Count).Where(chosen).Select(k => order[k]).Order()]);
    }

    private static int[] Order(ISampleSource items, TrainingOptions options) =>
        new KeyedRandom(options.Seed, "training/held out").Permutation(0, items.Count);

    /// <summary>A validation: the mean of a loss over fixed draws of noise and time.</summary>
    /// <param name="batches">The held-out items.</param>
    /// <param name="options">How many draws, and how many at a time.</param>
    /// <param name="loss">The loss of a batch, a mean over its items.</param>
    internal static Func<double> Mean(IBatchSource batches, TrainingOptions options, Func<Batch, Tensor> loss) => () =>
    {
        using var mode = Autograd.NoGrad();
        var (total, draws) = (0.0, options.ValidationDraws);
        for (var first = 0; first < draws; first += options.BatchSize)
        {
            using var scope = new TensorScope();
            var items = Enumerable.Range(first, Math.Min(options.BatchSize, draws - first)).Select(i => (long)i).ToArray();
            total += loss(batches.Read(0, items)).Item() * items.Length;
        }

        return total / draws;
    };

    /// <summary>Batches of held-out items, whose noise has nothing to do with the training's.</summary>
    internal static SampleBatches Batches(ISampleSource held, NoiseSchedule schedule, TrainingOptions options, Device device, ItemConditions? conditions = null) =>
        new(held, schedule, ~options.Seed, flip: false, device, conditions);
}
