using System.Security.Cryptography;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks.Backbones;

/// <summary>Weights of feature networks: published files, read by name.</summary>
internal static class BackboneFile
{
    /// <summary>Prefixes that training scripts put before every name.</summary>
    private static readonly string[] Wrappers = ["", "module.", "net.", "model."];

    /// <summary>SHA-256 of a file's bytes in lower-case hexadecimal; PyTorch's published names end in its first eight digits.</summary>
    /// <exception cref="InputException">There is no such file, or it cannot be read.</exception>
    public static string Hash(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The file '{path}' cannot be read ({e.Message}); check the path.", e);
        }
    }

    /// <summary>Fills a network by name; whatever else the file holds is ignored.</summary>
    /// <param name="network">What to fill.</param>
    /// <param name="path">The file.</param>
    /// <param name="name">The network's name, for messages.</param>
    /// <param name="published">Which file would do, for messages.</param>
    /// <param name="optionalPrefix">What the file's names may lack at the front.</param>
    /// <exception cref="InputException">The file is missing, broken, or holds another network.</exception>
    public static void Load(Module network, string path, string name, string published, string optionalPrefix = "")
    {
        using var file = WeightFile.Open(path);
        var due = network.Parameters().Select(p => (p.Name, Shape: p.Value.Shape.ToArray())).ToArray();
        var named = (from wrapper in Wrappers
                     from cut in new[] { "", optionalPrefix }.Distinct()
                     let rename = (Func<string, string>)(n => wrapper + (n.StartsWith(cut, StringComparison.Ordinal) ? n[cut.Length..] : n))
                     orderby due.Count(d => file.Contains(rename(d.Name))) descending
                     select rename).First();
        var missing = due.Where(d => !file.Contains(named(d.Name))).ToArray();
        if (missing.Length == due.Length)
            throw Other(path, name, published, $"none of its tensors is called as one of {name}'s (the first is {FileFault.Quote(file.Names.FirstOrDefault() ?? "")})");
        if (missing.Length > 0)
            throw Other(path, name, published, $"{missing.Length} of {name}'s {due.Length} tensors are missing, '{missing[0].Name}' first");
        foreach (var (tensor, shape) in due)
        {
            var (type, given) = file.Describe(named(tensor));
            if (!given.AsSpan().SequenceEqual(shape))
                throw Other(path, name, published, $"'{tensor}' is [{string.Join(", ", given)}] where [{string.Join(", ", shape)}] is due");
            if (!type.IsFloatingPoint())
                throw Other(path, name, published, $"'{tensor}' holds {type}, not real numbers");
        }

        network.Load(n => file.Read(named(n)), path);
        network.Train(false);
        network.RequireGrad(false);
    }

    private static InputException Other(string path, string name, string published, string why) =>
        new($"The file '{path}' does not hold {name}: {why}; give {published}.");
}
