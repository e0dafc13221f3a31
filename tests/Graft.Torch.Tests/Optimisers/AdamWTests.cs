using System.Text.Json;
using Graft.Torch;

namespace Graft.Tests;

public class AdamWTests
{
    private static readonly AdamWOptions Options = new();

    /// <summary>Numbers of PyTorch's AdamW and clip_grad_norm_: see Fixtures/make_adamw.py.</summary>
    [Fact]
    public void Steps_and_norms_are_those_of_PyTorch() => InScope(() =>
    {
        var fixture = Fixture.Read();
        var parameters = fixture.Parameters(DType.Float32);
        using var adam = new AdamW(parameters, Options with { MaxGradientNorm = fixture.MaxNorm }, average: true);
        var average = fixture.Initial.Select(p => p.Select(x => (double)x).ToArray()).ToArray();
        int clipped = 0, step = 0;
        foreach (var expected in fixture.Steps)
        {
            fixture.SetGradients(parameters, expected);
            var decay = Math.Min(0.95, (1.0 + step) / (10.0 + step));
            step++;
            var norm = adam.Step(expected.LearningRate, decay);
            norm.ShouldBe(expected.Norm, 1e-6 * expected.Norm);
            clipped += norm > fixture.MaxNorm ? 1 : 0;
            for (var i = 0; i < parameters.Length; i++)
            {
                var values = parameters[i].Value.ToArray<float>();
                values.ShouldBe(expected.Parameters[i], 2e-6f, $"step {step}, parameter {i}");
                for (var k = 0; k < values.Length; k++)
                    average[i][k] = (decay * average[i][k]) + ((1 - decay) * values[k]);
                adam.Average!.ElementAt(i).Value.To(DType.Float64).ToArray<double>().ShouldBe(average[i], 1e-6);
                parameters[i].Value.Grad.ShouldBeNull();
            }
        }

        adam.Steps.ShouldBe(12);
        clipped.ShouldBeInRange(4, 8);
    });

    [Theory]
    [InlineData(DType.Float64, 1e-13)]
    [InlineData(DType.Float32, 2e-6)]
    [InlineData(DType.BFloat16, 5e-2)]
    public void Every_type_follows_the_algorithm(DType type, double tolerance) => InScope(() =>
    {
        var fixture = Fixture.Read();
        var parameters = fixture.Parameters(type);
        using var adam = new AdamW(parameters, Options, average: true);
        var reference = parameters.Select(p => new Reference(p.Value.To(DType.Float64).ToArray<double>())).ToArray();
        foreach (var given in fixture.Steps)
        {
            fixture.SetGradients(parameters, given);
            var gradients = parameters.Select(p => p.Value.Grad!.To(DType.Float64).ToArray<double>()).ToArray();
            var norm = Math.Sqrt(gradients.Sum(g => g.Sum(x => x * x)));
            adam.Step(given.LearningRate, 0.9).ShouldBe(norm, type == DType.BFloat16 ? 1e-2 * norm : 1e-7 * norm);
            for (var i = 0; i < reference.Length; i++)
                reference[i].Step(gradients[i], norm, given.LearningRate, 0.9, Options);
        }

        for (var i = 0; i < reference.Length; i++)
        {
            parameters[i].Value.Type.ShouldBe(type);
            parameters[i].Value.To(DType.Float64).ToArray<double>().ShouldBe(reference[i].P, tolerance);
            adam.Average!.ElementAt(i).Value.To(DType.Float64).ToArray<double>().ShouldBe(reference[i].Average, tolerance);
        }
    });

    /// <summary>By the loops over memory and by libtorch's operators alike.</summary>
    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    public void A_graph_that_holds_the_old_values_is_not_run_on_the_new_ones(DType type) => InScope(() =>
    {
        var p = Leaf(Tensor.From([1f, 2], 2).To(type));
        using var adam = new AdamW([new NamedTensor("w", p)], Options, average: true);
        var old = p.Square().Sum();
        p.Grad = Tensor.From([1f, 1], 2).To(type);
        var (before, average) = (p.Version, adam.Average!.Single().Value.Version);
        adam.Step(0.1, 0.5);
        p.Version.ShouldBeGreaterThan(before);
        adam.Average!.Single().Value.Version.ShouldBeGreaterThan(average);
        Should.Throw<TorchException>(() => Autograd.Backward(old)).Message.ShouldContain("modified by an inplace operation");
    });

