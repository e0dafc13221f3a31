namespace Graft.Data.Ecg;

/// <summary>How a folder of ECGs is opened.</summary>
public sealed record EcgOpenOptions
{
    /// <summary>What is done to each record as it is read, so that the raw ones are never all in memory.</summary>
    public IReadOnlyList<EcgStep> Steps { get; init; } = [];

    /// <summary>Which records to read, by name; null: all.</summary>
    public Func<string, bool>? Where { get; init; }

    /// <summary>At most so many records, the first ones; null: all.</summary>
    public int? MaxCount { get; init; }

    /// <summary>PTB-XL: 100 or 500 Hz, which its publisher ships both.</summary>
    public int Rate { get; init; } = 100;

    /// <summary>Whether a wrong checksum is refused.</summary>
    public bool Verify { get; init; } = true;

    /// <summary>CinC-2021: PTB-XL's table, which says the folds of those of its records that come from there; null: those are for judging only.</summary>
    public PtbXlTable? PtbXl { get; init; }
}
