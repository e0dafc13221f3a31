using Graft.Torch;

namespace Graft.Networks.SssdParts;

/// <summary>A tensor that was computed from others and outlives the scope of a step, until they change. It records no gradients.</summary>
internal sealed class KeptTensor
{
    private Tensor? _value;
    private long[] _key = [];

    /// <summary>Whether there is a value for this key.</summary>
    /// <param name="key">Versions of what it was computed from, and sizes.</param>
    internal bool Holds(long[] key) => _value is not null && _key.AsSpan().SequenceEqual(key);

    /// <summary>The value for this key; one for another key goes. It stays this object's: nobody else may dispose or change it.</summary>
    /// <param name="key">Versions of what it is computed from, and sizes.</param>
    /// <param name="make">Computes it, in a scope of its own and without recording.</param>
    internal Tensor Get(long[] key, Func<Tensor> make)
    {
        if (Holds(key))
            return _value!;
        Drop();
        using var mode = Autograd.NoGrad();
        _value = TensorScope.Of(make).Keep();
        _key = key;
        return _value;
    }

    /// <summary>Lets the value go. What was recorded with it keeps its memory by itself.</summary>
    internal void Drop()
    {
        _value?.Dispose();
        _value = null;
    }
}
