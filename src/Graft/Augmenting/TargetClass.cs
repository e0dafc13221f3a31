using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Graft.Data;
using Graft.Formats;

namespace Graft.Augmenting;

/// <summary>A class of a labelled target set.</summary>
/// <param name="Label">Its number.</param>
/// <param name="Name">What its folder is called: the class's name, or its number with zeros before it, so that names sort as numbers do.</param>
/// <param name="Indices">Its pictures.</param>
internal sealed record TargetClass(int Label, string Name, IReadOnlyList<int> Indices)
{
    private const int LongestName = 100;

    /// <summary>The classes of a set, in the order of their numbers.</summary>
    /// <exception cref="InputException">A picture has no label, or a class's name cannot name a folder.</exception>
    internal static IReadOnlyList<TargetClass> Of(IImageSource target)
    {
        var byLabel = new SortedDictionary<int, List<int>>();
        for (var i = 0; i < target.Count; i++)
        {
            if (target.Label(i) is not { } label)
                throw new InputException($"The picture {target.Name(i)} has no label, and samples are drawn class by class: give labels_from_folders, labels_csv, or an IDX file of labels.");
            if (!byLabel.TryGetValue(label, out var indices))
                byLabel.Add(label, indices = []);
            indices.Add(i);
        }

        var width = byLabel.Keys.Max().ToString(CultureInfo.InvariantCulture).Length;
        return [.. byLabel.Select(p => new TargetClass(p.Key, NameOf(target, p.Key, width), p.Value))];
    }

    /// <summary>SHA-256 over shape, pictures and labels of a set, in lower-case hexadecimal: which pictures these are, wherever they lie.</summary>
    internal static string Hash(IImageSource target)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes<int>([target.Shape.Channels, target.Shape.Height, target.Shape.Width, target.Count]));
        for (var i = 0; i < target.Count; i++)
        {
            hash.AppendData(MemoryMarshal.AsBytes<int>([target.Label(i) ?? -1]));
            hash.AppendData(target[i]);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string NameOf(IImageSource target, int label, int width)
    {
        if (label >= target.Classes.Count)
            return label.ToString(CultureInfo.InvariantCulture).PadLeft(width, '0');
        var name = target.Classes[label];
        return name.Length is > 0 and <= LongestName && char.IsLetterOrDigit(name[0]) && !name.EndsWith(' ') && !name.EndsWith('.')
            && name.All(c => char.IsLetterOrDigit(c) || " _-+.".Contains(c, StringComparison.Ordinal))
            ? name
            : throw new InputException($"The class {FileFault.Quote(name)} cannot name a folder of pictures: rename it, of letters, digits, blanks and _ - + . only.");
    }
}
