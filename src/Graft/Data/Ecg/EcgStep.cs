using System.Text.Json.Serialization;

namespace Graft.Data.Ecg;

/// <summary>
/// Something that is done to every record alike. A step knows nothing of other records, so nothing of a test fold can reach training
/// through it.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "step")]
[JsonDerivedType(typeof(FillMissing), "fill_missing")]
[JsonDerivedType(typeof(Resample), "resample")]
[JsonDerivedType(typeof(BandPass), "band_pass")]
[JsonDerivedType(typeof(ZScore), "z_score")]
[JsonDerivedType(typeof(FitLength), "fit_length")]
[JsonDerivedType(typeof(ChooseLeads), "choose_leads")]
[JsonDerivedType(typeof(RestoreLimbScales), "restore_limb_scales")]
[JsonDerivedType(typeof(Multiply), "multiply")]
public abstract record EcgStep
{
    /// <summary>What the step makes of leads, rate and unit; checks its own parameters.</summary>
    internal virtual EcgCard Apply(EcgCard card) => card;

    /// <summary>What the step makes of samples.</summary>
    /// <param name="leads">One row a lead; rows may be changed in place.</param>
    /// <param name="card">What held before the step.</param>
    internal abstract double[][] Apply(double[][] leads, EcgCard card);
}

/// <summary>Steps on the way from one card to another.</summary>
internal sealed class EcgPreparation
{
    private readonly List<(EcgStep Step, EcgCard Before)> _steps = [];

    public EcgPreparation(EcgCard card, IReadOnlyList<EcgStep> steps)
    {
        foreach (var step in steps)
        {
            _steps.Add((step, card));
            card = step.Apply(card) with { Steps = [.. card.Steps, step] };
        }

        Card = card;
    }

    /// <summary>What holds after the last step.</summary>
    public EcgCard Card { get; }

    public EcgRecord Apply(EcgRecord record)
    {
        if (_steps.Count == 0)
            return record;
        var leads = new double[record.LeadCount][];
        for (var i = 0; i < leads.Length; i++)
            leads[i] = Array.ConvertAll(record.Lead(i).ToArray(), v => (double)v);
        return record.WithSamples(Flatten(Apply(leads, record.Name)), Card.Leads.Count);
    }

    public double[][] Apply(double[][] leads, string name)
    {
        foreach (var (step, before) in _steps)
        {
            try
            {
                leads = step.Apply(leads, before);
            }
            catch (EcgStepException e)
            {
                throw new InputException($"The record {Formats.FileFault.Quote(name)} of {before.Name} {e.Message}.", e);
            }
        }

        return leads;
    }

    public static float[] Flatten(double[][] leads)
    {
        var samples = new float[leads.Length * leads[0].Length];
        for (var i = 0; i < leads.Length; i++)
        {
            for (var t = 0; t < leads[i].Length; t++)
                samples[(i * leads[i].Length) + t] = (float)leads[i][t];
        }

        return samples;
    }

    /// <summary>Samples that are numbers.</summary>
    /// <exception cref="EcgStepException">One is none.</exception>
    public static void CheckNumbers(double[][] leads, EcgCard card)
    {
        for (var i = 0; i < leads.Length; i++)
        {
            var missing = leads[i].Count(v => !double.IsFinite(v));
            if (missing > 0)
                throw new EcgStepException($"has no value for {missing} of {leads[i].Length} samples in lead {card.Leads[i]}; put the step fill_missing before the others");
        }
    }
}

/// <summary>What a step says of a record: the rest of a sentence that begins with the record's name.</summary>
internal sealed class EcgStepException(string message) : Exception(message);
