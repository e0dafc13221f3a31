using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>Gradients: reverse-mode differentiation over what the operators recorded. Double backward works (<c>createGraph</c>).</summary>
public static unsafe class Autograd
{
    /// <summary>Whether operators record what they do. It is passed with every native call; libtorch's own mode is never left changed.</summary>
    public static bool IsEnabled { get; private set; } = true;

    /// <summary>Operators inside the returned scope record nothing.</summary>
    public static ModeScope NoGrad() => new(enabled: false);

    /// <summary>Operators inside the returned scope record, whatever surrounds it.</summary>
    public static ModeScope WithGrad() => new(enabled: true);

    /// <summary>Adds d(loss)/d(leaf) to <see cref="Tensor.Grad"/> of every leaf that requires a gradient.</summary>
    /// <param name="loss">A scalar.</param>
    /// <param name="retainGraph">Keep what was recorded for a second pass.</param>
    /// <param name="createGraph">Record this pass too, so that gradients can be differentiated again.</param>
    public static void Backward(Tensor loss, bool retainGraph = false, bool createGraph = false)
    {
        TorchRuntime.VerifyThread();
        var handle = loss.Handle;
        if (NativeMethods.graft_backward(&handle, null, 1, retainGraph || createGraph ? 1 : 0, createGraph ? 1 : 0) < 0)
            throw TorchException.Last();
    }

    /// <summary>Adds the vector-Jacobian products of several outputs to <see cref="Tensor.Grad"/> of every leaf.</summary>
    /// <param name="outputs">Of any shapes.</param>
    /// <param name="seeds">The vectors, one for each output and of its shape.</param>
    public static void Backward(ReadOnlySpan<Tensor> outputs, ReadOnlySpan<Tensor> seeds)
    {
        TorchRuntime.VerifyThread();
        ArgumentOutOfRangeException.ThrowIfNotEqual(seeds.Length, outputs.Length, nameof(seeds));
        var (handles, vectors) = (new nint[outputs.Length], new nint[outputs.Length]);
        for (var i = 0; i < handles.Length; i++)
            (handles[i], vectors[i]) = (outputs[i].Handle, seeds[i].Handle);
        fixed (nint* output = handles, seed = vectors)
        {
            if (NativeMethods.graft_backward(output, seed, handles.Length, 0, 0) < 0)
                throw TorchException.Last();
        }
    }

    /// <summary>The gradients of <paramref name="output"/> with respect to <paramref name="inputs"/>; adds to no <see cref="Tensor.Grad"/>.</summary>
    /// <param name="output">A scalar, or any shape with <paramref name="seed"/>.</param>
    /// <param name="inputs">Tensors that <paramref name="output"/> was computed from.</param>
    /// <param name="seed">The vector of the vector-Jacobian product, of <paramref name="output"/>'s shape.</param>
    /// <param name="retainGraph">Keep what was recorded for another pass.</param>
    /// <param name="createGraph">Record this pass too (double backward).</param>
    /// <exception cref="TorchException">An input requires no gradient, or was not used.</exception>
    public static Tensor[] Gradients(
        Tensor output, ReadOnlySpan<Tensor> inputs, Tensor? seed = null, bool retainGraph = false, bool createGraph = false)
    {
        TorchRuntime.VerifyThread();
        var handle = output.Handle;
        var seedHandle = seed?.Handle ?? 0;
        var handles = new nint[inputs.Length];
        var results = new nint[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            handles[i] = inputs[i].Handle;
        fixed (nint* input = handles, result = results)
        {
            var code = NativeMethods.graft_gradients(
                &handle, &seedHandle, 1, input, inputs.Length, retainGraph || createGraph ? 1 : 0, createGraph ? 1 : 0, 0, result);
            if (code < 0)
                throw TorchException.Last();
        }

        return Array.ConvertAll(results, Tensor.Wrap);
    }

    /// <summary>Lets operators record again, whatever the work that just ended left behind.</summary>
    /// <returns>Whether it had left them recording.</returns>
    internal static bool Reset()
    {
        var was = IsEnabled;
        IsEnabled = true;
        return was;
    }

    /// <summary>Restores the mode on disposal. The default value changes nothing, so that a scope can be conditional.</summary>
    public readonly struct ModeScope : IDisposable
    {
        private readonly bool? _previous;

        internal ModeScope(bool enabled)
        {
            TorchRuntime.VerifyThread();
            _previous = IsEnabled;
            IsEnabled = enabled;
        }

        /// <inheritdoc/>
        public void Dispose() => IsEnabled = _previous ?? IsEnabled;
    }
}
