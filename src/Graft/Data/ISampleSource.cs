using Graft.Data.Ecg;

namespace Graft.Data;

/// <summary>
/// A set of items of one shape, whatever they are: what training reads. Pictures are one kind (<see cref="IImageSource"/>); what needs
/// pictures asks for them by <see cref="SampleSources.Pictures"/>.
/// </summary>
/// <remarks>Implementations never change after they are made and may be read from several threads.</remarks>
public interface ISampleSource
{
    /// <summary>How many items there are, at least 1.</summary>
    int Count { get; }

    /// <summary>The shape that every item has.</summary>
    ItemShape ItemShape { get; }

    /// <summary>One item's numbers in row-major order, in the range that networks see: pictures in [-1, 1], others as they are.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <param name="values">As many as <see cref="ItemShape.Elements"/>.</param>
    void Read(int index, Span<float> values);

    /// <summary>What to call an item in messages and reports: a relative path, or file and number.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    string Name(int index);

    /// <summary>The class of an item, or null if the set has none.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    int? Label(int index);

    /// <summary>The labels of an item that may have any number of them: one number for each class, 1 or 0. Null where the set has no such labels.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    float[]? LabelSet(int index) => null;

    /// <summary>Whether nothing may be trained on these items, which is refused.</summary>
    bool IsForJudging => false;

    /// <summary>Names of the classes, where the set knows them: label n is called <c>Classes[n]</c>. May be empty.</summary>
    IReadOnlyList<string> Classes { get; }

    /// <summary>One line for people: what it is, where from, how many. It tells one set from another when a run is resumed.</summary>
    string Description { get; }
}

/// <summary>Conveniences over <see cref="ISampleSource"/>.</summary>
public static class SampleSources
{
    /// <summary>The set as pictures.</summary>
    /// <param name="source">Where from.</param>
    /// <param name="what">What needs pictures, as the beginning of a sentence: <c>FID compares</c>.</param>
    /// <exception cref="InputException">It holds something else.</exception>
    public static IImageSource Pictures(this ISampleSource source, string what)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source as IImageSource
            ?? throw new InputException($"{what} pictures, and {source.Description} holds items of {source.ItemShape}: leave it out for these.");
    }

    /// <summary>Some items of a set, in the order given; pictures stay pictures, and ECGs ECGs.</summary>
    /// <param name="source">The set.</param>
    /// <param name="indices">Which, at least one, 0 to the set's count - 1.</param>
    public static ISampleSource Subset(this ISampleSource source, IReadOnlyList<int> indices) =>
        source is IImageSource images ? new ImageSubset(images, indices)
        : source is EcgItems ecgs ? ecgs.Choose(indices)
        : new SampleSubset(source, indices);

    /// <summary>Every item as a row, in double precision, [N, elements].</summary>
    internal static double[,] Numbers(this ISampleSource source)
    {
        var rows = new double[source.Count, source.ItemShape.Elements];
        var item = new float[source.ItemShape.Elements];
        for (var i = 0; i < source.Count; i++)
        {
            source.Read(i, item);
            for (var k = 0; k < item.Length; k++)
                rows[i, k] = item[k];
        }

        return rows;
    }

    /// <summary>What its items are called in messages.</summary>
    internal static string Noun(this ISampleSource source) => source is IImageSource ? "pictures" : source is EcgItems ? "records" : "items";
}
