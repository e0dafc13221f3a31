namespace Graft.Formats;

/// <summary>Element counts of shapes that come from a file and may be nonsense.</summary>
internal static class ElementCount
{
    /// <summary>The product of the dimensions; false if one is negative or the product does not fit in 63 bits.</summary>
    public static bool TryGet(ReadOnlySpan<long> shape, out long count)
    {
        count = 1;
        foreach (var dimension in shape)
        {
            if (dimension < 0)
                return false;
            var product = (UInt128)(ulong)count * (ulong)dimension;
            if (product > long.MaxValue)
                return false;
            count = (long)product;
        }

        return true;
    }

    /// <summary>The bytes of so many elements; false if they do not fit in 63 bits.</summary>
    public static bool TryGetBytes(long count, int size, out long bytes)
    {
        var fits = count >= 0 && count <= long.MaxValue / size;
        bytes = fits ? count * size : 0;
        return fits;
    }
}
