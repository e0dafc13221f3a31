namespace Graft.Formats.Ecg;

/// <summary>One signal of a WFDB record, as its line of the header describes it.</summary>
/// <remarks>Source: header(5) of the WFDB Applications Guide, "Signal specification lines".</remarks>
public sealed record WfdbSignal
{
    /// <summary>What a gain of 0, or none, stands for: the signal is not calibrated, and 200 units of the converter a millivolt are assumed.</summary>
    public const double DefaultGain = 200;

    /// <summary>The file of the samples, beside the header; the name has no folder.</summary>
    public required string FileName { get; init; }

    /// <summary>How samples are stored: 16, 24, 32, 61, 80 or 212.</summary>
    public required int Format { get; init; }

    /// <summary>Bytes before the first sample.</summary>
    public long ByteOffset { get; init; }

    /// <summary>Units of the converter for one physical unit.</summary>
    public double Gain { get; init; } = DefaultGain;

    /// <summary>Whether the header gives the gain; else it is <see cref="DefaultGain"/>.</summary>
    public bool IsCalibrated { get; init; }

    /// <summary>The value of the converter that stands for 0 physical units.</summary>
    public int Baseline { get; init; }

    /// <summary>The physical unit, as <c>mV</c>.</summary>
    public string Units { get; init; } = "mV";

    /// <summary>Bits of the converter; 0 where the header does not say.</summary>
    public int AdcResolution { get; init; }

    /// <summary>The middle of the converter's range.</summary>
    public int AdcZero { get; init; }

    /// <summary>What the header says of the first sample; null where it says nothing.</summary>
    public int? InitialValue { get; init; }

    /// <summary>The sum of all samples modulo 65536, as the header has it; null where it says nothing.</summary>
    public int? Checksum { get; init; }

    /// <summary>What the signal is: the lead, with ECGs. Empty where the header says nothing.</summary>
    public string Description { get; init; } = "";
}
