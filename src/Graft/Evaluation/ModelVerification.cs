using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Evaluation;

/// <summary>How far a network's output is from a reference.</summary>
public sealed record VerificationReport
{
    /// <summary>The tensor of the reference that was compared with.</summary>
    public required string Compared { get; init; }

    /// <summary>Shape of x.</summary>
    public required IReadOnlyList<long> InputShape { get; init; }

    /// <summary>Shape of the output.</summary>
    public required IReadOnlyList<long> OutputShape { get; init; }

    /// <summary>max |output − reference|; not a number where an element is none.</summary>
    public required double LargestError { get; init; }

    /// <summary>max |reference|.</summary>
    public required double LargestReference { get; init; }

    /// <summary>What <see cref="LargestError"/> may be.</summary>
    public required double Tolerance { get; init; }

    /// <summary><see cref="LargestError"/> as a part of max |reference|.</summary>
    public double RelativeError => LargestError / LargestReference;

    /// <summary>Whether the largest error is within the tolerance. An output that is not a number is not.</summary>
    public bool IsWithin => LargestError <= Tolerance;
}

/// <summary>
/// Runs a model on stored tensors and compares with a stored output, as another implementation gave it: tensors <c>x</c>, <c>t</c>,
/// <c>class_labels</c> where the model takes them, and <c>sample</c> or <c>output</c>.
/// </summary>
public static class ModelVerification
{
    private const string Input = "x";
    private const string Time = "t";
    private const string Labels = "class_labels";
    private static readonly string[] Outputs = ["sample", "output"];

    /// <summary>Checks, without libtorch, that a file can serve as reference.</summary>
    /// <returns>The name of the tensor to compare with.</returns>
    /// <exception cref="InputException">A tensor is missing, or shapes do not fit each other.</exception>
    public static string Check(WeightFile reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        foreach (var name in (string[])[Input, Time])
        {
            if (!reference.Contains(name))
                throw new InputException($"The reference {reference.Path} holds no tensor '{name}': x, t and sample (or output) are due.");
        }

        var compared = Array.Find(Outputs, reference.Contains)
            ?? throw new InputException($"The reference {reference.Path} holds neither 'sample' nor 'output', one of which is compared with.");
        var x = reference.Describe(Input).Shape;
        if (x.Length != 4)
            throw new InputException($"The tensor 'x' of {reference.Path} is {Words(x)}: pictures [N, C, H, W] are due.");
        foreach (var name in (string[])[Time, Labels])
        {
            if (reference.Contains(name) && reference.Describe(name).Shape is var shape && Product(shape) != x[0])
                throw new InputException($"The tensor '{name}' of {reference.Path} is {Words(shape)}: one value for each of the {x[0]} items of 'x' is due.");
        }

        var output = reference.Describe(compared).Shape;
        return output.Length == 4 && output[0] == x[0]
            ? compared
            : throw new InputException($"The tensor '{compared}' of {reference.Path} is {Words(output)}, which does not fit 'x' {Words(x)}.");
    }

    /// <summary>Runs the model and compares.</summary>
    /// <param name="model">The model.</param>
    /// <param name="reference">The reference.</param>
    /// <param name="tolerance">The largest |output − reference| that is accepted.</param>
    /// <exception cref="InputException">A tensor is missing, or does not fit the model.</exception>
    public static VerificationReport Of(DiffusionModel model, WeightFile reference, double tolerance = 1e-4)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!(tolerance >= 0))
            throw new InputException($"The tolerance is {tolerance}: it must be 0 or more.");
        var compared = Check(reference);
        CheckFit(model, reference);
        return TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            model.Network.Train(false);
            var x = reference.Read(Input).To(DType.Float32);
            var t = reference.Read(Time).Reshape(-1);
            var condition = reference.Contains(Labels) ? new Condition { ClassLabels = LabelsOf(model, reference).To(model.Device) } : null;
            var output = model.Denoiser.Predict(x.To(model.Device), t.To(model.Device), condition).To(Device.Cpu).To(DType.Float64);
            var expected = reference.Read(compared).To(DType.Float64);
            if (!output.Shape.SequenceEqual(expected.Shape))
                throw new InputException($"The model gives {Words(output.Shape.ToArray())} where '{compared}' of {reference.Path} is {Words(expected.Shape.ToArray())}: the reference is that of another model.");
            return new VerificationReport
            {
                Compared = compared,
                InputShape = x.Shape.ToArray(),
                OutputShape = output.Shape.ToArray(),
                LargestError = (output - expected).Abs().Max().Item(),
                LargestReference = expected.Abs().Max().Item(),
                Tolerance = tolerance,
            };
        });
    }

    private static void CheckFit(DiffusionModel model, WeightFile reference)
    {
        if (model.Network.Options is not UNet2DOptions options)
            throw new InputException($"The model {model.Origin} is a {model.Network.Options.ClassName}: networks of pictures (UNet2DModel) can be verified.");
        var x = reference.Describe(Input).Shape;
        if (x[1] != options.InChannels)
            throw new InputException($"The tensor 'x' of {reference.Path} has {x[1]} channels: {model.Origin} takes {options.InChannels}.");
        var halvings = 1L << (options.BlockOutChannels.Length - 1);
        if (x[0] < 1 || x[2] < halvings || x[3] < halvings || x[2] % halvings != 0 || x[3] % halvings != 0)
            throw new InputException($"The tensor 'x' of {reference.Path} is {Words(x)}: {model.Origin} takes heights and widths that are multiples of {halvings}.");
        if (options.IsClassConditional && !reference.Contains(Labels))
            throw new InputException($"The model {model.Origin} is class-conditional, but {reference.Path} holds no tensor 'class_labels'.");
        if (!options.IsClassConditional && reference.Contains(Labels))
            throw new InputException($"The reference {reference.Path} holds 'class_labels', but {model.Origin} takes none.");
    }

    private static Tensor LabelsOf(DiffusionModel model, WeightFile reference)
    {
        var labels = reference.Read(Labels).Reshape(-1);
        if (model.Classes == 0)
            return labels;
        if (labels.Type.IsFloatingPoint())
            throw new InputException($"The tensor 'class_labels' of {reference.Path} holds {labels.Type}: whole numbers are due.");
        labels = labels.To(DType.Int64);
        foreach (var label in labels.ToArray<long>())
        {
            if (label < 0 || label >= model.Classes)
                throw new InputException($"The class {label} in {reference.Path} is out of range: {model.Origin} has {model.Classes} classes, from 0.");
        }

        return labels;
    }

    private static long Product(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);

    private static string Words(long[] shape) => $"[{string.Join(", ", shape)}]";
}
