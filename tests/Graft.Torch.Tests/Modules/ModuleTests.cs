using Graft.Torch;

namespace Graft.Tests;

public class ModuleTests
{
    [Fact]
    public void Names_are_those_of_PyTorch() => InScope(() =>
    {
        using var net = new Net();
        net.Parameters().Select(p => $"{p.Name} {p.Value}").ShouldBe((string[])
        [
            "scale Float32[2]",
            "conv_in.weight Float32[4, 3, 3, 3]", "conv_in.bias Float32[4]",
            "blocks.0.norm.weight Float32[4]", "blocks.0.norm.bias Float32[4]",
            "blocks.0.proj.weight Float32[8, 4]",
            "blocks.1.norm.weight Float32[4]", "blocks.1.norm.bias Float32[4]",
            "blocks.1.proj.weight Float32[8, 4]",
            "class_embedding.weight Float32[5, 4]",
        ]);
        net.Modules().Select(m => m.Name)
            .ShouldBe(["", "conv_in", "blocks.0", "blocks.0.norm", "blocks.0.proj", "blocks.1", "blocks.1.norm", "blocks.1.proj", "class_embedding"]);
        net.ParameterCount.ShouldBe(108 + 4 + (2 * (8 + 32)) + 20 + 2);
        net.Parameters().ShouldAllBe(p => p.Value.ToArray<float>().All(x => x == 0));
    });

    [Fact]
    public void Initial_values_are_a_function_of_seed_and_name() => InScope(() =>
    {
        using var a = new Net();
        using var b = new Net(blocksFirst: true);
        using var c = new Net();
        a.Initialise(1);
        b.Initialise(1);
        c.Initialise(2);
        var values = b.Parameters().ToDictionary(p => p.Name, p => p.Value.ToArray<float>());
        values.Count.ShouldBe(10);
        foreach (var (name, value) in a.Parameters())
            value.ToArray<float>().ShouldBe(values[name]);
        Parameter(c, "conv_in.weight").ShouldNotBe(values["conv_in.weight"]);
        values["blocks.0.proj.weight"].ShouldNotBe(values["blocks.1.proj.weight"]);
        values["blocks.0.norm.weight"].ShouldAllBe(x => x == 1);
        values["blocks.0.norm.bias"].ShouldAllBe(x => x == 0);
        a.Initialise(1);
        Parameter(a, "conv_in.weight").ShouldBe(values["conv_in.weight"]);
    });

    [Fact]
    public void Initial_values_have_PyTorchs_statistics() => InScope(() =>
    {
        using var linear = new Linear(400, 300);
        linear.Initialise(3);
        Uniform(linear.Weight, 1 / Math.Sqrt(400));
        Uniform(linear.Bias!, 1 / Math.Sqrt(400));
        using var conv = new Conv2d(32, 64, 3);
        conv.Initialise(3);
        Uniform(conv.Weight, 1 / Math.Sqrt(32 * 9));
        Uniform(conv.Bias!, 1 / Math.Sqrt(32 * 9));
        using var embedding = new Embedding(200, 100);
        embedding.Initialise(3);
        var x = embedding.Weight.ToArray<float>();
        x.Average(v => v * v).ShouldBe(1, 0.05);
        x.Average().ShouldBe(0, 0.03);

        static void Uniform(Tensor t, double bound)
        {
            var x = t.ToArray<float>();
            x.Max(Math.Abs).ShouldBeInRange((float)(0.95 * bound), (float)bound);
            x.Average().ShouldBe(0, 4 * bound / Math.Sqrt(3 * x.Length));
            x.Average(v => (double)v * v).ShouldBe(bound * bound / 3, 4 * bound * bound / Math.Sqrt(x.Length));
        }
    });

    [Fact]
    public void Weights_load_by_name_converted() => InScope(() =>
    {
        using var a = new Net();
        using var b = new Net();
        a.Initialise(1);
        b.RequireGrad(true);
        var before = TorchRuntime.LiveTensors;
        b.Load(name => a.Parameters().Single(p => p.Name == name).Value.To(DType.Float64), "a test");
        TorchRuntime.LiveTensors.ShouldBe(before);
        foreach (var (p, q) in a.Parameters().Zip(b.Parameters()))
            q.Value.ToArray<float>().ShouldBe(p.Value.ToArray<float>());
        b.Parameters().ShouldAllBe(p => p.Value.RequiresGrad && p.Value.Type == DType.Float32);
    });

