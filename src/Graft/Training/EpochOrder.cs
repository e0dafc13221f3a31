using Graft.Torch;

namespace Graft.Training;

/// <summary>Which picture a draw takes: every epoch is a permutation of the pictures, a function of (seed, epoch).</summary>
/// <param name="count">Pictures.</param>
/// <param name="seed">Seed of the order.</param>
/// <param name="purpose">Sets that are drawn from beside each other have different ones.</param>
internal sealed class EpochOrder(int count, long seed, string purpose = "training/order")
{
    private readonly KeyedRandom _order = new(seed, purpose);
    private long _epoch = -1;
    private int[] _permutation = [];

    /// <summary>The picture of a draw.</summary>
    /// <param name="item">The draw's number since the beginning.</param>
    public int IndexOf(long item)
    {
        var epoch = item / count;
        if (epoch != _epoch)
        {
            _permutation = _order.Permutation(epoch, count);
            _epoch = epoch;
        }

        return _permutation[item % count];
    }
}
