namespace Graft.Torch;

/// <summary>
/// Block checkpointing (Chen et al. 2016, <i>Training Deep Nets with Sublinear Memory Cost</i>, section 3): while one is open, a block that runs by
/// <see cref="Of(Func{Tensor[], Tensor}, Tensor[])"/> leaves nothing but its outputs, and what its gradients need is computed again when they are
/// due. Memory for about one more forward pass; gradients are the plain pass's up to the order of sums.
/// </summary>
/// <remarks>
/// Blocks must give the same outputs for the same inputs when they run again, and what they read beside these must live until then; they may not return their inputs.
/// What requires a gradient comes in as an input, or as a parameter; and a tensor between blocks that two of them take must itself be a block's
/// output (else libtorch refuses to go through its graph twice). Second derivatives do not pass. Not open, or where operators record nothing, blocks just run.
/// </remarks>
public sealed class Recomputation : IDisposable
{
    private static Recomputation? _current;
    private readonly List<Piece> _pieces = [];

    /// <summary>Opens one.</summary>
    /// <exception cref="InvalidOperationException">Another is open.</exception>
    public Recomputation()
    {
        TorchRuntime.VerifyThread();
        _current = _current is null ? this : throw new InvalidOperationException("A recomputation is open already.");
    }

    /// <summary>Runs a block of one output.</summary>
    /// <param name="block">Of inputs to its output.</param>
    /// <param name="inputs">Its inputs. They may be disposed afterwards.</param>
    public static Tensor Of(Func<Tensor[], Tensor> block, params Tensor[] inputs) =>
        _current is null || !Autograd.IsEnabled ? block(inputs) : _current.Run(x => [block(x)], inputs)[0];

    /// <summary>Runs a block of several outputs.</summary>
    /// <inheritdoc cref="Of(Func{Tensor[], Tensor}, Tensor[])"/>
    public static Tensor[] Of(Func<Tensor[], Tensor[]> block, params Tensor[] inputs) =>
        _current is null || !Autograd.IsEnabled ? block(inputs) : _current.Run(block, inputs);

    /// <summary><see cref="Autograd.Backward(Tensor, bool, bool)"/> through blocks and what lies between them.</summary>
    /// <param name="loss">A scalar.</param>
    public void Backward(Tensor loss)
    {
        Autograd.Backward(loss);
        Without(() =>
        {
            using var mode = Autograd.WithGrad();
            for (var i = _pieces.Count - 1; i >= 0; i--)
            {
                using var scope = new TensorScope();
                _pieces[i].Backward();
                _pieces[i].Release();
                _pieces.RemoveAt(i);
            }

            return 0;
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var piece in _pieces)
            piece.Release();
        _pieces.Clear();
        _current = null;
    }

    private Tensor[] Run(Func<Tensor[], Tensor[]> block, Tensor[] inputs)
    {
        using var scope = new TensorScope();
        var piece = new Block(block, Array.ConvertAll(inputs, Own));
        _pieces.Add(piece); // before it runs: what it holds is let go with the list, even if it throws
        var leaves = Without(piece.Run);
        if (leaves.Any(leaf => leaf.RequiresGrad))
            return Array.ConvertAll(leaves, leaf => View(leaf).MoveToOuter());
        _pieces.RemoveAt(_pieces.Count - 1);
        var outputs = Array.ConvertAll(leaves, leaf => View(leaf).MoveToOuter());
        piece.Release();
        return outputs;
    }

    /// <summary>The block's own reference to an input: where gradients are to flow, a leaf, with the way back from it on the list.</summary>
    private Tensor Own(Tensor input)
    {
        var own = Leaf(input);
        if (input.RequiresGrad)
            _pieces.Add(new Joint(View(input).Keep(), own));
        return own;
    }

    /// <summary>Runs work in which blocks just run.</summary>
    private T Without<T>(Func<T> work)
    {
        _current = null;
        try
        {
            return work();
        }
        finally
        {
            _current = this;
        }
    }

    /// <summary>The same numbers, where a graph begins.</summary>
    private static Tensor Leaf(Tensor x)
    {
        var leaf = x.Detach().Keep();
        if (x.RequiresGrad)
            leaf.RequiresGrad = true;
        return leaf;
    }

    /// <summary>Another reference, to be disposed by whoever gets it.</summary>
    private static Tensor View(Tensor x) => x.Reshape(x.Shape.ToArray());

    /// <summary>What stands on the list, in the order of the forward pass.</summary>
    private abstract class Piece
    {
        internal abstract void Backward();

        internal abstract void Release();
    }

    /// <summary>From a block's input to the graph that it came from.</summary>
    private sealed class Joint(Tensor real, Tensor leaf) : Piece
    {
        internal override void Backward()
        {
            if (leaf.Grad is { } gradient)
                Autograd.Backward([real], [gradient]);
        }

        internal override void Release()
        {
            real.Dispose();
            leaf.Dispose();
        }
    }

    private sealed class Block(Func<Tensor[], Tensor[]> block, Tensor[] inputs) : Piece
    {
        private Tensor[] _outputs = [];

        /// <summary>The forward pass. Gradients are recorded and die with the scope: what an output depends on is known from them alone.</summary>
        internal Tensor[] Run() => _outputs = Array.ConvertAll(Pass(), Leaf);

        internal override void Backward()
        {
            var reached = Array.FindAll([.. Enumerable.Range(0, _outputs.Length)], i => _outputs[i].RequiresGrad && _outputs[i].Grad is not null);
            if (reached.Length == 0)
                return;
            var again = Pass();
            Autograd.Backward(Array.ConvertAll(reached, i => again[i]), Array.ConvertAll(reached, i => _outputs[i].Grad!));
        }

        internal override void Release()
        {
            foreach (var output in _outputs)
                output.Dispose();
            foreach (var input in inputs)
            {
                if (!input.RequiresGrad) // the others' joints read their gradients after this, and let them go
                    input.Dispose();
            }
        }

        private Tensor[] Pass() => block(Array.ConvertAll(inputs, View));
    }
}
