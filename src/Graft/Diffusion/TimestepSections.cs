using System.Globalization;

namespace Graft.Diffusion;

/// <summary>Which training steps a respaced process keeps, by openai's specs (Nichol and Dhariwal 2021, section 4; guided diffusion's respacing).</summary>
internal static class TimestepSections
{
    private const string WholeStride = "ddim";

    /// <summary>The steps of a spec in a schedule of <paramref name="count"/> steps, falling.</summary>
    public static int[] Parse(string spec, int count)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var kept = spec.StartsWith(WholeStride, StringComparison.Ordinal)
            ? Strided(Number(spec[WholeStride.Length..], spec), count)
            : Sections([.. spec.Split(',').Select(part => Number(part, spec))], count);
        return [.. kept.Distinct().OrderDescending()];
    }

    /// <summary>Every k-th step from 0, for the smallest k that gives as many as are wanted.</summary>
    private static IEnumerable<int> Strided(int wanted, int count)
    {
        for (var stride = 1; stride < Math.Max(2, count); stride++)
        {
            if (((count - 1) / stride) + 1 == wanted)
                return Enumerable.Range(0, wanted).Select(i => i * stride);
        }

        throw new InputException($"No whole stride visits {wanted} of {count} steps: give another number, or {wanted} without '{WholeStride}'.");
    }

    /// <summary>Sections of equal size (the first ones larger by one where it does not divide), each from its first to its last step.</summary>
    private static IEnumerable<int> Sections(int[] wanted, int count)
    {
        var first = 0;
        for (var i = 0; i < wanted.Length; i++)
        {
            var size = (count / wanted.Length) + (i < count % wanted.Length ? 1 : 0);
            if (wanted[i] > size)
                throw new InputException($"{wanted[i]} sampling steps were asked of a section of {size} training steps: ask for fewer, or for fewer sections.");
            // The stride is summed up and rounded to even, as the peer does: a product would differ in the last place now and then.
            var (stride, place) = (wanted[i] > 1 ? (size - 1.0) / (wanted[i] - 1) : 1, 0.0);
            for (var k = 0; k < wanted[i]; k++, place += stride)
                yield return first + (int)Math.Round(place);
            first += size;
        }
    }

    private static int Number(string text, string spec) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new InputException($"The time steps '{spec}' are no spec: give a number as 250, numbers for equal sections as 10,15,20, or a whole stride as ddim25.");
}
