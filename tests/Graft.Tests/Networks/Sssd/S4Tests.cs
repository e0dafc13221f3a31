using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Networks.SssdParts;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.Sssd;

/// <summary>One S4 layer: equal to the peer's, to the recursion that it stands for, and to differences of itself.</summary>
public class S4Tests
{
    [Theory]
    [InlineData("s4_bidirectional")]
    [InlineData("s4_causal")]
    public void Equals_the_peers_kernels_outputs_and_gradients(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (fixture, io, model) = Open(name);
        using (io)
        using (model)
        {
            var config = fixture["config"]!;
            var (width, states, longest) = ((long)config["d_model"]!, (long)config["d_state"]!, (long)config["l_max"]!);
            var bidirectional = (bool)config["bidirectional"]!;
            using var layer = new S4(width, states, longest, bidirectional);
            layer.Load(n => model.Read(n), name);
            layer.RequireGrad(true);
            foreach (var length in fixture["lengths"]!.AsArray().Select(l => (long)l!).Where(l => l <= longest))
            {
                if (io.Contains($"kernel_{length}"))
                    layer.Kernel.Forward(length).ShouldMatch(io.Read($"kernel_{length}"), fixture["tolerance"]!["kernel"]!, $"kernel {length}");
                layer.Forward(io.Read($"input_{length}")).ShouldMatch(io.Read($"output_{length}"), fixture["tolerance"]!["output"]!, $"output {length}");
            }

            layer.Kernel.Forward(longest).ShouldMatch(io.Read("kernel_recurrence_float64"), new JsonObject { ["abs"] = 2e-6 }, "the recursion in double precision");

            var input = io.Read($"input_{longest}");
            input.RequiresGrad = true;
            Autograd.Backward(layer.Forward(input).Square().Mean());
            var parameters = layer.Parameters().ToDictionary(p => p.Name, p => p.Value);
            const string Above = "output_linear.weight";
            parameters[Above].Grad!.ShouldMatch(io.Read($"grad.{Above}"), fixture["tolerance"]!["grad"]!, Above);

            // The rest of the peer's gradients pass a GELU, which in its libtorch gave wrong numbers (SssdFixtures): differences decide.
            layer.RequireGrad(false);
            layer.ConvertTo(DType.Float64);
            layer.RequireGrad(true);
            var wide = input.Detach().To(DType.Float64);
            wide.RequiresGrad = true;
            foreach (var (_, value) in layer.Parameters())
                value.Grad = null;
            DoubleDifferences.Check(
                layer.Parameters().Where(p => !S4Kernel.IsFixed($"x.{p.Name}")).Append(new NamedTensor("input", wide)), () => layer.Forward(wide).Square().Mean(), 8, 1e-7);
            input.Grad!.ShouldMatch(wide.Grad!, new JsonObject { ["rel"] = 1e-4, ["relative_to"] = "max abs of the tensor" }, "grad.input in single precision");
            layer.Parameters().Where(p => S4Kernel.IsFixed($"x.{p.Name}")).Count().ShouldBe(7);
        }
    });

    /// <summary>The peer's kernel for sequences that are longer than it was made for.</summary>
    [Fact]
    public void Doubles_its_kernel_as_the_peer_does() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (fixture, io, model) = Open("s4_bidirectional");
        using (io)
        using (model)
        {
            using var layer = new S4(4, 8, 32, bidirectional: true);
            layer.Load(n => model.Read(n), "the fixture");
            Should.Throw<InputException>(() => layer.Forward(io.Read("input_50"))).Message.ShouldContain("s4_lmax");
            using var longer = new S4(4, 8, 64, bidirectional: true);
            var (omega, z) = S4Kernel.Nodes(64);
            longer.Load(n => n switch
            {
                "kernel.kernel.C" => layer.Kernel.DoubledC(),
                "kernel.kernel.omega" => Tensor.From(omega, 33, 2),
                "kernel.kernel.z" => Tensor.From(z, 33, 2),
                _ => model.Read(n),
            }, "the fixture");
            longer.Kernel.Forward(50).ShouldMatch(io.Read("kernel_50"), fixture["tolerance"]!["kernel"]!, "kernel 50");
            longer.Forward(io.Read("input_50")).ShouldMatch(io.Read("output_50"), fixture["tolerance"]!["output"]!, "output 50");
        }
    });

    [Fact]
    public void The_roots_of_unity_are_those_that_checkpoints_store() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (_, io, model) = Open("s4_bidirectional");
        using (io)
        using (model)
        {
            var (omega, z) = S4Kernel.Nodes(32);
            Tensor.From(omega, 17, 2).ShouldMatch(model.Read("kernel.kernel.omega"), new JsonObject { ["abs"] = 1e-5 }, "omega");
            Tensor.From(z[..32], 16, 2).ShouldMatch(model.Read("kernel.kernel.z").Slice(0, 0, 16), new JsonObject { ["abs"] = 1e-4, ["rel"] = 1e-4 }, "z");
        }
    });

    /// <summary>
    /// From nothing: the first kernel is that of HiPPO-LegS itself, computed by a recursion with the plain real matrix, which knows nothing
    /// of eigenvectors, Cauchy sums and Fourier transforms.
    /// </summary>
    [Fact]
    public void Initial_states_are_hippos() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        const int States = 8, Length = 40;
        using var kernel = new S4Kernel(1, States, Length, 1);
        kernel.ConvertTo(DType.Float64);
        kernel.Initialise(3, "kernel.kernel");
        var parameters = kernel.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var (lambda, p, b) = HippoStates.Create(States);

        // A in the basis of eigenvectors has LegS' characteristic numbers: its trace, and Bᴴ·B and Pᴴ·P of both halves.
        var trace = (2 * lambda.Sum(l => l.Real)) - (2 * p.Sum(v => v.Magnitude * v.Magnitude));
        trace.ShouldBe(-Enumerable.Range(1, States).Sum(), 1e-9);
        (2 * b.Sum(v => v.Magnitude * v.Magnitude)).ShouldBe(Enumerable.Range(0, States).Sum(n => (2 * n) + 1), 1e-9);

        // Markov parameters that do not depend on the basis: Bᴴ·Āˡ·B, against the real matrix.
        var step = Math.Exp(parameters["log_dt"].ToArray<double>()[0]);
        step.ShouldBeInRange(0.001, 0.1);
        var power = HippoStates.Power(lambda, p, Array.ConvertAll(p, System.Numerics.Complex.Conjugate), [step], 5);
        var both = b.Concat(b.Select(System.Numerics.Complex.Conjugate)).ToArray();
        var value = Sandwich(both, power.ToArray<System.Numerics.Complex>());
        var (left, right) = (new double[States * States], new double[States * States]);
        for (var n = 0; n < States; n++)
        {
            for (var k = 0; k < States; k++)
            {
                var a = n > k ? -Math.Sqrt(((2 * n) + 1) * ((2 * k) + 1)) : n == k ? -(n + 1) : 0;
                left[(n * States) + k] = (n == k ? 1 : 0) - (a * step / 2);
                right[(n * States) + k] = (n == k ? 1 : 0) + (a * step / 2);
            }
        }

        var real = ComplexTensor.Power(ComplexTensor.Solve(Tensor.From(left, States, States), Tensor.From(right, States, States)), 5).ToArray<double>();
        var due = Sandwich([.. Enumerable.Range(0, States).Select(n => new System.Numerics.Complex(Math.Sqrt((2 * n) + 1), 0))], [.. real.Select(v => new System.Numerics.Complex(v, 0))]);
        value.Real.ShouldBe(due.Real, 1e-9 * Math.Abs(due.Real));
        value.Imaginary.ShouldBe(0, 1e-9);

        // The stored C is C·(I − Ā^L): taken back by solving, its recursion is the kernel that the Fourier transform gives.
        var q = Array.ConvertAll(p, System.Numerics.Complex.Conjugate);
        var once = HippoStates.Power(lambda, p, q, [step], 1).Select(0, 0);
        var whole = HippoStates.Power(lambda, p, q, [step], Length).Select(0, 0);
        var stored = ComplexTensor.Of(parameters["C"]).Reshape(-1);
        var c = Tensor.Cat([stored, ComplexTensor.Conjugate(stored)]).Reshape(1, States);
        var identity = Tensor.From([.. Enumerable.Range(0, States * States).Select(i => new System.Numerics.Complex(i % (States + 1) == 0 ? 1 : 0, 0))], States, States);
        var plain = ComplexTensor.Solve((identity - whole).Transpose(0, 1), c.Transpose(0, 1)).Transpose(0, 1);
        // B̄ = (I − Δ/2·A)⁻¹·Δ·B, and Ā = (I − Δ/2·A)⁻¹·(I + Δ/2·A) = 2·(I − Δ/2·A)⁻¹ − I.
        var state = (once + identity).MatMul(Tensor.From(both, States, 1)) * (step / 2);
        var kernels = kernel.Forward(Length).ToArray<double>();
        for (var l = 0; l < Length; l++)
        {
            plain.MatMul(state).ToArray<System.Numerics.Complex>()[0].Real.ShouldBe(kernels[l], 1e-9, $"sample {l}");
            state = once.MatMul(state);
        }
    });

    [Fact]
    public void Gradients_equal_central_differences() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var layer = new S4(3, 4, 16, bidirectional: true);
        layer.Initialise(5);
        layer.ConvertTo(DType.Float64);
        layer.RequireGrad(true);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [3, 13], DType.Float64);
        var weight = new KeyedRandom(1, "weight").Normal(0, [0, 1], [3, 13], DType.Float64);
        DoubleDifferences.Check(layer.Parameters().Where(p => !S4Kernel.IsFixed($"x.{p.Name}")), () => (layer.Forward(x).Square() * weight).Sum(), 6, 1e-6);
    });

    private static System.Numerics.Complex Sandwich(System.Numerics.Complex[] b, System.Numerics.Complex[] matrix)
    {
        var sum = System.Numerics.Complex.Zero;
        for (var n = 0; n < b.Length; n++)
        {
            for (var k = 0; k < b.Length; k++)
                sum += System.Numerics.Complex.Conjugate(b[n]) * matrix[(n * b.Length) + k] * b[k];
        }

        return sum;
    }

    private static (JsonNode Fixture, WeightFile Io, WeightFile Model) Open(string name)
    {
        var folder = SssdFixtures.InRepository(name);
        return (
            JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!,
            WeightFile.Open(Path.Combine(folder, "io.safetensors")),
            WeightFile.Open(Path.Combine(folder, "model.safetensors")));
    }
}
