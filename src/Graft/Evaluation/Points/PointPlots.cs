using Graft.Charts;
using Graft.Data;
using Graft.Formats.Images;

namespace Graft.Evaluation;

/// <summary>Pictures of points in the plane: samples over the true density, and log density ratios as heat maps.</summary>
public static class PointPlots
{
    private const int Edge = 480; // of the plot's picture
    private const int Shown = 2000;
    private static readonly Rgb Dots = new(213, 94, 0);

    /// <summary>Whether items are points of the plane, which can be drawn.</summary>
    public static bool Fits(ISampleSource items)
    {
        ArgumentNullException.ThrowIfNull(items);
        return items.ItemShape == new ItemShape(2);
    }

    /// <summary>The first 2,000 samples as dots, over the true density where that is known.</summary>
    /// <param name="samples">Points of the plane.</param>
    /// <param name="density">The density; null: none is drawn.</param>
    /// <param name="title">Above it.</param>
    /// <exception cref="InputException">They are no points of the plane.</exception>
    public static Picture Samples(ISampleSource samples, GaussianMixture? density = null, string title = "")
    {
        Require(samples);
        if (density is not null && density.Dimensions != 2)
            throw new InputException($"{density} lies in {density.Dimensions} dimensions, and points of the plane are drawn: leave the density out.");
        var points = new (double X, double Y)[Math.Min(samples.Count, Shown)];
        var item = new float[2];
        for (var i = 0; i < points.Length; i++)
        {
            samples.Read(i, item);
            points[i] = (item[0], item[1]);
        }

        var range = Around(points, density);
        var outside = points.Count(p => !(Math.Max(Math.Abs(p.X), Math.Abs(p.Y)) <= range.To));
        return new Chart
        {
            Title = title,
            Width = Edge + (density is null ? 0 : 60),
            Height = Edge,
            XLabel = "x0",
            YLabel = "x1",
            XRange = range,
            YRange = range,
            Background = density is null ? null : new HeatMap { Value = (u, v) => Math.Exp(density.LogDensity([u, v])), Range = (0, Peak(density)) },
            Series = [new() { Label = $"{points.Length}{(points.Length < samples.Count ? $" of {samples.Count}" : "")} samples{(outside > 0 ? $", {outside} outside" : "")}", Points = [.. points.Where(p => Math.Max(Math.Abs(p.X), Math.Abs(p.Y)) <= range.To)], Kind = SeriesKind.Points, Colour = Dots, Width = 0.8 }],
        }.Draw();
    }

    /// <summary>A log density ratio log q/p as a heat map: red where the target is denser, blue where the source is.</summary>
    /// <param name="logRatio">Of x0 and x1: a true one (<see cref="Diffusion.MixtureRatio"/>), or a learnt one.</param>
    /// <param name="range">Both axes' ends.</param>
    /// <param name="largest">|log ratio| of the last colours.</param>
    /// <param name="title">Above it.</param>
    public static Picture LogRatio(Func<double, double, double> logRatio, (double From, double To) range, double largest = 5, string title = "log q/p") => new Chart
    {
        Title = title,
        Width = Edge + 60,
        Height = Edge,
        XLabel = "x0",
        YLabel = "x1",
        XRange = range,
        YRange = range,
        Background = new HeatMap { Value = logRatio, Range = (-largest, largest), IsDiverging = true },
        Series = [],
    }.Draw();

    /// <summary>Pictures side by side: as learnt and true.</summary>
    public static Picture Beside(params IReadOnlyList<Picture> pictures)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        return PictureGrid.Compose(pictures, pictures.Count, padding: 8);
    }

    private static void Require(ISampleSource samples)
    {
        if (!Fits(samples))
            throw new InputException($"Points of the plane can be drawn, and {samples.Description} holds items of {samples.ItemShape}.");
    }

    /// <summary>Square and round: the part of the density that matters; without one, the points but for the last outliers.</summary>
    private static (double From, double To) Around((double X, double Y)[] points, GaussianMixture? density)
    {
        var end = density?.Reach ?? Quantiles.At(points.SelectMany(p => new[] { Math.Abs(p.X), Math.Abs(p.Y) }).Where(double.IsFinite).DefaultIfEmpty(1), 0.995) * 1.15;
        end = Math.Ceiling(2 * Math.Max(end, 1e-3)) / 2;
        return (-end, end);
    }

    /// <summary>The largest density at a mean: near the top of the colours.</summary>
    private static double Peak(GaussianMixture density) => density.Means.Max(m => Math.Exp(density.LogDensity([.. m])));
}
