using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Training;

/// <summary>The stage that trains a classifier of ECGs: binary cross-entropy of each class, on random crops.</summary>
public static class EcgClassificationStage
{
    /// <summary>Makes the stage.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="network">What is trained.</param>
    /// <param name="set">On what; leads, rate and classes are the network's.</param>
    /// <param name="options">The loop's settings: the running statistics of batch norms are no average of weights, so <c>ema_decay</c> is 0.</param>
    /// <exception cref="InputException">Records and network do not fit, or an option cannot be used.</exception>
    public static TrainingStage Create(string name, XResNet1d network, EcgTrainingSet set, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        Check(network.Options, set);
        if (options.EmaDecay > 0)
            throw new InputException("A classifier of ECGs keeps running statistics of its batch norms, which belong to the weights as they stand: set ema_decay to 0.");
        if (options.BatchSize / options.Accumulation < 2)
            throw new InputException("Batch norms need two records or more at a time: raise batch_size, or lower accumulation.");
        var statistics = BatchNorm.Statistics(network);
        var untrained = statistics.Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var data = new EcgBatches(set, network.Options.CropSamples, options.Seed, network.Parameters().First().Value.Device);
        return new TrainingStage
        {
            Name = name,
            Network = network,
            Trainable = [.. network.Parameters().Where(p => !untrained.Contains(p.Name))],
            Buffers = statistics,
            Data = data,
            Loss = batch => new Loss(BinaryCrossEntropy(network.Logits(batch.X0), data.Labels(batch.Items))),
            Save = network.Save,
            HoldsModel = XResNet1d.Is,
        };
    }

    /// <summary>Mean of -y log σ(x) - (1 - y) log(1 - σ(x)) over records and classes.</summary>
    /// <param name="logits">x, [N, classes].</param>
    /// <param name="labels">y, 0 or 1, [N, classes].</param>
    public static Tensor BinaryCrossEntropy(Tensor logits, Tensor labels) =>
        -((labels * Functional.LogSigmoid(logits)) + ((1 - labels) * Functional.LogSigmoid(-logits))).Mean();

    /// <summary>Records must be what the network sees.</summary>
    /// <exception cref="InputException">Leads, sampling rate, unit or classes differ.</exception>
    internal static void Check(XResNet1dOptions network, EcgSet set, bool classes = true)
    {
        var difference =
            !set.Leads.SequenceEqual(network.Leads) ? $"has the leads {string.Join(", ", set.Leads)}, and the network {network.Name} sees {string.Join(", ", network.Leads)}"
            : set.SamplingRate != network.SamplingRate ? FormattableString.Invariant($"has {set.SamplingRate} Hz, and the network {network.Name} sees {network.SamplingRate}")
            : network.Unit.Length > 0 && set.Unit != network.Unit ? $"is in {set.Unit}, and the network {network.Name} sees {network.Unit}"
            : classes && !set.Classes.SequenceEqual(network.Classes) ? $"has the classes {Formats.FileFault.Shorten(string.Join(", ", set.Classes))}, and the network {network.Name} tells {Formats.FileFault.Shorten(string.Join(", ", network.Classes))}"
            : null;
        if (difference is not null)
            throw new InputException($"{set.Card.Name} {difference}: prepare the records alike.");
    }
}
