namespace Graft.Training;

/// <summary>
/// FixMatch's own settings (Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence"). Mirroring is
/// <see cref="TrainingOptions.Flip"/>, B is <see cref="TrainingOptions.BatchSize"/>.
/// </summary>
public sealed record FixMatchOptions
{
    /// <summary>μ: unlabelled pictures of a step for each labelled one.</summary>
    public int Mu { get; init; } = 7;

    /// <summary>τ: a picture's likeliest class counts where its probability is at least this, above 0 to 1.</summary>
    public double Threshold { get; init; } = 0.95;

    /// <summary>λ_u, the weight of the unlabelled pictures' loss.</summary>
    public double LambdaU { get; init; } = 1;

    /// <summary>Weak variation: pictures are shifted by whole pixels of at most this share of the edge along each axis, what comes in is reflected; 0 to 0.5.</summary>
    public double MaxShift { get; init; } = 0.125;

    /// <summary>Strong variation: so many operations (<see cref="PictureOperation"/>) follow the weak one, each drawn with its magnitude.</summary>
    public int Operations { get; init; } = 2;

    /// <summary>Strong variation ends with a square that is painted grey; its edge is at most this share of the picture's, 0 to 1.</summary>
    public double Cutout { get; init; } = 0.5;

    /// <summary>Grey value 0 to 255 of what the strong operations bring in from outside the picture.</summary>
    public int Fill { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="InputException">One is out of range; the sentence names it.</exception>
    public void Validate()
    {
        Require(Mu is >= 1 and <= 1024, "mu", "from 1 to 1024");
        Require(Threshold is > 0 and <= 1, "threshold", "above 0 and at most 1");
        Require(LambdaU >= 0 && double.IsFinite(LambdaU), "lambda_u", "at least 0");
        Require(MaxShift is >= 0 and <= 0.5, "max_shift", "from 0 to 0.5");
        Require(Operations is >= 0 and <= 16, "operations", "from 0 to 16");
        Require(Cutout is >= 0 and <= 1, "cutout", "from 0 to 1");
        Require(Fill is >= 0 and <= 255, "fill", "from 0 to 255");

        static void Require(bool condition, string name, string range)
        {
            if (!condition)
                throw new InputException($"The option fixmatch.{name} must be {range}.");
        }
    }
}
