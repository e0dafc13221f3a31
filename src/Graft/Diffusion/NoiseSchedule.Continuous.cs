using Graft.Torch;

namespace Graft.Diffusion;

/// <content>
/// Continuous time. A network is trained on, and told, t in (0, 1]. Everything that goes by steps sees a grid: step i is the time
/// t_i = (i + 1)/T, at which β, α and ᾱ are exact, so that every sampler that visits steps works on it as it stands.
/// </content>
public sealed partial class NoiseSchedule
{
    /// <summary>The smallest t that is trained on: at 0 there is no noise to predict (Song et al. 2021, appendix C).</summary>
    public const double SmallestTrainingTime = 1e-5;

    /// <summary>The process, where time is continuous; else null.</summary>
    public VpProcess? Process { get; }

    /// <summary>What a network is told at a step: in continuous time t_i = (i + 1)/T, else the step itself.</summary>
    /// <param name="step">0 to T − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step is out of range.</exception>
    public double TimeOf(int step)
    {
        _ = AlphaCumulative(step);
        return Process is null ? step : (step + 1.0) / Count;
    }

    /// <summary>What a network is told at a step, for each of n items: int64 [n], in continuous time float64 [n].</summary>
    internal Tensor TimeTensor(int step, long n, Device device) =>
        Tensor.Full(TimeOf(step), [n], Process is null ? DType.Int64 : DType.Float64, device);

    /// <summary>
    /// Times to train on, one for each item, each a function of its item: uniform over the steps, int64 [N]; in continuous time uniform
    /// in [<see cref="SmallestTrainingTime"/>, 1], float64 [N].
    /// </summary>
    /// <param name="random">Drawn from.</param>
    /// <param name="items">The items' numbers.</param>
    internal Tensor DrawTimes(KeyedRandom random, ReadOnlySpan<long> items) => Process is null
        ? random.Integers(0, items, 0, Count)
        : (random.Uniform(0, items, [], DType.Float64) * (1 - SmallestTrainingTime)) + SmallestTrainingTime;

    /// <summary>f(ᾱ_t) for each item, [N, 1, ...] of the type, device and rank of <paramref name="like"/>.</summary>
    internal Tensor SignalColumn(Tensor t, Tensor like, Func<double, double> f)
    {
        if (t.Count != like.Size(0))
            throw new ArgumentException($"{t} has not one step for each item of {like}.", nameof(t));
        return SignalColumn(t, f, like.Dims).To(like.Type).To(like.Device);
    }

    private Tensor SignalColumn(Tensor t, Func<double, double> f, int rank) => IsTime(t)
        ? TimeColumn(t, time => f(Process!.Value.Signal(time)), rank)
        : Column(t, i => f(AlphaCumulative(i)), rank);

    /// <summary>Whether times are meant, not steps.</summary>
    private bool IsTime(Tensor t) => Process is not null && t.Type.IsFloatingPoint();

    private static Tensor TimeColumn(Tensor t, Func<double, double> f, Tensor like)
    {
        if (t.Count != like.Size(0))
            throw new ArgumentException($"{t} has not one time for each item of {like}.", nameof(t));
        return TimeColumn(t, f, like.Dims).To(like.Type).To(like.Device);
    }

    private static Tensor TimeColumn(Tensor t, Func<double, double> f, int rank)
    {
        if (t.Dims != 1)
            throw new ArgumentException($"{t} are no times: they are floating-point [N].", nameof(t));
        var shape = new long[rank];
        Array.Fill(shape, 1);
        shape[0] = t.Count;
        return Tensor.From(Array.ConvertAll(t.To(Device.Cpu).To(DType.Float64).ToArray<double>(), time => f(Checked(time))), shape);
    }

    private static double Checked(double time) => time is >= 0 and <= 1
        ? time
        : throw new ArgumentException($"{time} is no time of the process, which runs from 0 to 1.", nameof(time));

    private static (double[] Betas, double[] Alphas, double[] Cumulative) Grid(VpProcess process, int count)
    {
        var (betas, alphas, cumulative) = (new double[count], new double[count], new double[count]);
        for (var i = 0; i < count; i++)
        {
            var way = process.Integral((i + 1.0) / count) - process.Integral((double)i / count);
            (betas[i], alphas[i], cumulative[i]) = (VpProcess.OneMinusExp(way), Math.Exp(-way), process.Signal((i + 1.0) / count));
        }

        return (betas, alphas, cumulative);
    }
}
