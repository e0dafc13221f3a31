using System.Globalization;
using System.Text.RegularExpressions;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Planning;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary>Do both sides compute the same? What Graft's process writes, and the comparison; without it nothing is timed.</summary>
internal static partial class Parity
{
    /// <summary>Of outputs, loss, gradients and samples: the largest difference over the largest value.</summary>
    internal const double Tolerance = 1e-5;

    private const int OptimiserSteps = 2;

    /// <summary>Differences by what was compared, and whether each is small enough.</summary>
    internal sealed record Comparison(string What, double Difference, double Allowed)
    {
        public bool Holds => Difference <= Allowed;
    }

    /// <summary>Draws inputs, and writes what Graft makes of them into <paramref name="folder"/>.</summary>
    internal static object Compute(DiffusionModel model, int batch, string folder)
    {
        using var scope = new TensorScope();
        var network = model.Network;
        var items = Enumerable.Range(0, batch).Select(i => (long)i).ToArray();
        Tensor Draw(string purpose) => new KeyedRandom(1, purpose).Normal(0, items, model.ItemShape.Sizes);
        var (x, noise) = (Draw("benchmark/x"), Draw("benchmark/noise"));
        var t = new KeyedRandom(1, "benchmark/t").Integers(0, items, 0, model.Schedule.Count);
        var labels = RandomItems.Labels(network.Options, batch);
        WeightFile.Write(
            Path.Combine(folder, "inputs.safetensors"),
            [new("x", x), new("noise", noise), new("t", t), .. labels is null ? [] : (NamedTensor[])[new("labels", labels)]]);
        var condition = labels is null ? null : new Condition { ClassLabels = labels.To(model.Device) };
        (x, noise, t) = (x.To(model.Device), noise.To(model.Device), t.To(model.Device));

        var parameters = network.TrainableParameters().ToArray();
        foreach (var (_, value) in parameters)
            value.RequiresGrad = true;
        var output = network.Predict(x, t, condition);
        var loss = (output - noise).Square().Mean();
        Autograd.Backward(loss);
        // The last two updates: at the start of a run x_0 is the difference of nearly equal tensors, a hundredfold.
        var sample = Worker.Ddim(
            model, noise, (_, _) => throw new InvalidOperationException("DDIM without eta draws nothing"), condition, steps: 2, first: Worker.SamplingSteps - 2);
        // What the output does not depend on has none: the way on from the last block of SSSD-ECG.
        var reached = parameters.Where(p => p.Value.Grad is not null).ToArray();
        var gradients = Array.ConvertAll(reached, p => new NamedTensor(p.Name, p.Value.Grad!));
        WeightFile.Write(
            Path.Combine(folder, "ours.safetensors"),
            [new("output", output.Detach()), new("loss", loss.Detach()), new("sample", sample), .. Named("grad", gradients)]);

        // The optimiser on equal gradients: Adam divides by their size, so tiny differences in tiny gradients would be blown up.
        using var optimiser = new AdamW(parameters, new AdamWOptions(), average: true);
        for (var step = 0; step < OptimiserSteps; step++)
        {
            for (var i = 0; i < reached.Length; i++)
                reached[i].Value.Grad = gradients[i].Value.Clone();
            _ = optimiser.Step(Worker.LearningRate, new Training.TrainingOptions().EmaDecayAt(step));
        }

        WeightFile.Write(
            Path.Combine(folder, "ours-stepped.safetensors"),
            [.. Named("parameter", parameters.Select(p => p with { Value = p.Value.Detach() })), .. Named("ema", optimiser.Average!)]);
        network.RequireGrad(false);
        return new { operations = Operations(network.Options), parameters = network.ParameterCount };
    }

    /// <summary>Operations of a forward pass for one item; null where nobody counts those of such a network.</summary>
    internal static long? Operations(DenoiserOptions network) =>
        network is UNet2DOptions unet && network.ShapeOf(network.ClassName).Sizes is [_, var height, var width] ? NetworkCost.Of(unet, height, width).Operations : null;

    /// <summary>Compares what both sides wrote.</summary>
    internal static IReadOnlyList<Comparison> Compare(string folder, double tolerance) => TorchRuntime.Run(() =>
    {
        var all = new List<Comparison>();
        var (ours, theirs) = (Open("ours"), Open("theirs"));
        foreach (var name in (string[])["output", "loss", "sample"])
            all.Add(new Comparison(name, Difference(ours, theirs, name).Relative, tolerance));
        // Relative to the largest gradient of all: some are 0 but for rounding (a key's bias).
        var gradients = ours.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)).Select(n => Difference(ours, theirs, n)).ToList();
        all.Add(new Comparison("gradients", gradients.Max(d => d.Absolute) / gradients.Max(d => d.Largest), tolerance));
        var (oursAfter, theirsAfter) = (Open("ours-stepped"), Open("theirs-stepped"));
        foreach (var kind in (string[])["parameter", "ema"])
        {
            // In units of the learning rate, which is about what a step of Adam moves a weight; rounding a weight of 1 takes 6e-4 of it.
            var steps = oursAfter.Names.Where(n => n.StartsWith(kind, StringComparison.Ordinal)).Select(n => Difference(oursAfter, theirsAfter, n));
            all.Add(new Comparison($"{kind}s after {OptimiserSteps} steps", steps.Max(d => d.Absolute) / Worker.LearningRate, 5e-3));
        }

        if (!ours.Names.Order(StringComparer.Ordinal).SequenceEqual(theirs.Names.Order(StringComparer.Ordinal), StringComparer.Ordinal))
            throw new InputException("Both sides did not write tensors of the same names: the networks differ.");
        foreach (var file in (WeightFile[])[ours, theirs, oursAfter, theirsAfter])
            file.Dispose();
        return (IReadOnlyList<Comparison>)all;

        WeightFile Open(string name) => WeightFile.Open(Path.Combine(folder, name + ".safetensors"));
    });

    private static (double Absolute, double Largest, double Relative) Difference(WeightFile ours, WeightFile theirs, string name)
    {
        using var scope = new TensorScope();
        var (a, b) = (ours.Read(name).To(DType.Float64), theirs.Read(name).To(DType.Float64));
        if (!a.Shape.SequenceEqual(b.Shape))
            throw new InputException($"{name} is {a} here and {b} there.");
        var (difference, largest) = ((a - b).Abs().Max().Item(), b.Abs().Max().Item());
        if (!double.IsFinite(difference))
            throw new InputException(string.Create(CultureInfo.InvariantCulture, $"{name} is not finite on one side (difference {difference})."));
        return (difference, largest, difference / Math.Max(largest, 1e-30));
    }

    private static IEnumerable<NamedTensor> Named(string kind, IEnumerable<NamedTensor> tensors) =>
        tensors.Select(t => t with { Name = $"{kind}.{NewAttention().Replace(t.Name, m => OldName(m.Value))}" });

    /// <summary>The name in the file, which is the other side's too.</summary>
    private static string OldName(string name) => name switch
    {
        "to_q" => "query",
        "to_k" => "key",
        "to_v" => "value",
        _ => "proj_attn",
    };

    [GeneratedRegex(@"(?<=attentions\.\d+\.)(to_q|to_k|to_v|to_out\.0)(?=\.)")]
    private static partial Regex NewAttention();
}
