using System.IO.Enumeration;
using System.Text.RegularExpressions;

namespace Graft.Hub;

/// <summary>
/// Which files of a model are pulled: by default what Graft can read. Patterns are huggingface_hub's: <c>*</c> stands for anything,
/// slashes too, <c>?</c> for one character, and a pattern that ends in a slash means all below it.
/// </summary>
public static partial class FileSelection
{
    private static readonly string[] Weights = [".safetensors", ".bin"];

    /// <summary>Divides a listing.</summary>
    /// <param name="paths">The paths of all files.</param>
    /// <param name="include">Patterns of what is taken; empty: what Graft can read.</param>
    /// <param name="exclude">Patterns of what is left out all the same.</param>
    public static (IReadOnlyList<string> Taken, IReadOnlyList<LeftOut> LeftOut) Of(
        IEnumerable<string> paths, IReadOnlyList<string> include, IReadOnlyList<string> exclude)
    {
        var all = paths.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        var (taken, left) = (new List<string>(), new List<LeftOut>());
        var safetensors = all.Where(p => p.EndsWith(".safetensors", StringComparison.Ordinal)).Select(Stem).ToHashSet(StringComparer.Ordinal);
        var known = all.ToHashSet(StringComparer.Ordinal);
        foreach (var path in all)
        {
            var why = include.Count > 0
                ? include.Any(p => Matches(p, path)) ? null : "not included"
                : Useless(path, safetensors, known);
            if (why is null && exclude.Any(p => Matches(p, path)))
                why = "excluded";
            if (why is null)
                taken.Add(path);
            else
                left.Add(new LeftOut(path, why));
        }

        return (taken, left);
    }

    private static string? Useless(string path, HashSet<string> safetensors, HashSet<string> known)
    {
        // weights.fp16.safetensors beside weights.safetensors is the same model with less in it.
        var name = path[(path.LastIndexOf('/') + 1)..];
        if (Variant().Match(name) is { Success: true } variant
            && known.Contains(path[..^name.Length] + variant.Groups["stem"].Value + variant.Groups["end"].Value))
        {
            return "a variant of a file that is pulled";
        }

        if (path.EndsWith(".bin", StringComparison.Ordinal) || path.EndsWith(".bin.index.json", StringComparison.Ordinal))
            return safetensors.Contains(Stem(path)) ? "the same weights are there as safetensors" : null;
        return path.EndsWith(".json", StringComparison.Ordinal) || Weights.Any(e => path.EndsWith(e, StringComparison.Ordinal))
            ? null
            : "nothing that Graft reads";
    }

    /// <summary>What a weight file and its twin in the other format have in common: no ending, no number of a shard.</summary>
    private static string Stem(string path)
    {
        var stem = Ending().Replace(path, "");
        stem = Shard().Replace(stem, "");
        var slash = stem.LastIndexOf('/') + 1;
        // transformers calls the same weights pytorch_model.bin and model.safetensors.
        return stem[slash..].StartsWith("pytorch_model", StringComparison.Ordinal) ? stem[..slash] + stem[(slash + "pytorch_".Length)..] : stem;
    }

    private static bool Matches(string pattern, string path) =>
        FileSystemName.MatchesSimpleExpression(pattern.EndsWith('/') ? pattern + "*" : pattern, path, ignoreCase: false);

    [GeneratedRegex(@"\A(?<stem>[^.]+)\.(fp16|fp32|bf16|non_ema|ema)(?<end>\.(safetensors|bin)(\.index\.json)?)\z")]
    private static partial Regex Variant();

    [GeneratedRegex(@"\.(safetensors|bin)(\.index\.json)?\z")]
    private static partial Regex Ending();

    [GeneratedRegex(@"-[0-9]{5}-of-[0-9]{5}\z")]
    private static partial Regex Shard();
}
