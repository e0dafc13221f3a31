using Graft.Torch;

namespace Graft.Networks.UNet2DParts;

/// <summary>
/// What the way down hands to the way up, last in, first out. With deep features it also says where both ways may stop short: of an evaluation that
/// has them given only the first connections are made, and the way up begins where these are taken.
/// </summary>
/// <param name="deep">Deep features that evaluations share; null: everything is computed.</param>
/// <param name="count">Connections that there are, where <paramref name="deep"/> is not null.</param>
internal sealed class Skips(DeepFeatures? deep = null, long count = 0)
{
    private readonly Stack<Tensor> _tensors = new();
    private long _left = count;

    /// <summary>Whether the way down has made all that this evaluation needs.</summary>
    internal bool AreMade => deep?.Given is not null && _tensors.Count == deep.Fresh;

    /// <summary>The connections, in the order in which they were made.</summary>
    internal IEnumerable<Tensor> Made => _tensors.Reverse();

    internal void Push(Tensor x) => _tensors.Push(x);

    /// <summary>The connection of the next residual block on the way up, whose other input is <paramref name="x"/>; null: the block is left out.</summary>
    internal Tensor? Take(Tensor x)
    {
        if (deep is not null)
        {
            if (_left-- > deep.Fresh && deep.Given is not null)
                return null;
            if (_left + 1 == deep.Fresh && deep.Given is null)
                deep.Keep(x);
        }

        return _tensors.Pop();
    }
}
