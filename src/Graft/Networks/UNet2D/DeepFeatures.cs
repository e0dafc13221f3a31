using Graft.Sampling;
using Graft.Torch;

namespace Graft.Networks.UNet2DParts;

/// <summary>
/// What a U-Net's deep layers gave at one evaluation, for the next ones to take in place of computing it (Ma, Fang and Wang 2024, DeepCache):
/// of a run of evaluations with falling t. The way down then ends behind the first few skip connections, and the way up begins at the last of these.
/// </summary>
/// <param name="reuse">How often they are computed, and which layers are deep.</param>
/// <param name="onEnd">Called when the evaluations are done.</param>
internal sealed class DeepFeatures(FeatureReuse reuse, Action onEnd) : IDisposable
{
    private Tensor? _kept;
    private int _evaluations;

    /// <summary>Skip connections that every evaluation computes, from the first.</summary>
    internal int Fresh => reuse.Connections;

    /// <summary>What the way up had before it took the last of the fresh connections; null: this evaluation computes everything.</summary>
    internal Tensor? Given { get; private set; }

    /// <summary>An evaluation begins.</summary>
    internal void Begin() => Given = _evaluations++ % reuse.Every == 0 ? null : _kept;

    /// <summary>Keeps what the deep layers gave; its memory is shared, and nobody writes to it.</summary>
    internal void Keep(Tensor deep)
    {
        _kept?.Dispose();
        _kept = deep.Detach().Keep();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _kept?.Dispose();
        onEnd();
    }
}
