using System.Security.Cryptography;
using System.Text;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>SHA-256 over the names and values of tensors, in lower-case hexadecimal: which weights these are, wherever they lie.</summary>
internal static class WeightFingerprint
{
    /// <summary>The fingerprint, in the order given.</summary>
    internal static string Of(IEnumerable<NamedTensor> tensors) => TorchRuntime.Run(() =>
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, value) in tensors)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            value.WithBytes((memory, length) => Append(hash, memory, length));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    });

    private static unsafe void Append(IncrementalHash hash, nint memory, long length)
    {
        const int Block = 1 << 28;
        for (var offset = 0L; offset < length; offset += Block)
            hash.AppendData(new ReadOnlySpan<byte>((byte*)memory + offset, (int)Math.Min(Block, length - offset)));
    }
}
