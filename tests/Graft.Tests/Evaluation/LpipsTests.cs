using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Networks.Backbones;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

public class LpipsTests
{
    private static readonly string Folder = EvaluationFixtures.InRepository("lpips");

    [Fact]
    public void Gradients_equal_central_differences_in_double_precision() => TorchRuntime.Run(() =>
    {
        const double Step = 1e-6;
        const int Edge = 18;
        using var scope = new TensorScope();
        using var lpips = EvaluationFixtures.FormulaLpips(Folder, "squeeze");
        var network = lpips.Network;
        network.ConvertTo(DType.Float64);
        var random = new KeyedRandom(3, "lpips");
        var values = (random.Uniform(0, [0], [3, Edge, Edge], DType.Float64) * 2.0) - 1.0;
        var other = PictureTensor.FromUnit(random.Uniform(0, [1], [3, Edge, Edge], DType.Float64));
        values.RequiresGrad = true;
        var weights = Tensor.Arange(1, (Edge * Edge) + 1, type: DType.Float64).Sin().Reshape(1, 1, Edge, Edge);
        foreach (var map in new[] { false, true })
        {
            var gradient = Autograd.Gradients(Loss(values), [values])[0].ToArray<double>();
            var x = values.Detach().ToArray<double>();
            var largest = gradient.Max(Math.Abs);
            largest.ShouldBeGreaterThan(0);
            for (var k = 5; k < x.Length; k += 97)
                gradient[k].ShouldBe((At(k, Step) - At(k, -Step)) / (2 * Step), 1e-5 * largest, $"element {k}");

            double At(int k, double by)
            {
                using var inner = new TensorScope();
                var changed = (double[])x.Clone();
                changed[k] += by;
                return Loss(Tensor.From(changed, 1, 3, Edge, Edge)).Item();
            }

            Tensor Loss(Tensor picture)
            {
                var first = PictureTensor.FromSigned(picture);
                return map ? (network.Spatial(first, other) * weights).Sum() : network.Distance(first, other).Sum();
            }
        }
    });

