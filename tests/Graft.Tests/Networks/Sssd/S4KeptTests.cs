using Graft.Networks.SssdParts;
using Graft.Torch;

namespace Graft.Tests.Networks.Sssd;

/// <summary>What an S4 layer keeps from pass to pass: the same numbers as without, never those of other parameters, and no leak.</summary>
public class S4KeptTests
{
    private const int Width = 3;
    private const int States = 4;
    private const int Longest = 16;

    [Theory]
    [InlineData(true, 16)]
    [InlineData(true, 11)]
    [InlineData(false, 16)]
    [InlineData(false, 11)]
    public void Equals_what_is_computed_anew(bool bidirectional, int length) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var keeping = Made(1, bidirectional, S4Kernel.Room);
        using var without = Made(1, bidirectional, 0);
        var x = Input(length);
        var seed = new KeyedRandom(9, "seed").Normal(0, [0, 1], [Width, length], DType.Float64);
        var (kept, anew) = (keeping.Forward(x), without.Forward(x));
        Distance(kept, anew).ShouldBeLessThan(1e-13);
        Distance(keeping.Kernel.Forward(length), without.Kernel.Forward(length)).ShouldBeLessThan(1e-13);
        Autograd.Backward((kept * seed).Sum());
        Autograd.Backward((anew * seed).Sum());
        foreach (var ((name, value), (_, other)) in keeping.Parameters().Zip(without.Parameters()).Where(p => !S4Kernel.IsFixed($"x.{p.First.Name}")))
            Distance(value.Grad!, other.Grad!).ShouldBeLessThan(1e-12, name);
    });

    [Fact]
    public void Training_and_drawing_give_the_same_bits() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var layer = Made(1, bidirectional: true);
        layer.ConvertTo(DType.Float32);
        var x = Input(Longest).To(DType.Float32);
        var drawn = Drawn(layer, x).ToArray<float>();
        layer.Forward(x).ToArray<float>().ShouldBe(drawn);
        Drawn(layer, x).ToArray<float>().ShouldBe(drawn);
    });

    /// <summary>Whatever happens to the parameters: the output is that of a layer that never had others.</summary>
    [Theory]
    [InlineData(S4Kernel.Room)]
    [InlineData(0)]
    public void Follows_its_parameters(long room) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var layer = Made(1, bidirectional: true, room);
        var x = Input(Longest);
        var last = Drawn(layer, x);
        Check("nothing", () => { }, changes: false);
        Check("other weights", () =>
        {
            using var other = Made(2, bidirectional: true);
            var weights = other.Parameters().ToDictionary(p => p.Name, p => p.Value);
            layer.Load(n => weights[n], "the other");
        });
        Check("a training step", () =>
        {
            using var optimiser = new AdamW(layer.Parameters().Where(p => p.Name == "kernel.kernel.C"), new AdamWOptions(), average: true);
            Autograd.Backward(layer.Forward(x).Square().Mean());
            optimiser.Step(0.1);
            using (optimiser.ApplyAverage())
                CheckNow("the average");
        });
        foreach (var name in (string[])["kernel.kernel.log_dt", "kernel.kernel.B", "kernel.kernel.P", "kernel.kernel.w", "kernel.kernel.Q", "kernel.kernel.C", "D"])
        {
            Check(name, () =>
            {
                var parameter = layer.Parameters().Single(p => p.Name == name).Value;
                parameter.CopyFrom(parameter * 1.1);
            });
        }

        Check("a view of C", () => layer.Parameters().Single(p => p.Name == "kernel.kernel.C").Value.Detach().Select(0, 1).Fill(0.3));
        var shorter = x.Slice(2, 0, 9);
        using (var fresh = Copy(layer, room))
            Distance(Drawn(layer, shorter), Drawn(fresh, shorter)).ShouldBeLessThan(1e-13);
        CheckNow("the whole length again");
        layer.ConvertTo(DType.Float32);
        var single = Drawn(layer, x.To(DType.Float32));
        single.Type.ShouldBe(DType.Float32);
        Distance(single.To(DType.Float64), last).ShouldBeInRange(1e-12, 1e-5);
        layer.ConvertTo(DType.Float64);
        last = Drawn(layer, x);
        CheckNow("double precision again");

        void Check(string what, Action change, bool changes = true)
        {
            // Both kinds are kept: the samples by a pass that trains, the spectrum by one that does not.
            layer.Forward(x);
            last = Drawn(layer, x);
            change();
            var trained = layer.Forward(x);
            var now = CheckNow(what);
            Distance(trained, now).ShouldBeLessThan(1e-13, what);
            (Distance(now, last) > 1e-6).ShouldBe(changes, what);
            last = now;
        }

        Tensor CheckNow(string what)
        {
            using var fresh = Copy(layer, room);
            var now = Drawn(layer, x);
            Distance(now, Drawn(fresh, x)).ShouldBeLessThan(1e-13, what);
            return now;
        }
    });

    [Fact]
    public void A_longer_kernel_made_of_it_keeps_nothing_of_it() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var layer = Made(1, bidirectional: true);
        var x = Input(Longest);
        var before = Drawn(layer, x);
        using var longer = new S4(Width, States, 2 * Longest, bidirectional: true);
        longer.ConvertTo(DType.Float64);
        longer.Initialise(2);
        Distance(Drawn(longer, x), before).ShouldBeGreaterThan(1e-3); // and so keeps another spectrum
        var weights = layer.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var (omega, z) = S4Kernel.Nodes(2 * Longest);
        longer.Load(n => n switch
        {
            "kernel.kernel.C" => layer.Kernel.DoubledC(),
            "kernel.kernel.omega" => Tensor.From(omega, Longest + 1, 2),
            "kernel.kernel.z" => Tensor.From(z, Longest + 1, 2),
            _ => weights[n],
        }, "the shorter");
        Distance(Drawn(longer, x), before).ShouldBeLessThan(1e-6);
    });

    [Fact]
    public void Keeps_a_bounded_number_of_tensors_and_lets_them_go() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Input(Longest);
        var before = TorchRuntime.LiveTensors;
        using (var layer = Made(1, bidirectional: true))
        {
            var made = TorchRuntime.LiveTensors;
            Draw(layer, x);
            TorchRuntime.LiveTensors.ShouldBe(made + 1); // the spectrum
            Draw(layer, x);
            TorchRuntime.LiveTensors.ShouldBe(made + 1);
            Train(layer, x);
            TorchRuntime.LiveTensors.ShouldBe(made + 1); // the samples in its place
            Train(layer, x);
            TorchRuntime.LiveTensors.ShouldBe(made + 1);
            Draw(layer, x);
            TorchRuntime.LiveTensors.ShouldBe(made + 2);
            layer.ConvertTo(DType.Float32);
            TorchRuntime.LiveTensors.ShouldBe(made);
            Draw(layer, x.To(DType.Float32));
        }

        TorchRuntime.LiveTensors.ShouldBe(before + 1); // x in single precision

        static void Draw(S4 layer, Tensor x)
        {
            using var inner = new TensorScope();
            Drawn(layer, x);
        }

        static void Train(S4 layer, Tensor x)
        {
            using var inner = new TensorScope();
            Autograd.Backward(layer.Forward(x).Square().Mean());
            foreach (var (_, value) in layer.Parameters())
                value.Grad = null;
        }
    });

    private static S4 Made(long seed, bool bidirectional, long room = S4Kernel.Room)
    {
        var layer = new S4(Width, States, Longest, bidirectional, room);
        layer.ConvertTo(DType.Float64);
        layer.Initialise(seed);
        layer.RequireGrad(true);
        return layer;
    }

    private static S4 Copy(S4 layer, long room)
    {
        var copy = new S4(Width, States, Longest, bidirectional: true, room);
        copy.ConvertTo(DType.Float64);
        var weights = layer.Parameters().ToDictionary(p => p.Name, p => p.Value);
        copy.Load(n => weights[n], "the original");
        return copy;
    }

    private static Tensor Input(int length) => new KeyedRandom(4, "x").Normal(0, [0, 1], [Width, length], DType.Float64);

    private static Tensor Drawn(S4 layer, Tensor x)
    {
        using var mode = Autograd.NoGrad();
        return layer.Forward(x);
    }

    private static double Distance(Tensor a, Tensor b)
    {
        using var mode = Autograd.NoGrad();
        return (a - b).Abs().Max().Item();
    }
}
