namespace Graft.Data.Ecg;

/// <summary>Puts values where a file has none (NaN): on the line between the neighbours, or the nearest one at the ends.</summary>
/// <param name="MostShare">A lead of which a larger share is missing is refused, 0 to 1.</param>
public sealed record FillMissing(double MostShare = 0.1) : EcgStep
{
    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        for (var i = 0; i < leads.Length; i++)
        {
            var lead = leads[i];
            var missing = lead.Count(v => !double.IsFinite(v));
            if (missing == 0)
                continue;
            if (missing == lead.Length || missing > MostShare * lead.Length)
                throw new EcgStepException(FormattableString.Invariant($"has no value for {missing} of {lead.Length} samples in lead {card.Leads[i]}, and at most a share of {MostShare} is filled in; leave the record out"));
            Fill(lead);
        }

        return leads;
    }

    private static void Fill(double[] lead)
    {
        var before = -1;
        for (var t = 0; t <= lead.Length; t++)
        {
            if (t < lead.Length && !double.IsFinite(lead[t]))
                continue;
            for (var gap = before + 1; gap < t; gap++)
            {
                lead[gap] = before < 0 ? lead[t]
                    : t == lead.Length ? lead[before]
                    : lead[before] + ((lead[t] - lead[before]) * (gap - before) / (t - before));
            }

            before = t;
        }
    }
}

/// <summary>Another sampling rate, by <see cref="PolyphaseResampler"/>: the ratio must be one of whole numbers up to 1000.</summary>
/// <param name="Rate">Samples a second, above 0.</param>
/// <param name="Line">
/// Whether the line from the first sample to the last is taken off before and put back afterwards, so that the ends do not bend towards 0
/// (as SciPy's <c>padtype="line"</c>, which sends the line through the filter, though; without it, SciPy's default).
/// </param>
public sealed record Resample(double Rate, bool Line = true) : EcgStep
{
    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card)
    {
        _ = PolyphaseResampler.Between(card.SamplingRate, Rate);
        return card with { SamplingRate = Rate };
    }

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        EcgPreparation.CheckNumbers(leads, card);
        var resampler = PolyphaseResampler.Between(card.SamplingRate, Rate);
        return [.. leads.Select(lead => resampler.Apply(lead, Line))];
    }
}

/// <summary>
/// A Butterworth filter as second-order sections, run forwards and backwards, so that nothing is delayed and the gain at the edges is 1/2
/// (SciPy's <c>butter</c> and <c>sosfiltfilt</c>).
/// </summary>
/// <param name="Low">Hz; null: a low-pass filter.</param>
/// <param name="High">Hz, below half the sampling rate; null: a high-pass filter.</param>
/// <param name="Order">1 to 8, of the prototype and of one pass: the two passes have twice that, and a band-pass has it at each edge.</param>
public sealed record BandPass(double? Low = 0.5, double? High = 40, int Order = 3) : EcgStep
{
    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card)
    {
        _ = Butterworth.Design(Order, Low, High, card.SamplingRate);
        return card;
    }

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        EcgPreparation.CheckNumbers(leads, card);
        var filter = Butterworth.Design(Order, Low, High, card.SamplingRate);
        if (leads[0].Length <= filter.EdgeLength)
            throw new EcgStepException($"has {leads[0].Length} samples, and the filter needs more than {filter.EdgeLength}; leave it out, or make it longer first");
        return [.. leads.Select(filter.BothWays)];
    }
}

/// <summary>Takes off each lead's mean and divides by its standard deviation (divisor n); a lead that does not change becomes 0.</summary>
/// <remarks>Millivolts are lost, and with them the equations between the limb leads, until <see cref="RestoreLimbScales"/>.</remarks>
public sealed record ZScore : EcgStep
{
    /// <summary>The unit afterwards.</summary>
    public const string UnitName = "standard deviations of the lead";

    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card) => card with { Unit = UnitName };

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        EcgPreparation.CheckNumbers(leads, card);
        foreach (var lead in leads)
        {
            var mean = lead.Average();
            var deviation = Math.Sqrt(lead.Average(v => (v - mean) * (v - mean)));
            var scale = deviation > 1e-12 * Math.Max(1, Math.Abs(mean)) ? 1 / deviation : 0;
            for (var t = 0; t < lead.Length; t++)
                lead[t] = (lead[t] - mean) * scale;
        }

        return leads;
    }
}

/// <summary>Where <see cref="FitLength"/> cuts.</summary>
public enum EcgAlignment
{
    /// <summary>The beginning is kept.</summary>
    Start,

    /// <summary>The middle is kept; of an odd rest the larger half goes at the end.</summary>
    Centre,

    /// <summary>The end is kept.</summary>
    End,
}