    [Fact]
    public void Strides_change_nothing() => InScope(() =>
    {
        Tensor Parameter() => Leaf(Tensor.From(Enumerable.Range(0, 12).Select(i => i * 0.1f).ToArray(), 3, 4));
        Tensor Gradient() => Tensor.From(Enumerable.Range(0, 12).Select(i => MathF.Sin(i)).ToArray(), 3, 4);
        var plain = Parameter();
        var transposedGradient = Parameter();
        var transposed = Leaf(Parameter().Detach().Transpose(0, 1).Contiguous().Transpose(0, 1));
        transposed.IsContiguous.ShouldBeFalse();
        foreach (var (p, average) in new[] { (plain, true), (transposedGradient, true), (transposed, true) })
        {
            using var adam = new AdamW([new NamedTensor("w", p)], Options, average);
            for (var step = 0; step < 3; step++)
            {
                p.Grad = ReferenceEquals(p, plain) ? Gradient() : Gradient().Transpose(0, 1).Contiguous().Transpose(0, 1);
                adam.Step(0.01, 0.5);
            }

            p.ToArray<float>().ShouldBe(plain.ToArray<float>(), 1e-6f);
        }

        transposedGradient.ToArray<float>().ShouldBe(plain.ToArray<float>());
    });

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_gradient_that_is_not_finite_changes_nothing(float bad) => InScope(() =>
    {
        var a = Leaf(Tensor.From([1f, 2], 2));
        var b = Leaf(Tensor.From([3f], 1).To(DType.BFloat16));
        using var adam = new AdamW([new("a", a), new("b", b)], Options, average: true);
        a.Grad = Tensor.From([1f, 1], 2);
        b.Grad = Tensor.From([1f], 1).To(DType.BFloat16);
        adam.Step(0.1, 0.5);
        List<byte[]> Bytes() => [a.ToBytes(), b.ToBytes(), .. adam.State().Select(s => s.Value.ToBytes())];
        var before = Bytes();
        foreach (var first in (bool[])[true, false])
        {
            a.Grad = Tensor.From([first ? bad : 1f, 1], 2);
            b.Grad = Tensor.From([first ? 1f : bad], 1).To(DType.BFloat16);
            double.IsFinite(adam.Step(0.1, 0.5)).ShouldBeFalse();
            Bytes().ShouldBe(before);
            a.Grad.ShouldBeNull();
        }

        adam.Steps.ShouldBe(1);
    });

    [Fact]
    public void A_parameter_without_gradient_stays_and_its_average_moves() => InScope(() =>
    {
        var a = Leaf(Tensor.From([1f, 2], 2));
        var b = Leaf(Tensor.From([3f], 1));
        using var adam = new AdamW([new("a", a), new("b", b)], Options, average: true);
        adam.State().Single(s => s.Name == "ema.b").Value.Fill(1);
        a.Grad = Tensor.From([1f, 1], 2);
        adam.Step(0.1, 0.5).ShouldBe(Math.Sqrt(2), 1e-6);
        b.ToArray<float>().ShouldBe([3f]);
        adam.State().Single(s => s.Name == "exp_avg.b").Value.ToArray<float>().ShouldBe([0f]);
        adam.State().Single(s => s.Name == "ema.b").Value.ToArray<float>().ShouldBe([2f]);
        a.ToArray<float>()[0].ShouldBeLessThan(1f);
        adam.State().Select(s => s.Name).ShouldBe(["exp_avg.a", "exp_avg_sq.a", "ema.a", "exp_avg.b", "exp_avg_sq.b", "ema.b"]);
    });

    [Fact]
    public void A_graph_from_before_a_step_is_not_run_after_it() => InScope(() =>
    {
        var w = Leaf(Tensor.From([1f, 2], 2));
        var frozen = Leaf(Tensor.From([1f, 2], 2));
        using var adam = new AdamW([new("w", w), new("frozen", frozen)], Options, average: true);
        var loss = (w * w).Sum();
        var other = (frozen * frozen).Sum();
        Autograd.Backward(loss, retainGraph: true);
        adam.Step(0.1, 0.5);
        Should.Throw<TorchException>(() => Autograd.Backward(loss)).Message.ShouldContain("modified by an inplace operation");
        Autograd.Backward(other);
    });