    /// <summary>Where a ReLU leaves nothing at a position, the norm's derivative is infinite, and must not be.</summary>
    [Fact]
    public void Gradients_stay_finite_where_features_are_nought() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new LpipsNetwork(Backbone.Create(BackboneKind.SqueezeNet));
        foreach (var (_, head) in network.Heads.Parameters())
            head.Fill(1);
        var x = Tensor.Zeros([1, 3, 20, 20]);
        x.RequiresGrad = true;
        var distance = network.Distance(PictureTensor.FromSigned(x), PictureTensor.FromSigned(Tensor.Ones([1, 3, 20, 20])));
        Autograd.Gradients(distance.Sum(), [x])[0].ToArray<float>().ShouldAllBe(g => g == 0);
    });

    [Fact]
    public void All_pairs_are_the_distances_of_pairs_whatever_the_memory()
    {
        using var lpips = EvaluationFixtures.FormulaLpips(Folder, "squeeze");
        var shape = new ImageShape(3, 24, 20);
        var (a, b) = (MemoryImages.Noise(5, shape, 1), MemoryImages.Noise(3, shape, 50));
        var due = new double[5, 3];
        for (var i = 0; i < 5; i++)
        {
            var repeated = new ImageSubset(a, [i, i, i]);
            var row = lpips.Pairs(repeated, b);
            for (var j = 0; j < 3; j++)
                due[i, j] = row[j];
        }

        due.Cast<double>().Min().ShouldBeGreaterThan(1e-3);
        // From everything at once to one picture at a time.
        foreach (var budget in new[] { 1L << 30, 1 << 18, 1 })
        {
            using var limited = Make(budget);
            limited.Between(a, b).Cast<double>().ToArray().ShouldBe(due.Cast<double>().ToArray(), 1e-5);
            var (within, again) = (limited.Within(a), lpips.Between(a, a));
            for (var i = 0; i < 5; i++)
            {
                within[i, i].ShouldBe(0);
                again[i, i].ShouldBe(0, 1e-9);
                for (var j = 0; j < 5; j++)
                {
                    within[i, j].ShouldBe(again[i, j], 1e-5);
                    within[i, j].ShouldBe(within[j, i]);
                }
            }
        }

        static Lpips Make(long budget) => new(EvaluationFixtures.FormulaLpips(Folder, "squeeze").Network, "formula") { MemoryBudget = budget };
    }

    [Fact]
    public void Grey_pictures_are_their_RGB_equals()
    {
        using var lpips = EvaluationFixtures.FormulaLpips(Folder, "squeeze");
        var (a, b) = (MemoryImages.Noise(1, new ImageShape(1, 20, 20)), MemoryImages.Noise(1, new ImageShape(1, 20, 20), 9));
        lpips.Pairs(a, b)[0].ShouldBe(lpips.Pairs(Rgb(a), Rgb(b))[0], 1e-7);

        static MemoryImages Rgb(MemoryImages grey) => new(new ImageShape(3, 20, 20), [.. grey[0], .. grey[0], .. grey[0]]);
    }

    [Fact]
    public void The_range_is_part_of_the_type() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var bytes = Tensor.From([(byte)0, (byte)51, (byte)255], 1, 3, 1, 1);
        PictureTensor.FromBytes(bytes).Values.ToArray<float>().ShouldBe([-1, -0.6f, 1], 1e-6f);
        PictureTensor.FromUnit(Tensor.From([0f, 0.2f, 1f], 1, 3, 1, 1)).Values.ToArray<float>().ShouldBe([-1, -0.6f, 1], 1e-6f);
        PictureTensor.FromSigned(Tensor.From([-0.6f], 1, 1, 1, 1)).Values.ToArray<float>().ShouldBe([-0.6f, -0.6f, -0.6f]);
        Should.Throw<ArgumentException>(() => PictureTensor.FromUnit(Tensor.From([-1f], 1, 1, 1, 1))).Message.ShouldContain("said to be in [0, 1] and reach from -1 to -1");
        Should.Throw<ArgumentException>(() => PictureTensor.FromSigned(Tensor.From([255f], 1, 1, 1, 1))).Message.ShouldContain("said to be in [-1, 1]");
        Should.Throw<ArgumentException>(() => PictureTensor.FromSigned(bytes));
        Should.Throw<ArgumentException>(() => PictureTensor.FromBytes(Tensor.Ones([1, 1, 1, 1])));
        Should.Throw<ArgumentException>(() => PictureTensor.FromUnit(Tensor.Ones([1, 2, 1, 1])));
        PictureTensor.FromSigned(Tensor.From([1.5f], 1, 1, 1, 1), clipped: false).Values.ToArray<float>()[0].ShouldBe(1.5f);
    });

    [Theory]
    [InlineData(BackboneKind.AlexNet)]
    [InlineData(BackboneKind.Vgg16)]
    [InlineData(BackboneKind.SqueezeNet)]
    public void The_smallest_picture_works_and_a_smaller_one_is_refused(BackboneKind kind)
    {
        using var lpips = TorchRuntime.Run(() => new Lpips(new LpipsNetwork(Backbone.Create(kind)), "none"));
        var edge = lpips.Network.Backbone.SmallestEdge;
        var fits = MemoryImages.Noise(1, new ImageShape(1, edge, edge));
        lpips.Pairs(fits, fits).ShouldBe([0]);
        var small = MemoryImages.Noise(1, new ImageShape(1, edge, edge - 1));
        Should.Throw<InputException>(() => lpips.Pairs(small, small)).Message.ShouldContain($"at least {edge} x {edge} pixels, and these are {edge} x {edge - 1}");
        // No smaller edge would do: a layer has no output.
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            Should.Throw<TorchException>(() => lpips.Network.Backbone.Forward(Tensor.Zeros([1, 3, edge - 1, edge - 1])));
        });
    }

    [Fact]
    public void Sets_that_do_not_fit_each_other_are_refused()
    {
        using var lpips = EvaluationFixtures.FormulaLpips(Folder, "squeeze");
        var (a, b) = (MemoryImages.Noise(2, new ImageShape(3, 20, 20)), MemoryImages.Noise(2, new ImageShape(3, 20, 21)));
        Should.Throw<InputException>(() => lpips.Between(a, b)).Message.ShouldContain("pictures of one shape");
        Should.Throw<InputException>(() => lpips.Pairs(a, new ImageSubset(a, [0]))).Message.ShouldContain("as many pictures on either side");
        TorchRuntime.Run(() => // on its thread, where nobody else makes any meanwhile
        {
            var before = TorchRuntime.LiveTensors;
            lpips.Within(a);
            TorchRuntime.LiveTensors.ShouldBe(before);
        });
        lpips.Name.ShouldBe("LPIPS v0.1 (SqueezeNet 1.1, formula+publishe)");
    }

    [Fact]
    public void Heads_below_nought_are_refused() => TorchRuntime.Run(() =>
    {
        using var network = new LpipsNetwork(Backbone.Create(BackboneKind.AlexNet));
        network.Heads.Parameters().First().Value.Fill(-1);
        Should.Throw<InputException>(() => new Lpips(network, "")).Message.ShouldContain("lin0.model.1.weight");
    });

    /// <summary>The same network from each form in which its weights are found, and a sentence for each file that is another.</summary>
    [Fact]
    public void Weights_load_by_name_from_every_published_form()
    {
        using var folder = new TemporaryFolder();
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var tensors = new List<NamedTensor>();
            using (var network = EvaluationFixtures.Formula(BackboneKind.SqueezeNet))
            {
                tensors.AddRange(network.Parameters().Select(p => new NamedTensor(p.Name, p.Value.Clone())));
            }

            var head = new NamedTensor("classifier.1.weight", Tensor.Ones([10, 512, 1, 1]));
            Write("whole", [.. tensors, head]);
            Write("features", [.. tensors.Select(t => t with { Name = t.Name["features.".Length..] })]);
            Write("parallel", [.. tensors.Select(t => t with { Name = "module." + t.Name })]);
            Write("half", [.. tensors.Select(t => t with { Value = t.Value.To(DType.Float16) })]);
            foreach (var name in new[] { "whole", "features", "parallel", "half" })
            {
                using var loaded = Backbone.Load(BackboneKind.SqueezeNet, folder[$"{name}.safetensors"]);
                foreach (var (parameter, due) in loaded.Parameters().Zip(tensors))
                    (parameter.Value - due.Value).Abs().Max().Item().ShouldBeLessThanOrEqualTo(name == "half" ? 1e-3 : 0, parameter.Name);
            }

            Write("cut", [.. tensors.Skip(1)]);
            Write("wide", [.. tensors.Select(t => t.Name == "features.0.weight" ? t with { Value = Tensor.Ones([96, 3, 7, 7]) } : t)]);
            Refusal(BackboneKind.SqueezeNet, "cut").ShouldContain("1 of SqueezeNet 1.1's 50 tensors are missing, 'features.0.weight' first");
            Refusal(BackboneKind.SqueezeNet, "wide").ShouldContain("'features.0.weight' is [96, 3, 7, 7] where [64, 3, 3, 3] is due; give torchvision's squeezenet1_1");
            Refusal(BackboneKind.Vgg16, "whole").ShouldContain("does not hold VGG-16: 24 of VGG-16's 26 tensors are missing");
            Write("other", [new NamedTensor("conv1.weight", Tensor.Ones([1]))]);
            Refusal(BackboneKind.AlexNet, "other").ShouldContain("none of its tensors is called as one of AlexNet's (the first is 'conv1.weight')");
            Should.Throw<InputException>(() => FidInception.Load(folder["other.safetensors"])).Message.ShouldContain("does not hold FID's Inception v3");
            Should.Throw<InputException>(() => Backbone.Load(BackboneKind.AlexNet, folder["absent.pth"]));

            var heads = Path.Combine(Folder, "lin_squeeze.safetensors");
            using (var lpips = Lpips.Load(BackboneKind.SqueezeNet, folder["whole.safetensors"], heads))
                lpips.Hash.ShouldEndWith("+" + Hash(heads));
            Should.Throw<InputException>(() => Lpips.Load(BackboneKind.SqueezeNet, folder["whole.safetensors"], folder["whole.safetensors"]))
                .Message.ShouldContain("does not hold LPIPS' heads for SqueezeNet 1.1");
        });

        void Write(string name, IEnumerable<NamedTensor> tensors) => WeightFile.Write(folder[$"{name}.safetensors"], tensors);

        string Refusal(BackboneKind kind, string name) =>
            Should.Throw<InputException>(() => Backbone.Load(kind, folder[$"{name}.safetensors"])).Message;

        string Hash(string path) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));
    }
}
