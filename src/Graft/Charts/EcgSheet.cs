using Graft.Data;
using Graft.Data.Ecg;
using Graft.Formats.Images;

namespace Graft.Charts;

/// <summary>Drawn ECGs on paper, beside real ones where there are any. Twelve leads are shown where they follow from those of the model.</summary>
public static class EcgSheet
{
    /// <summary>ECGs on a sheet.</summary>
    public const int Shown = 4;

    /// <summary>Draws the first ones.</summary>
    /// <param name="samples">Drawn ECGs, with their card.</param>
    /// <param name="real">Real ones of the same leads; null: none.</param>
    /// <exception cref="ArgumentException">The samples have no card.</exception>
    public static Picture Draw(SampleSet samples, EcgSet? real = null)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var card = samples.Ecg ?? throw new ArgumentException("samples of ECGs have a card", nameof(samples));
        return Draw(new EcgSet(card, [.. Enumerable.Range(0, Math.Min(Shown, samples.Count)).Select(i =>
            new EcgRecord(samples.Name(i), samples[i].ToArray(), card.Leads.Count) { Statements = Names(card, samples.LabelSet(i)) })]), real);
    }

    /// <summary>Draws the first ones.</summary>
    /// <param name="samples">Drawn ECGs.</param>
    /// <param name="real">Real ones of the same leads; null: none.</param>
    public static Picture Draw(EcgSet samples, EcgSet? real = null)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var drawn = Twelve(new EcgSet(samples.Card, [.. samples.Records.Take(Shown)]));
        var right = Titled(drawn, "generated");
        if (real is null)
            return new EcgPaper().Beside(right, []);
        var left = Twelve(new EcgSet(real.Card, [.. real.Records.Take(Shown)]));
        return new EcgPaper().Beside(Titled(left, "real"), right);
    }

    private static List<(EcgCard Card, EcgRecord Record, string Title)> Titled(EcgSet set, string what) =>
        [.. set.Records.Select(r => (set.Card, r, $"{what} {r.Name}{(r.Statements.Count > 0 ? ": " : "")}{string.Join(' ', r.Statements.Take(6))}"))];

    private static IReadOnlyList<string> Names(EcgCard card, float[]? labels) =>
        labels is null ? [] : [.. labels.Select((v, k) => (v, k)).Where(p => p.v > 0).Select(p => card.Classes[p.k])];

    private static EcgSet Twelve(EcgSet set)
    {
        var follows = set.Unit != ZScore.UnitName && EcgLeads.Limb.Count(set.Leads.Contains) >= 2 && EcgLeads.Standard.Except(EcgLeads.Limb).All(set.Leads.Contains);
        return follows ? set.Prepare(new ChooseLeads(EcgLeads.Standard)) : set;
    }
}
