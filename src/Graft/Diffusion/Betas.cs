namespace Graft.Diffusion;

/// <summary>
/// The β_t of every named schedule. diffusers computes them in single precision, and a model trained with those values: so
/// β and α = 1 − β are rounded where diffusers rounds, unless <see cref="BetaPrecision.Double"/> says that the model came
/// from elsewhere. Everything after them is double precision.
/// </summary>
internal static class Betas
{
    private const double LargestBeta = 0.999;

    /// <summary>β for t = 0 to T − 1.</summary>
    public static double[] Of(ScheduleOptions options)
    {
        var precision = options.BetaPrecision;
        var betas = options.TrainedBetas is { } given
            ? [.. given.Select(b => Round(b, precision))]
            : precision == BetaPrecision.Single ? Single(options) : Double(options);
        return options.RescaleBetasZeroSnr ? RescaledToZeroTerminalSnr(betas, precision) : betas;
    }

    private static double[] Single(ScheduleOptions options)
    {
        var (start, end, count) = (options.BetaStart, options.BetaEnd, options.NumTrainTimesteps);
        return options.BetaSchedule switch
        {
            BetaSchedule.Linear => Widen(Linspace(start, end, count)),
            BetaSchedule.ScaledLinear => Widen(Array.ConvertAll(Linspace(Math.Sqrt(start), Math.Sqrt(end), count), root => root * root)),
            BetaSchedule.SquaredcosCapV2 => FromAlphaBar(count, Cosine, BetaPrecision.Single),
            BetaSchedule.Laplace => FromAlphaBar(count, Laplace, BetaPrecision.Single),
            _ => Widen(Array.ConvertAll(Linspace(-6, 6, count), x => (1 / (1 + MathF.Exp(-x)) * (float)(end - start)) + (float)start)),
        };
    }

    private static double[] Double(ScheduleOptions options)
    {
        var (start, end, count) = (options.BetaStart, options.BetaEnd, options.NumTrainTimesteps);
        return options.BetaSchedule switch
        {
            BetaSchedule.Linear => Even(start, end, count),
            BetaSchedule.ScaledLinear => Array.ConvertAll(Even(Math.Sqrt(start), Math.Sqrt(end), count), root => root * root),
            BetaSchedule.SquaredcosCapV2 => FromAlphaBar(count, Cosine, BetaPrecision.Double),
            BetaSchedule.Laplace => FromAlphaBar(count, Laplace, BetaPrecision.Double),
            _ => Array.ConvertAll(Even(-6, 6, count), x => ((end - start) / (1 + Math.Exp(-x))) + start),
        };
    }

    /// <summary>α = 1 − β. Single-precision rounding shows at small t, where 1 − ᾱ is as small as 1e-4.</summary>
    public static double Alpha(double beta, BetaPrecision precision) => precision == BetaPrecision.Single ? 1f - (float)beta : 1 - beta;

    private static double Round(double beta, BetaPrecision precision) => precision == BetaPrecision.Single ? (float)beta : beta;

    /// <summary>Algorithm 1 of Lin et al. 2024: √ᾱ is shifted so that its last value is 0 and scaled so that its first stays.</summary>
    private static double[] RescaledToZeroTerminalSnr(double[] betas, BetaPrecision precision)
    {
        if (betas.Length < 2)
            throw new InputException("The scheduler's rescale_betas_zero_snr needs at least 2 num_train_timesteps.");
        var roots = new double[betas.Length];
        var product = 1.0;
        for (var t = 0; t < betas.Length; t++)
            roots[t] = Math.Sqrt(product *= Alpha(betas[t], precision));
        var (first, last) = (roots[0], roots[^1]);
        var previous = 1.0;
        var rescaled = new double[betas.Length];
        for (var t = 0; t < betas.Length; t++)
        {
            var root = (roots[t] - last) * first / (first - last);
            rescaled[t] = Round(1 - (root * root / previous), precision);
            previous = root * root;
        }

        return rescaled;
    }

    /// <summary>β_t = 1 − ᾱ(t+1)/ᾱ(t), at most 0.999 (Nichol and Dhariwal 2021, section 3.2).</summary>
    private static double[] FromAlphaBar(int count, Func<double, double> alphaBar, BetaPrecision precision)
    {
        var betas = new double[count];
        for (var t = 0; t < count; t++)
            betas[t] = Round(Math.Min(1 - (alphaBar((t + 1.0) / count) / alphaBar((double)t / count)), LargestBeta), precision);
        return betas;
    }

    /// <summary>Nichol and Dhariwal 2021, eq. 17, with s = 0.008.</summary>
    private static double Cosine(double t) => Math.Pow(Math.Cos((t + 0.008) / 1.008 * Math.PI / 2), 2);

    /// <summary>
    /// Hang and Gu 2024, table 1: λ = −b·sign(0.5 − t)·log(1 − 2|0.5 − t|) with b = 0.5. That diffusers calls e^λ the ratio and takes
    /// a square root is kept, since its name for the schedule is what is read.
    /// </summary>
    private static double Laplace(double t)
    {
        var ratio = Math.Exp(-0.5 * Math.CopySign(1, 0.5 - t) * Math.Log(1 - (2 * Math.Abs(0.5 - t)) + 1e-6));
        return Math.Sqrt(ratio / (1 + ratio));
    }

    /// <summary>
    /// PyTorch's linspace in single precision, to the bit of its AVX2 kernel: eight at a time, each eight from the nearer end.
    /// (PyTorch's other kernels differ from it in the last bit.)
    /// </summary>
    private static float[] Linspace(double start, double end, int count)
    {
        const int Lanes = 8;
        var (a, b) = ((float)start, (float)end);
        var step = count == 1 ? 0 : (b - a) / (count - 1);
        var values = new float[count];
        for (var i = 0; i < count; i++)
        {
            var first = i < count / Lanes * Lanes ? i / Lanes * Lanes : i;
            var value = first < count / 2 || count == 1
                ? MathF.FusedMultiplyAdd(step, first, a)
                : MathF.FusedMultiplyAdd(-step, count - 1 - first, b);
            values[i] = value + (step * (i - first));
        }

        return values;
    }

    /// <summary>NumPy's linspace: even in double precision, with the end as given.</summary>
    private static double[] Even(double start, double end, int count)
    {
        var values = new double[count];
        for (var i = 0; i < count; i++)
            values[i] = i > 0 && i == count - 1 ? end : start + (i * ((end - start) / Math.Max(1, count - 1)));
        return values;
    }

    private static double[] Widen(float[] values) => Array.ConvertAll(values, v => (double)v);
}