    [Fact]
    public void Without_a_limit_nothing_is_clipped() => InScope(() =>
    {
        var w = Leaf(Tensor.From([0f], 1));
        using var adam = new AdamW([new("w", w)], Options with { MaxGradientNorm = 0, Beta1 = 0.5 }, average: false);
        adam.Average.ShouldBeNull();
        w.Grad = Tensor.From([100f], 1);
        adam.Step(0.1).ShouldBe(100);
        adam.State().First().Value.Item().ShouldBe(50);
    });

    [Fact]
    public void Threads_change_nothing() => InScope(() =>
    {
        var before = TorchRuntime.Threads;
        var results = new List<float[]>();
        foreach (var threads in (int[])[1, 2])
        {
            TorchRuntime.Threads = threads;
            var random = new KeyedRandom(3, "threads");
            var w = Leaf(random.Normal(0, [0], [70_000]));
            using var adam = new AdamW([new("w", w)], Options, average: false);
            w.Grad = random.Normal(1, [0], [70_000]);
            results.Add([(float)adam.Step(0.01), .. w.ToArray<float>()]);
        }

        TorchRuntime.Threads = before;
        results[1].ShouldBe(results[0]);
    });

    [Fact]
    public void Its_state_is_released() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var w = Leaf(Tensor.Ones([2]));
        var before = TorchRuntime.LiveTensors;
        using (var adam = new AdamW([new("w", w)], Options, average: true))
        {
            w.Grad = Tensor.Ones([2]);
            adam.Step(0.1, 0.5);
            TorchRuntime.LiveTensors.ShouldBe(before + 4); // three of state, and the gradient that this test made
        }

        TorchRuntime.LiveTensors.ShouldBe(before + 1);
    });

    private static Tensor Leaf(Tensor x)
    {
        x.RequiresGrad = true;
        return x;
    }

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });

    /// <summary>Algorithm 2 of Loshchilov and Hutter (2019), in doubles.</summary>
    private sealed class Reference(double[] p)
    {
        private readonly double[] _m = new double[p.Length];
        private readonly double[] _v = new double[p.Length];
        private int _t;

        public double[] P { get; } = p;

        public double[] Average { get; } = (double[])p.Clone();

        public void Step(double[] gradient, double norm, double rate, double decay, AdamWOptions o)
        {
            _t++;
            var clip = Math.Min(1, o.MaxGradientNorm / (norm + 1e-6));
            for (var i = 0; i < P.Length; i++)
            {
                var g = gradient[i] * clip;
                _m[i] = (o.Beta1 * _m[i]) + ((1 - o.Beta1) * g);
                _v[i] = (o.Beta2 * _v[i]) + ((1 - o.Beta2) * g * g);
                var m = _m[i] / (1 - Math.Pow(o.Beta1, _t));
                var v = _v[i] / (1 - Math.Pow(o.Beta2, _t));
                P[i] -= rate * ((m / (Math.Sqrt(v) + o.Epsilon)) + (o.WeightDecay * P[i]));
                Average[i] = (decay * Average[i]) + ((1 - decay) * P[i]);
            }
        }
    }

    private sealed record Step(double LearningRate, float[][] Gradients, double Norm, float[][] Parameters);

    private sealed record Fixture(long[][] Shapes, double MaxNorm, float[][] Initial, Step[] Steps)
    {
        private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

        public static Fixture Read() => JsonSerializer.Deserialize<Fixture>(
            File.ReadAllText(Path.Combine(SharedFiles.Repository, "tests", "Graft.Torch.Tests", "Fixtures", "adamw.json")), Json)!;

        public NamedTensor[] Parameters(DType type) =>
            [.. Initial.Select((p, i) => new NamedTensor($"p{i}", Leaf(Tensor.From(p, Shapes[i]).To(type))))];

        public void SetGradients(NamedTensor[] parameters, Step step)
        {
            for (var i = 0; i < parameters.Length; i++)
                parameters[i].Value.Grad = Tensor.From(step.Gradients[i], Shapes[i]).To(parameters[i].Value.Type);
        }
    }
}
