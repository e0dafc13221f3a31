using System.Globalization;
using Graft.Formats;

namespace Graft.Data.Ecg;

/// <summary>The SCP-ECG statements of PTB-XL.</summary>
public static class ScpCodes
{
    /// <summary>
    /// The 71 statements in ordinal order: the classes of the task "all" of PTB-XL's benchmark (Strodthoff et al., "Deep Learning for ECG
    /// Analysis", IEEE J-BHI 25(5), 2021), and the labels of SSSD-ECG by their places.
    /// </summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "1AVB", "2AVB", "3AVB", "ABQRS", "AFIB", "AFLT", "ALMI", "AMI", "ANEUR", "ASMI", "BIGU", "CLBBB", "CRBBB", "DIG", "EL", "HVOLT", "ILBBB",
        "ILMI", "IMI", "INJAL", "INJAS", "INJIL", "INJIN", "INJLA", "INVT", "IPLMI", "IPMI", "IRBBB", "ISCAL", "ISCAN", "ISCAS", "ISCIL", "ISCIN",
        "ISCLA", "ISC_", "IVCD", "LAFB", "LAO/LAE", "LMI", "LNGQT", "LOWT", "LPFB", "LPR", "LVH", "LVOLT", "NDT", "NORM", "NST_", "NT_", "PAC", "PACE",
        "PMI", "PRC(S)", "PSVT", "PVC", "QWAVE", "RAO/RAE", "RVH", "SARRH", "SBRAD", "SEHYP", "SR", "STACH", "STD_", "STE_", "SVARR", "SVTAC", "TAB_",
        "TRIGU", "VCLVH", "WPW",
    ];

    /// <summary>The nine classes of CPSC-2018 as PTB-XL's statements, class 1 first.</summary>
    /// <remarks>Normal, atrial fibrillation, first-degree AV block, left and right bundle branch block, premature atrial and ventricular contraction, ST depression and elevation.</remarks>
    public static IReadOnlyList<string> Cpsc2018 { get; } = ["NORM", "AFIB", "1AVB", "CLBBB", "CRBBB", "PAC", "PVC", "STD_", "STE_"];

    /// <summary>Reads the statements' codes from <c>scp_statements.csv</c>, in ordinal order.</summary>
    /// <param name="path">The file; its first column holds the codes.</param>
    /// <exception cref="InputException">It cannot be read, or a code is empty or there twice.</exception>
    public static IReadOnlyList<string> Read(string path)
    {
        var table = CsvTable.Read(path, "statements of PTB-XL");
        var codes = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (line, fields) in table.Rows)
        {
            if (fields[0].Length == 0 || !codes.Add(fields[0]))
                throw table.Fault(line, $"begins with {FileFault.Quote(fields[0])}, which must be a code that no other line has");
        }

        return codes.Count > 0 ? [.. codes] : throw new InputException($"The statements of PTB-XL '{path}' are empty; give the file as its publisher ships it.");
    }

    /// <summary>Codes and likelihoods in the form of a Python dictionary, <c>{'NORM': 100.0, 'SR': 0.0}</c>; null where it is none.</summary>
    internal static Dictionary<string, double>? Parse(string text)
    {
        text = text.Trim();
        if (text is not ['{', .., '}'])
            return null;
        var codes = new Dictionary<string, double>(StringComparer.Ordinal);
        var inside = text[1..^1].Trim();
        if (inside.Length == 0)
            return codes;
        foreach (var item in inside.Split(','))
        {
            var colon = item.LastIndexOf(':');
            if (colon < 0)
                return null;
            var code = item[..colon].Trim();
            if (code.Length < 3 || code[0] is not ('\'' or '"') || code[^1] != code[0]
                || !double.TryParse(item[(colon + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var likelihood)
                || likelihood is not (>= 0 and <= 100)
                || !codes.TryAdd(code[1..^1], likelihood))
                return null;
        }

        return codes;
    }

    /// <summary>PTB-XL writes 0 for men and 1 for women.</summary>
    internal static string? Sex(string text) => text switch
    {
        "0" or "0.0" => "M",
        "1" or "1.0" => "F",
        _ => null,
    };
}
