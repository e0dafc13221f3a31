namespace Graft.Data.Ecg;

/// <summary>What a record may be used for.</summary>
public enum EcgSplit
{
    /// <summary>Nobody has said; <see cref="EcgSet.HoldOut"/> does.</summary>
    None,

    /// <summary>Training.</summary>
    Train,

    /// <summary>Choosing settings and when to stop.</summary>
    Validation,

    /// <summary>Judging, and nothing else: <see cref="EcgTrainingSet"/> never holds it.</summary>
    Test,
}

/// <summary>One ECG: samples [leads, samples] and what is known of it. Its split cannot be changed once it has one.</summary>
public sealed class EcgRecord
{
    private readonly float[] _samples;

    /// <summary>Creates a record.</summary>
    /// <param name="name">What it is called in its set.</param>
    /// <param name="samples">Lead after lead; kept and not copied.</param>
    /// <param name="leads">Number of leads, at least 1.</param>
    /// <param name="split">What it may be used for.</param>
    /// <exception cref="ArgumentException">The samples cannot be shared out among the leads.</exception>
    public EcgRecord(string name, float[] samples, int leads, EcgSplit split = EcgSplit.None)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentOutOfRangeException.ThrowIfLessThan(leads, 1);
        if (samples.Length == 0 || samples.Length % leads != 0)
            throw new ArgumentException($"{samples.Length} samples cannot be shared out among {leads} leads", nameof(samples));
        (Name, _samples, LeadCount, Split) = (name, samples, leads, split);
    }

    /// <summary>What it is called in its set.</summary>
    public string Name { get; }

    /// <summary>Number of leads.</summary>
    public int LeadCount { get; }

    /// <summary>Samples of each lead.</summary>
    public int SampleCount => _samples.Length / LeadCount;

    /// <summary>All samples [leads, samples], row-major; no copy.</summary>
    public ReadOnlySpan<float> Samples => _samples;

    /// <summary>What it may be used for.</summary>
    public EcgSplit Split { get; }

    /// <summary>The fold of its publisher, as PTB-XL's 1 to 10; null where there is none.</summary>
    public int? Fold { get; init; }

    /// <summary>Years; null where unknown. PTB-XL says 300 for everybody above 89.</summary>
    public double? Age { get; init; }

    /// <summary><c>F</c> or <c>M</c>; null where unknown.</summary>
    public string? Sex { get; init; }

    /// <summary>What its publisher says of it: SCP-ECG codes, SNOMED codes, or diagnoses in words.</summary>
    public IReadOnlyList<string> Statements { get; init; } = [];

    /// <summary>The samples of a lead; no copy.</summary>
    /// <param name="index">From 0.</param>
    public ReadOnlySpan<float> Lead(int index) => _samples.AsSpan(index * SampleCount, SampleCount);

    /// <summary>The same person's record with other samples: what is known of it, its split among that, stays.</summary>
    internal EcgRecord WithSamples(float[] samples, int leads) => With(samples, leads, Split);

    /// <summary>A record that has no split gets one.</summary>
    internal EcgRecord WithSplit(EcgSplit split) => Split == EcgSplit.None
        ? With(_samples, LeadCount, split)
        : throw new InvalidOperationException($"The record '{Name}' is marked {Split} already.");

    /// <summary>The same record under another name.</summary>
    internal EcgRecord WithName(string name) =>
        new(name, _samples, LeadCount, Split) { Fold = Fold, Age = Age, Sex = Sex, Statements = Statements };

    private EcgRecord With(float[] samples, int leads, EcgSplit split) =>
        new(Name, samples, leads, split) { Fold = Fold, Age = Age, Sex = Sex, Statements = Statements };
}
