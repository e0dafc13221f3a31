using Graft.Torch;

namespace Graft.Data;

/// <summary>A few labelled pictures of each class, chosen by a seed: what few-shot and semi-supervised experiments begin with.</summary>
public static class FewPerClass
{
    /// <summary>The first pictures of each class of a permutation of the set, which depends on the seed and the set's size only.</summary>
    /// <param name="images">The set; each picture has a label.</param>
    /// <param name="count">How many of each class, at least 1.</param>
    /// <param name="seed">Which.</param>
    /// <returns>The chosen pictures and the numbers of the others, both in the set's order.</returns>
    /// <exception cref="InputException">A picture has no label, or a class has fewer pictures.</exception>
    public static (IImageSource Chosen, IReadOnlyList<int> Others) Of(IImageSource images, int count, long seed)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var taken = new Dictionary<int, int>();
        var chosen = new List<int>();
        var others = new List<int>();
        foreach (var index in new KeyedRandom(seed, "data/few per class").Permutation(0, images.Count))
        {
            if (images.Label(index) is not { } label)
                throw new InputException($"The picture {images.Name(index)} has no label, by which a few of each class are chosen: give the file of labels, or sub-folders and labels_from_folders.");
            var before = taken.GetValueOrDefault(label);
            (before < count ? chosen : others).Add(index);
            taken[label] = Math.Min(before + 1, count);
        }

        var lacking = taken.Where(p => p.Value < count).Select(p => (int?)p.Key).Min();
        if (lacking is { } least)
            throw new InputException($"The class {least} has {taken[least]} pictures in {images.Description}, and {count} of each class are due: ask for fewer, or leave the class out.");
        chosen.Sort();
        others.Sort();
        return (new ImageSubset(images, chosen) { Choice = FormattableString.Invariant($" ({count} a class, seed {seed})") }, others);
    }
}