/// <summary>Cuts records to a length, and puts zeros at those that are shorter (at the end, at both ends, or at the beginning).</summary>
/// <param name="Samples">Of each lead, at least 1.</param>
/// <param name="Keep">Which part.</param>
/// <param name="Pad">Whether shorter records are filled up with zeros; else they are refused.</param>
public sealed record FitLength(int Samples, EcgAlignment Keep = EcgAlignment.Start, bool Pad = false) : EcgStep
{
    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card) =>
        Samples > 0 ? card : throw new InputException($"The step fit_length says {Samples} samples; say at least 1.");

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        var extra = leads[0].Length - Samples;
        if (extra < 0 && !Pad)
            throw new EcgStepException($"has {leads[0].Length} samples and {Samples} are wanted; let the step fit_length pad it, or leave it out");
        var before = Keep switch
        {
            EcgAlignment.Start => 0,
            EcgAlignment.Centre => extra / 2,
            _ => extra,
        };
        return [.. leads.Select(lead =>
        {
            var cut = new double[Samples];
            Array.Copy(lead, Math.Max(0, before), cut, Math.Max(0, -before), Math.Min(Samples, lead.Length));
            return cut;
        })];
    }
}

/// <summary>Which leads, in which order; limb leads that are missing follow from two others (<see cref="EcgLeads"/>).</summary>
/// <param name="Leads">Their names, as <see cref="EcgLeads.Standard"/>.</param>
public sealed record ChooseLeads(IReadOnlyList<string> Leads) : EcgStep
{
    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card)
    {
        if (Leads.Count == 0 || Leads.Distinct(StringComparer.Ordinal).Count() != Leads.Count)
            throw new InputException($"The step choose_leads must name leads, each once, and says {Formats.FileFault.Shorten(string.Join(", ", Leads))}.");
        var derived = EcgLeads.Plan(card.Leads, Leads).Any(p => p.Second >= 0);
        if (derived && card.Unit == ZScore.UnitName)
            throw new InputException($"The leads of {card.Name} are in units of their own standard deviations, so that none follows from others; put the step restore_limb_scales first.");
        return card with { Leads = [.. Leads] };
    }

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        // A row may be wanted twice over (itself and, in a later step, changed in place), so what was there is copied.
        return [.. EcgLeads.Select(leads, card.Leads, Leads).Select(lead => (double[])lead.Clone())];
    }

    /// <summary>Whether the same leads are named in the same order.</summary>
    public bool Equals(ChooseLeads? other) => other is not null && Leads.SequenceEqual(other.Leads);

    /// <inheritdoc/>
    public override int GetHashCode() => Leads.Aggregate(0, HashCode.Combine);
}

/// <summary>Brings z-scored limb leads back to one scale, record by record, so that the equations between them hold (<see cref="LimbScales"/>).</summary>
/// <remarks>The six scales have a root mean square of 1; the leads of the chest stay as they are, and millivolts stay lost.</remarks>
public sealed record RestoreLimbScales : EcgStep
{
    /// <summary>The unit afterwards.</summary>
    public const string UnitName = "limb leads in one relative unit a record, others in their standard deviations";

    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card)
    {
        foreach (var lead in EcgLeads.Limb)
        {
            if (!card.Leads.Contains(lead))
                throw new InputException($"The step restore_limb_scales needs all six limb leads, and {card.Name} has no {lead}; leave the step out.");
        }

        return card with { Unit = UnitName };
    }

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        EcgPreparation.CheckNumbers(leads, card);
        var limbs = EcgLeads.Limb.Select(lead => leads[card.Leads.ToList().IndexOf(lead)]).ToArray();
        var scales = LimbScales.Fit(limbs).Scales;
        for (var i = 0; i < limbs.Length; i++)
        {
            var mean = limbs[i].Average();
            for (var t = 0; t < limbs[i].Length; t++)
                limbs[i][t] = scales[i] * (limbs[i][t] - mean);
        }

        return leads;
    }
}

/// <summary>Multiplies every sample.</summary>
/// <param name="Factor">Not 0.</param>
/// <param name="Unit">What the result is in.</param>
public sealed record Multiply(double Factor, string Unit) : EcgStep
{
    /// <inheritdoc/>
    internal override EcgCard Apply(EcgCard card) => double.IsFinite(Factor) && Factor != 0
        ? card with { Unit = Unit }
        : throw new InputException(FormattableString.Invariant($"The step multiply says a factor of {Factor}; say a number other than 0."));

    /// <inheritdoc/>
    internal override double[][] Apply(double[][] leads, EcgCard card)
    {
        foreach (var lead in leads)
        {
            for (var t = 0; t < lead.Length; t++)
                lead[t] *= Factor;
        }

        return leads;
    }
}
