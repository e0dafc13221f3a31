namespace Graft.Sampling;

/// <summary>How a model that was tuned on condition pictures looks at them while it draws.</summary>
public sealed record ConditionOptions
{
    /// <summary>As they are.</summary>
    public static ConditionOptions Default { get; } = new();

    /// <summary>
    /// Masked sampling: the share of a condition's elements that are set to zero at random, 0 to below 1 (the paper: 0 to 0.9). More of
    /// it, more diverse samples, further from the condition.
    /// </summary>
    public double MaskRate { get; init; }

    /// <summary>Whether a mask is drawn anew at every step, and not once for each sample. Ours.</summary>
    public bool MaskPerStep { get; init; }

    /// <summary>Whether what is left is divided by 1 − rate, which keeps the mean. Not known of the paper; off.</summary>
    public bool MaskRescale { get; init; }

    /// <summary>
    /// s of classifier-free guidance, ε = ε(0) + s·(ε(c) − ε(0)) (Ho and Salimans 2022): 1 is none; it needs a model that was tuned with
    /// conditions dropped now and then.
    /// </summary>
    public double GuidanceScale { get; init; } = 1;

    /// <summary>For descriptions: empty where nothing is changed.</summary>
    internal string Text => FormattableString.Invariant(
        $"{(MaskRate > 0 ? $", mask {MaskRate:0.##}{(MaskPerStep ? " a step" : "")}{(MaskRescale ? " rescaled" : "")}" : "")}{(GuidanceScale == 1 ? "" : $", guidance {GuidanceScale:0.##}")}");

    /// <exception cref="InputException">A value is out of range.</exception>
    internal void Validate()
    {
        if (!(MaskRate >= 0 && MaskRate < 1))
            throw new InputException(FormattableString.Invariant($"The mask rate is {MaskRate}: give 0 to below 1."));
        if (!double.IsFinite(GuidanceScale))
            throw new InputException("The guidance scale is no number: give 1 for none, or more.");
    }
}
