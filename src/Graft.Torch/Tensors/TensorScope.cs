namespace Graft.Torch;

/// <summary>
/// Tensors made inside a scope die with it, unless they are kept (<see cref="Tensor.Keep"/>) or handed to the scope outside
/// (<see cref="Tensor.MoveToOuter"/>). One scope a step keeps memory flat without waiting for the garbage collector.
/// A tensor made outside any scope belongs to whoever holds it.
/// </summary>
public sealed class TensorScope : IDisposable
{
    private static TensorScope? _current;
    private readonly List<Tensor> _tensors = [];
    private readonly TensorScope? _outer;
    private bool _closed;

    /// <summary>Opens a scope inside the current one.</summary>
    public TensorScope()
    {
        TorchRuntime.VerifyThread();
        _outer = _current;
        _current = this;
    }

    internal static TensorScope? Current => _current;

    internal TensorScope? Outer => _outer;

    /// <summary>Disposes the scope's tensors and closes it; a second time does nothing.</summary>
    /// <exception cref="InvalidOperationException">A scope inside is still open.</exception>
    public void Dispose()
    {
        TorchRuntime.VerifyThread();
        if (_closed)
            return;
        if (_current != this)
            throw new InvalidOperationException("Scopes close in the reverse order of their opening.");
        _closed = true;
        _current = _outer;
        foreach (var tensor in _tensors)
        {
            if (tensor.Scope == this)
                tensor.Dispose();
        }

        _tensors.Clear();
    }

    /// <summary>Runs <paramref name="work"/> in a scope of its own and hands its result to the scope outside.</summary>
    public static Tensor Of(Func<Tensor> work)
    {
        using var scope = new TensorScope();
        return work().MoveToOuter();
    }

    /// <summary>Closes what the work that just ended left open.</summary>
    /// <returns>Whether there was any.</returns>
    internal static bool CloseAll()
    {
        var any = _current is not null;
        while (_current is not null)
            _current.Dispose();
        return any;
    }

    internal void Add(Tensor tensor) => _tensors.Add(tensor);
}
