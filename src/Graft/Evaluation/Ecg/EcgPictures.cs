using System.Globalization;
using Graft.Charts;
using Graft.Data.Ecg;
using Graft.Formats.Images;

namespace Graft.Evaluation.Ecg;

/// <summary>Judged ECGs to look at.</summary>
public static class EcgPictures
{
    private const int Shown = 4;
    private const double Rate = 5; // beats a minute of a bar

    /// <summary>The most copied samples on paper, each beside the training record that is nearest to it.</summary>
    public static Picture Nearest(Memorisation found)
    {
        ArgumentNullException.ThrowIfNull(found);
        var (samples, training) = (EcgItems.Of(found.Samples, "Paper shows"), EcgItems.Of(found.Training, "Paper shows"));
        var order = Enumerable.Range(0, found.Nearest.Count).OrderBy(i => found.Nearest[i].Distance).Take(Shown).ToArray();
        var paper = new EcgPaper { Scale = 3 };
        return paper.Beside(
            [.. order.Select(i => (samples.Card, samples[i], $"Sample {Ascii(samples[i].Name)}"))],
            [.. order.Select(i => (training.Card, training[found.Nearest[i].Index], $"Nearest in training: {Ascii(training[found.Nearest[i].Index].Name)}, {Caption(found, found.Nearest[i])}"))]);
    }

    /// <summary>How often each heart rate is, of samples and of the target.</summary>
    /// <param name="samples">Beats a minute.</param>
    /// <param name="target">Beats a minute.</param>
    /// <param name="distance">Between the two, for the title.</param>
    public static Picture HeartRates(IReadOnlyList<double> samples, IReadOnlyList<double> target, double distance)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(target);
        double[] all = [.. samples, .. target];
        var (low, high) = (Math.Floor(all.Min() / Rate) * Rate, (Math.Floor(all.Max() / Rate) + 1) * Rate);
        return new Chart
        {
            Title = string.Create(CultureInfo.InvariantCulture, $"Heart rates: {distance:0.0} beats a minute apart (Wasserstein distance)"),
            XLabel = "beats a minute",
            YLabel = "share of records",
            Series = [Bars(samples, low, high, $"{samples.Count} samples"), Bars(target, low, high, $"{target.Count} of the target")],
        }.Draw();
    }

    private static Series Bars(IReadOnlyList<double> values, double low, double high, string label)
    {
        var bars = new int[(int)Math.Round((high - low) / Rate)];
        foreach (var v in values)
            bars[Math.Min(bars.Length - 1, (int)((v - low) / Rate))]++;
        return new Series
        {
            Label = label,
            Kind = SeriesKind.Bars,
            Points = [.. bars.Select((n, i) => (low + (i * Rate), n / (double)values.Count)), (high, 0)],
        };
    }

    private static string Caption(Memorisation found, Neighbour neighbour) => string.Create(CultureInfo.InvariantCulture,
        $"{neighbour.Distance:0.000}{(found.NoShare is null ? $" ({neighbour.Distance / found.MedianLeaveOneOut:0.00} x median)" : "")}");

    private static string Ascii(string name) => new([.. name.Select(c => c is >= ' ' and <= '~' ? c : '?')]);
}
