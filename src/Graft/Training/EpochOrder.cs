using Graft.Torch;

namespace Graft.Training;

/// <summary>Which picture a draw takes: every epoch is a permutation of the pictures, a function of (seed, epoch).</summary>
/// <param name="count">Pictures.</param>
/// <param name="seed">Seed of the order.</param>
internal sealed class EpochOrder(int count, long seed)
{
    private readonly KeyedRandom _order = new(seed, "training/order");
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
