using System.Globalization;
using Graft.Data;

namespace Graft.Evaluation;

/// <summary>
/// How near samples lie to training pictures, measured by how near these lie to each other. A sample is memorised when its distance
/// to the nearest training picture is under half of the median leave-one-out distance; that half is one point of
/// <see cref="Curve"/>, which holds every other.
/// </summary>
public sealed record Memorisation
{
    /// <summary>The multiple of the median leave-one-out distance below which a sample counts as memorised.</summary>
    public const double Bar = 0.5;

    private const int CurveSteps = 40;

    /// <summary>The space in which distances were measured.</summary>
    public required ISampleDistance Distance { get; init; }

    /// <summary>What was measured.</summary>
    public required ISampleSource Samples { get; init; }

    /// <summary>The training pictures that samples were compared with.</summary>
    public required ISampleSource Training { get; init; }

    /// <summary>How many training pictures there are in all; more than were compared with, where that was limited.</summary>
    public required int TrainingTotal { get; init; }

    /// <summary>Whether samples were compared with mirror images of training pictures too.</summary>
    public required bool Mirrored { get; init; }

    /// <summary>The nearest training picture of each sample; indices of <see cref="Training"/>.</summary>
    public required IReadOnlyList<Neighbour> Nearest { get; init; }

    /// <summary>Which training pictures looked for their nearest other one: all, or a choice where there are many; none of a single one.</summary>
    public required IReadOnlyList<int> LeftOut { get; init; }

    /// <summary>For each of <see cref="LeftOut"/>, the nearest other training picture.</summary>
    public required IReadOnlyList<Neighbour> LeaveOneOut { get; init; }

    /// <summary>Median distance of the samples to their nearest training picture.</summary>
    public double MedianDistance => Quantiles.Median(Nearest.Select(n => n.Distance));

    /// <summary>Median leave-one-out distance of the training pictures: what "near" means in this set; null where there is but one.</summary>
    public double? MedianLeaveOneOut => LeaveOneOut.Count == 0 ? null : Quantiles.Median(LeaveOneOut.Select(n => n.Distance));

    /// <summary>Why there is no share, in a sentence; null where there is one.</summary>
    public string? NoShare => MedianLeaveOneOut switch
    {
        null => "No share is given: with a single training picture no leave-one-out distance exists, and so no measure of what is near.",
        0 => "No share is given: half of the training pictures or more have an exact twin, so that the median leave-one-out distance is 0; remove the twins.",
        _ => null,
    };

    /// <summary>The share of memorised samples; null where <see cref="NoShare"/> says why.</summary>
    public Share? Memorised => ShareBelow(Bar);

    /// <summary>Median distance of the samples over the median leave-one-out distance: 1 is as far as training pictures lie from each other.</summary>
    public double? MedianRatio => NoShare is null ? MedianDistance / MedianLeaveOneOut : null;

    /// <summary>The share of samples below every multiple of the median leave-one-out distance from 0 to 2; empty without one.</summary>
    public IReadOnlyList<(double Multiple, Share Share)> Curve => NoShare is not null
        ? []
        : [.. Enumerable.Range(0, CurveSteps + 1).Select(i => 2.0 * i / CurveSteps).Select(m => (m, ShareBelow(m)!.Value))];

    /// <summary>Pairs of training pictures at distance 0.</summary>
    public IReadOnlyList<(int First, int Second, bool Mirrored)> Duplicates =>
    [
        .. LeftOut.Zip(LeaveOneOut, (i, n) => (First: Math.Min(i, n.Index), Second: Math.Max(i, n.Index), n.Mirrored, n.Distance))
            .Where(pair => pair.Distance == 0)
            .Select(pair => (pair.First, pair.Second, pair.Mirrored))
            .Distinct(),
    ];

    /// <summary>One line for people: what was compared with what, where.</summary>
    public string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"{Samples.Count} samples against {Compared()}{(Mirrored ? ", as they are and mirrored" : "")}; {Distance.Name}");

    /// <summary>The share of samples strictly nearer than a multiple of the median leave-one-out distance; null without one.</summary>
    public Share? ShareBelow(double multiple)
    {
        if (NoShare is not null)
            return null;
        var bar = multiple * MedianLeaveOneOut; // once: it sorts
        return new Share(Nearest.Count(n => n.Distance < bar), Nearest.Count);
    }

    private string Compared() => Training.Count == TrainingTotal
        ? FormattableString.Invariant($"{TrainingTotal:N0} training {(TrainingTotal == 1 ? Training.Noun()[..^1] : Training.Noun())}")
        : FormattableString.Invariant($"{Training.Count:N0} of the {TrainingTotal:N0} training {Training.Noun()}, drawn by the seed");
}
