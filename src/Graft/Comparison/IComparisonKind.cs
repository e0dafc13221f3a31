using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Comparison;

/// <summary>
/// What a comparison of one kind of items looks at: measures, which way each is better, rows that need no training, pictures and words
/// of the page. It is known from the recipe alone, so that a report needs neither model nor data; what needs them is
/// <see cref="IComparisonBench"/>. A new kind is a class beside this file and a line in <see cref="ComparisonKinds"/>.
/// </summary>
internal interface IComparisonKind
{
    /// <summary>What items are called: <c>pictures</c>. Part of the cells' keys, <c>training_pictures</c>.</summary>
    string Noun { get; }

    /// <summary>The values that tables show.</summary>
    IReadOnlyList<ComparisonMeasure> Measures { get; }

    /// <summary>The value that decides when a method is at its best.</summary>
    string Quality { get; }

    /// <summary>The value that quality is drawn against; null: none.</summary>
    string? Diversity { get; }

    /// <summary>The share of copies.</summary>
    string Copies { get; }

    /// <summary>Whether methods are shown at their best even where a single step was measured.</summary>
    bool ShowsBestOfOneStep { get; }

    /// <summary>What the page says of each value.</summary>
    IReadOnlyList<(string Word, string Meaning)> Meanings { get; }

    /// <summary>What the page says of all of them.</summary>
    string Footing { get; }

    /// <summary>What the Markdown table says of its rows and values; empty: nothing.</summary>
    string Legend { get; }

    /// <summary>A cell's pictures: what their files are called behind the cell's name, what the page writes below, and its style.</summary>
    IReadOnlyList<(string Suffix, string Caption, string Style)> Pictures { get; }

    /// <summary>The column of a measure.</summary>
    /// <param name="metric">The metric that holds it.</param>
    /// <param name="measure">The measure.</param>
    ComparisonColumn ColumnOf(string metric, ComparisonMeasure measure);

    /// <summary>Rows that are no method and need no training, in order.</summary>
    IReadOnlyList<string> RowsBeside(CompareRecipe recipe, string target);

    /// <summary>The seeds that these are measured with.</summary>
    IReadOnlyList<long> SeedsBeside(CompareRecipe recipe);

    /// <summary>Whether the targets are one domain and differ in their number of items only, so that values can be drawn over it.</summary>
    bool IsOneDomain(CompareRecipe recipe);

    /// <summary>What the data of a cell are, where a cell says so and is held to it; null: it does not.</summary>
    JsonObject? DataOf(CompareRecipe recipe, ComparisonCell cell);

    /// <summary>Checks what can be checked without data.</summary>
    /// <exception cref="InputException">Something does not fit this kind.</exception>
    void Check(CompareRecipe recipe);

    /// <summary>Opens what measuring needs.</summary>
    /// <param name="recipe">The comparison.</param>
    /// <param name="source">Its source, which the caller keeps.</param>
    /// <param name="run">Who is told of warnings.</param>
    /// <exception cref="InputException">Something is missing or does not fit.</exception>
    IComparisonBench Open(CompareRecipe recipe, DiffusionModel source, TrainingRun run);
}

/// <summary>Where the cells of a comparison are measured: data, drawing, metrics.</summary>
internal interface IComparisonBench : IDisposable
{
    /// <summary>What a cell's method is trained on.</summary>
    ISampleSource Training(ComparisonCell cell);

    /// <summary>What its samples are held against; null: nothing.</summary>
    ISampleSource? Reference(ComparisonCell cell);

    /// <summary>Draws what is measured.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="model">Its model; null for a row that has none.</param>
    /// <returns>The samples, and how they were drawn.</returns>
    (ISampleSource Samples, JsonObject How) Draw(ComparisonCell cell, DiffusionModel? model);

    /// <summary>Measures.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="model">Its model; null for a row that has none.</param>
    /// <param name="samples">What was drawn.</param>
    /// <param name="run">The folder of the training; null where there was none.</param>
    Findings Measure(ComparisonCell cell, DiffusionModel? model, ISampleSource samples, string? run);
}

/// <summary>What was found of a cell's samples.</summary>
/// <param name="Reports">The metrics'.</param>
/// <param name="Pictures">Pictures to look at, by what their files are called behind the cell's name.</param>
internal sealed record Findings(IReadOnlyList<MetricReport> Reports, IReadOnlyList<(string Suffix, Picture Picture)> Pictures);

/// <summary>A value that tables show.</summary>
/// <param name="Value">Its name within its metric.</param>
/// <param name="Title">What a column is called.</param>
/// <param name="Higher">Whether higher is better; null: neither, it is reported and decides nothing.</param>
internal sealed record ComparisonMeasure(string Value, string Title, bool? Higher);

/// <summary>The kinds of comparisons.</summary>
internal static class ComparisonKinds
{
    /// <summary>The kind that a recipe's data ask for.</summary>
    internal static IComparisonKind Of(CompareRecipe recipe) =>
        recipe.Targets.Values.Any(t => t.Training.IsPoints) ? PointComparison.Instance
        : recipe.Targets.Values.Any(t => t.Training.Ecg is not null) ? EcgComparison.For(recipe)
        : PictureComparison.Instance;
}
