using System.Globalization;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// The weights whose validation was lowest so far (early stopping: Prechelt 1998), in a file of the run's folder. A run that goes on at an
/// older checkpoint meets the same value at the same step again, so that the file needs no place in checkpoints.
/// </summary>
internal sealed class BestWeights : IDisposable
{
    private const string FileName = "best.safetensors";
    private readonly TrainingStage _stage;
    private readonly string? _path;
    private Tensor[] _kept = [];

    /// <summary>Reads what an earlier part of the run found.</summary>
    /// <param name="stage">Whose weights.</param>
    /// <param name="folder">The run's folder; null keeps the weights in memory.</param>
    /// <param name="fresh">Whether the run begins: what lies there is another run's.</param>
    /// <exception cref="InputException">The file is broken, or belongs to another network.</exception>
    internal BestWeights(TrainingStage stage, string? folder, bool fresh)
    {
        _stage = stage;
        _path = folder is null ? null : Path.Combine(folder, FileName);
        if (_path is null || !File.Exists(_path))
            return;
        if (fresh)
        {
            File.Delete(_path);
            return;
        }

        using var file = WeightFile.Open(_path);
        if (!file.Metadata.TryGetValue("step", out var step) || !file.Metadata.TryGetValue("validation", out var value)
            || !long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
            || !double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var lowest))
        {
            throw new InputException($"The file {_path} does not say its step and validation: delete the run's folder to begin again.");
        }

        (Step, Value) = (at, lowest);
        using var scope = new TensorScope();
        _kept = [.. stage.State.Select(p =>
        {
            if (!file.Contains(p.Name) || !file.Describe(p.Name).Shape.AsSpan().SequenceEqual(p.Value.Shape))
                throw new InputException($"The file {_path} has no {p.Name} of {p.Value}: it belongs to another network.");
            return file.Read(p.Name).Keep();
        })];
    }

    /// <summary>The step of the lowest value; 0 before the first.</summary>
    internal long Step { get; private set; }

    /// <summary>The lowest value.</summary>
    internal double Value { get; private set; } = double.PositiveInfinity;

    /// <summary>Goes on from a value that another process read from its file, and which keeps the weights too.</summary>
    internal void Continue(long step, double value) => (Step, Value) = (step, value);

    /// <summary>Keeps the weights as they stand if the value is the lowest so far.</summary>
    internal void Offer(long step, double value)
    {
        if (!(value < Value))
            return;
        using var mode = Autograd.NoGrad();
        using var scope = new TensorScope();
        Forget();
        _kept = [.. _stage.State.Select(p => p.Value.Detach().Clone().Keep())];
        (Step, Value) = (step, value);
        if (_path is not null)
        {
            WeightFile.Write(_path, _stage.State, new Dictionary<string, string>
            {
                ["step"] = step.ToString(CultureInfo.InvariantCulture), ["validation"] = value.ToString("R", CultureInfo.InvariantCulture),
            });
        }
    }

    /// <summary>Puts the kept weights into the network; without any, nothing changes.</summary>
    internal void Restore()
    {
        using var mode = Autograd.NoGrad();
        foreach (var (kept, place) in _kept.Zip(_stage.State))
            place.Value.CopyFrom(kept);
    }

    /// <inheritdoc/>
    public void Dispose() => Forget();

    private void Forget()
    {
        foreach (var tensor in _kept)
            tensor.Dispose();
        _kept = [];
    }
}
