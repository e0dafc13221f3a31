using Graft.Data;

namespace Graft.Evaluation;

/// <summary>How memorisation is measured.</summary>
public sealed record MemorisationOptions
{
    /// <summary>The space.</summary>
    public ISampleDistance Distance { get; init; } = PixelDistance.Instance;

    /// <summary>Whether mirror images of training pictures count as copies too: they do where the training mirrored.</summary>
    public bool Mirrored { get; init; }

    /// <summary>Compare with at most so many training pictures, drawn by the seed; null for all.</summary>
    public int? MostTraining { get; init; }

    /// <summary>At most so many of them, drawn by the seed, look for their nearest other one; these look among all that are compared with.</summary>
    public int MostLeaveOneOut { get; init; } = 2000;

    /// <summary>Seed of these choices.</summary>
    public long Seed { get; init; }
}

/// <summary>Measures samples against one training set, as often as wanted: what depends on that set alone is computed once.</summary>
public sealed class MemorisationMeter
{
    private readonly MemorisationOptions _options;
    private readonly ISampleSource _training;
    private readonly int _total;
    private readonly IImageSource? _mirror;
    private readonly Lazy<(int[] LeftOut, Neighbour[] Nearest)> _leaveOneOut;

    /// <summary>Prepares the measurement; nothing is computed yet.</summary>
    /// <param name="training">The training pictures.</param>
    /// <param name="options">How; defaults if null.</param>
    public MemorisationMeter(ISampleSource training, MemorisationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(training);
        _options = options ?? new MemorisationOptions();
        _total = training.Count;
        var chosen = ImageSubset.Choose(training.Count, _options.MostTraining ?? training.Count, _options.Seed, "meter/training");
        _training = chosen.Length == training.Count ? training : training.Subset(chosen);
        _mirror = _options.Mirrored ? new MirroredImages(_training.Pictures("Mirror images are those of")) : null;
        _leaveOneOut = new(LeaveOneOut);
    }

    /// <summary>Compares samples with the training pictures.</summary>
    /// <param name="samples">Pictures (or other items) of the same shape.</param>
    /// <exception cref="InputException">The shapes differ.</exception>
    public Memorisation Measure(ISampleSource samples) => new()
    {
        Distance = _options.Distance,
        Samples = samples,
        Training = _training,
        TrainingTotal = _total,
        Mirrored = _options.Mirrored,
        Nearest = NearestNeighbour.Search(samples, _training, _mirror, _options.Distance, own: null),
        LeftOut = _leaveOneOut.Value.LeftOut,
        LeaveOneOut = _leaveOneOut.Value.Nearest,
    };

    private (int[] LeftOut, Neighbour[] Nearest) LeaveOneOut()
    {
        if (_training.Count < 2)
            return ([], []);
        var own = ImageSubset.Choose(_training.Count, _options.MostLeaveOneOut, _options.Seed, "meter/leave one out");
        var pictures = own.Length == _training.Count ? _training : _training.Subset(own);
        return (own, NearestNeighbour.Search(pictures, _training, _mirror, _options.Distance, own));
    }
}