    [Fact]
    public void Faults_of_a_checkpoint_come_in_one_sentence() => InScope(() =>
    {
        using var net = new Net();
        Should.Throw<InputException>(() => net.Load(
            name => name == "scale" ? Tensor.Zeros([3]) : name == "conv_in.bias" ? null : Tensor.Zeros(Shape(net, name)), "x.safetensors"))
            .Message.ShouldBe(
                "The weights of x.safetensors do not fit the network: scale is Float32[3] where Float32[2] is due; conv_in.bias is missing.");
        Should.Throw<InputException>(() => net.Load(_ => null, "x")).Message
            .ShouldEndWith("; blocks.0.norm.weight is missing, and 6 more.");
    });

    [Fact]
    public void Converting_keeps_names_values_and_what_records() => InScope(() =>
    {
        using var net = new Net();
        net.Initialise(1);
        net.RequireGrad(true);
        Parameter(net, "scale", p => p.RequiresGrad = false);
        var names = net.Parameters().Select(p => p.Name).ToArray();
        var values = net.Parameters().Select(p => p.Value.ToArray<float>()).ToArray();
        var live = TorchRuntime.LiveTensors;

        net.MoveTo(Device.Cpu);
        net.ConvertTo(DType.Float64);
        net.Parameters().Select(p => p.Name).ShouldBe(names);
        net.Parameters().ShouldAllBe(p => p.Value.Type == DType.Float64 && p.Value.RequiresGrad == (p.Name != "scale"));
        TorchRuntime.LiveTensors.ShouldBe(live);
        // and the layers use the new ones
        var y = net.First.Forward(Tensor.Ones([1, 3, 4, 4], DType.Float64));
        Autograd.Backward(y.Sum());
        Parameter(net, "conv_in.bias", p => p.Grad!.ToArray<double>().ShouldBe([16.0, 16, 16, 16]));

        net.ConvertTo(DType.Float32);
        net.Parameters().Select(p => p.Value.ToArray<float>()).ShouldBe(values);
        TorchRuntime.LiveTensors.ShouldBe(live + 4); // the input, y, its sum and the bias's gradient, read once
    });

    [Fact]
    public void Disposing_releases_every_parameter()
    {
        TorchRuntime.Run(() =>
        {
            var before = TorchRuntime.LiveTensors;
            var net = new Net();
            TorchRuntime.LiveTensors.ShouldBe(before + 10);
            net.Dispose();
            net.Dispose();
            TorchRuntime.LiveTensors.ShouldBe(before);
        });
        // from any thread
        TorchRuntime.Run(() => new Net()).Dispose();
    }

    [Fact]
    public void Training_reaches_every_module() => InScope(() =>
    {
        using var net = new Net();
        net.IsTraining.ShouldBeFalse();
        net.Train();
        net.Modules().ShouldAllBe(m => m.Module.IsTraining);
        net.Train(false);
        net.Modules().ShouldAllBe(m => !m.Module.IsTraining);
    });

    private static float[] Parameter(Module module, string name) =>
        module.Parameters().Single(p => p.Name == name).Value.ToArray<float>();

    private static void Parameter(Module module, string name, Action<Tensor> use) =>
        use(module.Parameters().Single(p => p.Name == name).Value);

    private static long[] Shape(Module module, string name) => module.Parameters().Single(p => p.Name == name).Value.Shape.ToArray();

    private static void InScope(Action work) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        work();
    });

    private sealed class Block : Module
    {
        public Block()
        {
            Add("norm", new LayerNorm(4));
            Add("proj", new Linear(4, 8, bias: false));
        }
    }

    private sealed class Net : Module
    {
        public Net(bool blocksFirst = false)
        {
            AddParameter("scale", 2);
            if (blocksFirst)
                AddBlocks();
            First = Add("conv_in", new Conv2d(3, 4, 3, padding: 1));
            if (!blocksFirst)
                AddBlocks();
            Add("class_embedding", new Embedding(5, 4));
        }

        public Conv2d First { get; }

        private void AddBlocks()
        {
            Add("blocks.0", new Block());
            Add("blocks.1", new Block());
        }
    }
}
