using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Evaluation.Ecg;

/// <summary>How what a classifier says of a record's crops becomes one number.</summary>
public enum CropAggregate
{
    /// <summary>The largest: what the PTB-XL benchmark takes for probabilities.</summary>
    Max,

    /// <summary>The mean.</summary>
    Mean,
}

/// <summary>What a classifier says of whole records: crops that half overlap, put together.</summary>
public static class EcgClassification
{
    private const int CropsAtOnce = 128;

    /// <summary>Probabilities of the classes.</summary>
    /// <param name="network">The classifier; its leads and rate are the set's.</param>
    /// <param name="set">Any records that are at least a crop long.</param>
    /// <param name="aggregate">How crops are put together.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>[records, classes], each 0 to 1.</returns>
    /// <exception cref="InputException">The records do not fit the network.</exception>
    public static double[,] Probabilities(XResNet1d network, EcgSet set, CropAggregate aggregate = CropAggregate.Max, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        return OfCrops(network, set, x => Functional.Sigmoid(network.Logits(x)), aggregate, cancellationToken);
    }

    /// <summary>The values of the network's hidden layer (<see cref="XResNet1d.Features"/>), mean over crops.</summary>
    /// <inheritdoc cref="Probabilities"/>
    public static double[,] Features(XResNet1d network, EcgSet set, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        return OfCrops(network, set, network.Features, CropAggregate.Mean, cancellationToken);
    }

    private static double[,] OfCrops(XResNet1d network, EcgSet set, Func<Tensor, Tensor> compute, CropAggregate aggregate, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(set);
        var (crop, leads) = (network.Options.CropSamples, set.Leads.Count);
        EcgClassificationStage.Check(network.Options, set, classes: false);
        EcgCrops.Check(set, crop);
        if (set.Count == 0)
            throw new InputException($"{set.Card.Name} has no records to look at: choose others.");
        var places = set.Records.SelectMany((r, i) => EcgCrops.Begins(r.SampleCount, crop).Select(first => (Record: i, First: first))).ToArray();
        network.Train(false);
        return TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            double[,]? result = null;
            var counts = new int[set.Count];
            foreach (var chunk in places.Chunk(CropsAtOnce))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var scope = new TensorScope();
                var values = new float[chunk.Length * leads * crop];
                for (var k = 0; k < chunk.Length; k++)
                    EcgCrops.Copy(set[chunk[k].Record], chunk[k].First, crop, values.AsSpan(k * leads * crop));
                var rows = compute(Tensor.From(values, chunk.Length, leads, crop).To(network.Parameters().First().Value.Device)).To(DType.Float64);
                var (found, width) = (rows.ToArray<double>(), (int)rows.Size(1));
                result ??= new double[set.Count, width];
                for (var k = 0; k < chunk.Length; k++)
                {
                    var record = chunk[k].Record;
                    for (var j = 0; j < width; j++)
                    {
                        var value = found[(k * width) + j];
                        result[record, j] = aggregate == CropAggregate.Mean ? result[record, j] + value : counts[record] == 0 ? value : Math.Max(result[record, j], value);
                    }

                    counts[record]++;
                }
            }

            for (var i = 0; aggregate == CropAggregate.Mean && i < set.Count; i++)
            {
                for (var j = 0; j < result!.GetLength(1); j++)
                    result[i, j] /= counts[i];
            }

            return result!;
        });
    }
}
