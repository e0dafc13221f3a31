namespace Graft.Data.Ecg;

/// <summary>Names of the leads of an ECG, and the equations between those of the limbs.</summary>
/// <remarks>
/// Einthoven's law and Goldberger's definition of the augmented leads: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2,
/// aVF = II - I / 2. So any two limb leads give the other four.
/// </remarks>
public static class EcgLeads
{
    private static readonly string[] Names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];

    /// <summary>The limb leads as combinations of I and II.</summary>
    private static readonly (double I, double II)[] InI_II = [(1, 0), (0, 1), (-1, 1), (-0.5, -0.5), (1, -0.5), (-0.5, 1)];

    /// <summary>The twelve leads in their usual order: I, II, III, aVR, aVL, aVF, V1 to V6.</summary>
    public static IReadOnlyList<string> Standard { get; } = Names;

    /// <summary>The six limb leads, of which two are independent.</summary>
    public static IReadOnlyList<string> Limb { get; } = Names[..6];

    /// <summary>Eight independent leads in the order of SSSD-ECG: I, V1 to V6, aVF.</summary>
    public static IReadOnlyList<string> Independent { get; } = ["I", .. Names[6..], "aVF"];

    /// <summary>Twelve leads in the order in which SSSD-ECG gives them back: I, II, V1 to V6, III, aVR, aVL, aVF.</summary>
    public static IReadOnlyList<string> Sssd { get; } = ["I", "II", .. Names[6..], "III", "aVR", "aVL", "aVF"];

    /// <summary>The usual spelling of a lead: upper and lower case are the same, and the words "lead" and "ECG" before it do not count. Other names stay.</summary>
    /// <param name="name">As a file has it.</param>
    public static string Canonical(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var bare = name.Trim();
        foreach (var word in (ReadOnlySpan<string>)["ecg ", "lead "])
        {
            if (bare.StartsWith(word, StringComparison.OrdinalIgnoreCase))
                bare = bare[word.Length..].Trim();
        }

        return Array.Find(Names, n => n.Equals(bare, StringComparison.OrdinalIgnoreCase)) ?? name.Trim();
    }

    /// <summary>How a limb lead follows from two others: lead = A * first + B * second.</summary>
    /// <param name="lead">One of <see cref="Limb"/>.</param>
    /// <param name="first">Another.</param>
    /// <param name="second">A third, or the same as <paramref name="lead"/>.</param>
    public static (double A, double B) Equation(string lead, string first, string second)
    {
        var (p, q, wanted) = (InI_II[Place(first)], InI_II[Place(second)], InI_II[Place(lead)]);
        // Any two of the six are independent, so the determinant is not 0 unless they are the same.
        var determinant = (p.I * q.II) - (p.II * q.I);
        return determinant == 0
            ? throw new ArgumentException("two different leads are needed", nameof(second))
            : (((wanted.I * q.II) - (wanted.II * q.I)) / determinant, ((p.I * wanted.II) - (p.II * wanted.I)) / determinant);
    }

    /// <summary>Gives leads by name, those that are missing by the equations.</summary>
    /// <param name="samples">One row a lead, all as long and in the same physical unit.</param>
    /// <param name="names">The names of the rows.</param>
    /// <param name="wanted">The names of the rows that are given back.</param>
    /// <returns>The rows in the order of <paramref name="wanted"/>; those that were there are the same arrays.</returns>
    /// <exception cref="InputException">A lead is neither there nor can follow from others.</exception>
    public static double[][] Select(IReadOnlyList<double[]> samples, IReadOnlyList<string> names, IReadOnlyList<string> wanted)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(wanted);
        return [.. Plan(names, wanted).Select(p => p.Second < 0 ? samples[p.First] : Combine(samples[p.First], p.A, samples[p.Second], p.B))];
    }

    /// <summary>Whether every wanted lead is there or follows, without computing it.</summary>
    /// <exception cref="InputException">A lead is neither there nor can follow from others.</exception>
    internal static List<(int First, double A, int Second, double B)> Plan(IReadOnlyList<string> names, IReadOnlyList<string> wanted)
    {
        var limbs = Enumerable.Range(0, names.Count).Where(i => Place(names[i]) >= 0 && Place(names[i]) < 6).ToArray();
        var plan = new List<(int, double, int, double)>();
        foreach (var name in wanted)
        {
            var at = names.ToList().IndexOf(name);
            if (at >= 0)
            {
                plan.Add((at, 1, -1, 0));
                continue;
            }

            if (!Limb.Contains(name) || limbs.Length < 2)
            {
                throw new InputException(
                    $"The lead {Formats.FileFault.Quote(name)} is not among {Formats.FileFault.Shorten(string.Join(", ", names))} and does not follow from them; leave it out, or choose other data.");
            }

            var (a, b) = Equation(name, names[limbs[0]], names[limbs[1]]);
            plan.Add((limbs[0], a, limbs[1], b));
        }

        return plan;
    }

    private static int Place(string lead) => Array.IndexOf(Names, lead);

    private static double[] Combine(double[] first, double a, double[] second, double b)
    {
        var lead = new double[first.Length];
        for (var i = 0; i < lead.Length; i++)
            lead[i] = (a * first[i]) + (b * second[i]);
        return lead;
    }
}
