using Graft.Torch;

namespace Graft.Sampling;

/// <summary>
/// DDIM (Song et al. 2021, eq. 12): x_s = √ᾱ_s·x̂_0 + √(1−ᾱ_s−σ²)·ε̂ + σ·z. Without noise (η = 0) it is a map from x_T to a sample.
/// </summary>
public sealed record DdimSampler : Sampler
{
    internal const string SamplerName = "ddim";

    /// <summary>η of eq. 16, 0 to 1: σ = η·√((1−ᾱ_s)/(1−ᾱ_t))·√(1−ᾱ_t/ᾱ_s).</summary>
    /// <exception cref="InputException">The value is not from 0 to 1.</exception>
    public double Eta
    {
        get;
        init => field = value is >= 0 and <= 1 ? value : throw new InputException($"The sampler's eta is {value}: it must be from 0 to 1.");
    }

    /// <summary>Whether ε̂ is computed anew from the clipped x̂_0 (as in GLIDE) instead of taken from the network.</summary>
    public bool UseClippedModelOutput { get; init; }

    /// <inheritdoc/>
    public override string Name => SamplerName;

    /// <inheritdoc/>
    protected override Tensor Run(SamplingTask task)
    {
        var schedule = task.Schedule;
        var plan = SamplingLoop.Plan(this, schedule);
        return SamplingLoop.Run(this, task, [.. plan.Select(p => p.From)], null, Update);

        Tensor Update(SamplingLoop.Context step)
        {
            var (x, original) = (step.X, step.Original);
            var (from, to) = plan[step.Index];
            var predicted = UseClippedModelOutput
                ? step.Level.NoiseFromOriginal(original, x)
                : step.Level.Noise(schedule.Options.PredictionType, step.Output.Prediction, x);

            var now = schedule.AlphasCumulative[from];
            var then = to >= 0 ? schedule.AlphasCumulative[to] : schedule.Options.SetAlphaToOne ? 1 : schedule.AlphasCumulative[0];
            var sigma = Eta * Math.Sqrt((1 - then) / (1 - now) * (1 - (now / then))); // eq. 16
            var direction = Math.Sqrt(Math.Max(0, 1 - then - (sigma * sigma)));
            var next = (Math.Sqrt(then) * original) + (direction * predicted); // eq. 12
            return sigma > 0 ? next + (sigma * task.NoiseFor(step.Index, x)) : next;
        }
    }
}
