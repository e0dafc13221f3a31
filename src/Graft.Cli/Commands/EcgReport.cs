using System.Globalization;
using Graft.Formats.Images;
using Graft.Inspection;

namespace Graft.Cli.Commands;

/// <summary>What <c>graft inspect</c> says of ECGs.</summary>
internal static class EcgReport
{
    private const int MostLabels = 24;

    internal static void Show(string path, string? record, string? plot, bool json)
    {
        var ecg = EcgInspection.Of(path, record);
        if (plot is not null)
            ImageCodec.SavePng(plot, ecg.Plot());
        if (json)
            Terminal.Result(ecg.ToJson());
        else
            Print(ecg);
        if (plot is not null)
            Terminal.Note($"The first record is drawn in {plot}.");
    }

    private static void Print(EcgInspection ecg)
    {
        Terminal.Result(ecg.Path);
        Line("what", ecg.Description);
        if (ecg.Records > 1)
            Line("records", ecg.Records.ToString(CultureInfo.InvariantCulture));
        if (ecg.Leads.Count > 0)
            Line("leads", $"{ecg.Leads.Count}: {string.Join(' ', ecg.Leads)}");
        if (ecg.SamplingRate is { } rate)
        {
            Line("rate", string.Create(CultureInfo.InvariantCulture, $"{rate:0.######} Hz"));
            Line("length", string.Create(CultureInfo.InvariantCulture, $"{string.Join(" to ", ecg.Samples)} samples, {string.Join(" to ", ecg.Samples.Select(s => (s / rate).ToString("0.###", CultureInfo.InvariantCulture)))} s"));
        }

        if (ecg.Unit.Length > 0)
            Line("unit", ecg.Unit);
        if (ecg.Checksums.Length > 0)
            Line("checksums", ecg.Checksums);
        if (ecg.Splits.Count > 0)
            Line("splits", string.Join(", ", ecg.Splits.Select(s => $"{s.Key} {s.Value}")));
        if (ecg.Labels.Count > 0)
            Line("labels", string.Join(", ", ecg.Labels.Take(MostLabels).Select(l => ecg.Records > 1 ? $"{l.Key} {l.Value}" : l.Key)) + (ecg.Labels.Count > MostLabels ? $", and {ecg.Labels.Count - MostLabels} more" : ""));
        foreach (var note in ecg.Notes)
            Line("note", note);
    }

    private static void Line(string label, string text) => Terminal.Result($"  {label,-12}  {text}");
}
