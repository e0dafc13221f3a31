using System.Buffers.Binary;
using Graft.Data.Ecg;

namespace Graft.Tests.Data.Ecg;

/// <summary>ECGs made by formulas, and WFDB records of them.</summary>
internal static class CraftedEcg
{
    public static EcgCard Card(double rate = 100, string unit = "mV", params string[] leads) =>
        new() { Name = "crafted", Leads = leads.Length > 0 ? leads : EcgLeads.Standard, SamplingRate = rate, Unit = unit };

    /// <summary>A set of one record a row of functions of time in seconds.</summary>
    public static EcgSet Set(EcgCard card, int samples, params Func<int, double, double>[] records) => new(
        card,
        [.. records.Select((f, r) => new EcgRecord($"r{r}", [.. Enumerable.Range(0, card.Leads.Count * samples).Select(i => (float)f(i / samples, i % samples / card.SamplingRate))], card.Leads.Count))]);

    /// <summary>Beats at given seconds: a narrow R wave, a small Q and S, and a wide T wave; limb leads as their equations say.</summary>
    public static double Beat(int lead, double t, IReadOnlyList<double> beats)
    {
        var (i, ii) = (0.0, 0.0);
        foreach (var beat in beats)
        {
            double Bump(double centre, double width) => Math.Exp(-0.5 * Math.Pow((t - beat - centre) / width, 2));
            i += (0.6 * Bump(0, 0.01)) - (0.08 * Bump(-0.03, 0.008)) + (0.15 * Bump(0.25, 0.04));
            ii += (1.1 * Bump(0, 0.01)) - (0.15 * Bump(0.03, 0.01)) + (0.3 * Bump(0.25, 0.04));
        }

        return lead switch
        {
            0 => i,
            1 => ii,
            2 => ii - i,
            3 => -(i + ii) / 2,
            4 => i - (ii / 2),
            5 => ii - (i / 2),
            _ => (0.2 * (lead - 8) * ii) + (0.3 * i),
        };
    }

    /// <summary>Writes a record of format 16 with right checksums.</summary>
    public static void WriteWfdb(string folder, string name, IReadOnlyList<string> leads, int[][] digital, double rate = 100, double gain = 1000, string comments = "")
    {
        Directory.CreateDirectory(folder);
        var bytes = new byte[2 * leads.Count * digital[0].Length];
        for (var t = 0; t < digital[0].Length; t++)
        {
            for (var lead = 0; lead < leads.Count; lead++)
                BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * ((t * leads.Count) + lead)), (short)digital[lead][t]);
        }

        File.WriteAllBytes(Path.Combine(folder, name + ".dat"), bytes);
        File.WriteAllText(
            Path.Combine(folder, name + ".hea"),
            FormattableString.Invariant($"{name} {leads.Count} {rate} {digital[0].Length}\n")
            + string.Concat(leads.Select((lead, i) => FormattableString.Invariant($"{name}.dat 16 {gain}(0)/mV 16 0 {digital[i][0]} {unchecked((short)digital[i].Sum())} 0 {lead}\n")))
            + comments);
    }

    /// <summary>Small numbers that differ by lead, time and record.</summary>
    public static int[][] Digital(int leads, int samples, int key) => [.. Enumerable.Range(0, leads).Select(lead =>
        Enumerable.Range(0, samples).Select(t => (((lead * 7919) + (t * 104729) + (key * 1299709)) % 2001) - 1000).ToArray())];
}
