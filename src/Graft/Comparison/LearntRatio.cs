using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Torch;
using Graft.Transfer.GuidedParts;

namespace Graft.Comparison;

/// <summary>The log density ratio that guides a model, at t = 0, beside the true one.</summary>
internal sealed class LearntRatio
{
    private const int Grid = 121; // points along each axis of a heat map
    private readonly RatioNetwork _network;
    private readonly DiffusionModel _model;

    private LearntRatio(RatioNetwork network, DiffusionModel model) => (_network, _model) = (network, model);

    /// <summary>The ratio of a model; null where none guides it, or where it asks for classes.</summary>
    internal static LearntRatio? Of(DiffusionModel model) =>
        model is { Attachment: GuidanceAttachment guidance, Classes: 0 } ? new LearntRatio(guidance.Network, model) : null;

    /// <summary>
    /// Root mean square over points of the learnt log ratio less the true one, once the mean difference is taken off: a constant factor
    /// of a ratio guides nothing.
    /// </summary>
    internal double ErrorAgainst(MixtureRatio truth, ISampleSource points)
    {
        var (numbers, d) = (points.Numbers(), points.ItemShape.Elements);
        var flat = new double[numbers.Length];
        Buffer.BlockCopy(numbers, 0, flat, 0, numbers.Length * sizeof(double));
        var differences = At(flat, d);
        for (var i = 0; i < differences.Length; i++)
            differences[i] -= truth.LogRatio(flat.AsSpan(i * d, d));
        var mean = differences.Average();
        return Math.Sqrt(differences.Average(v => (v - mean) * (v - mean)));
    }

    /// <summary>Both as heat maps over the square from -<paramref name="reach"/> to it; between the grid's points, the nearest one's.</summary>
    internal Picture Beside(MixtureRatio truth, double reach)
    {
        var end = Math.Ceiling(2 * reach) / 2;
        var points = new double[Grid * Grid * 2];
        for (var i = 0; i < Grid * Grid; i++)
            (points[2 * i], points[(2 * i) + 1]) = (Place(i % Grid), Place(i / Grid));
        var learnt = At(points, 2);
        return PointPlots.Beside(
            PointPlots.LogRatio((u, v) => learnt[(Nearest(v) * Grid) + Nearest(u)], (-end, end), title: "log q/p as learnt, t = 0"),
            PointPlots.LogRatio((u, v) => truth.LogRatio([u, v]), (-end, end), title: "log q/p, true"));

        double Place(int k) => end * ((2.0 * k / (Grid - 1)) - 1);

        int Nearest(double u) => Math.Clamp((int)Math.Round((u / end + 1) * 0.5 * (Grid - 1)), 0, Grid - 1);
    }

    /// <summary>The learnt log ratio of clean points.</summary>
    private double[] At(double[] points, int dimensions) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        _network.Train(false);
        var x = Tensor.From(points, points.Length / dimensions, dimensions).To(DType.Float32).To(_model.Device);
        var t = _model.Schedule.Process is null
            ? Tensor.Zeros([x.Size(0)], DType.Int64, _model.Device)
            : Tensor.Full(NoiseSchedule.SmallestTrainingTime, [x.Size(0)], DType.Float64, _model.Device);
        return _network.LogRatio(x, t, null).To(Device.Cpu).To(DType.Float64).ToArray<double>();
    });
}
