using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Networks.SequenceUNetParts;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.Sequences;

/// <summary>The U-Net of recordings: gradients, what its parts are said to be, and a model like any other.</summary>
public sealed class SequenceUNetTests : IDisposable
{
    private static readonly SequenceUNetOptions Tiny = new()
    {
        InChannels = 3, SampleLength = 24, PatchSize = 2, BlockOutChannels = [4, 8], NormNumGroups = 2, TransformerLayers = 2, AttentionHeadDim = 4, LabelEmbedClasses = 4,
    };

    private static readonly ScheduleOptions Schedule = new() { NumTrainTimesteps = 50, ClipSample = false };

    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 3)]
    public void Gradients_equal_central_differences(int layersPerBlock, int kernel) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new SequenceUNet(Tiny with { LayersPerBlock = layersPerBlock, KernelSize = kernel });
        network.Initialise(4);
        network.ConvertTo(DType.Float64);
        Stir(network);
        network.RequireGrad(true);
        var schedule = new NoiseSchedule(Schedule);
        long[] items = [0, 1, 2];
        var (x0, noise) = (new KeyedRandom(1, "x0").Normal(0, items, [3, 24], DType.Float64), new KeyedRandom(1, "noise").Normal(0, items, [3, 24], DType.Float64));
        var t = Tensor.From([3L, 20L, 49L], 3);
        var condition = new Condition { ClassLabels = Tensor.From([1f, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0], 3, 4) };
        DoubleDifferences.Check(
            network.Parameters(), () => Losses.Simple(network.Predict(schedule.AddNoise(x0, noise, t), t, condition), x0, noise, t, schedule).Mean, 3, 1e-7);
    });

    /// <summary>What Su et al. 2021 ask for (eq. 11): the product of a query and a key turns on how far apart they are alone.</summary>
    [Theory]
    [InlineData(10_000)]
    [InlineData(100)]
    public void Turned_queries_and_keys_know_their_distance_only(double rotaryBase) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (q, k) = (new KeyedRandom(1, "q").Normal(0, [0], [6], DType.Float64), new KeyedRandom(1, "k").Normal(0, [0], [6], DType.Float64));
        Tensor Everywhere(Tensor x) => RotaryLayer.Rotated(x.Transpose(0, 1).Expand(6, 40), rotaryBase).Transpose(0, 1);
        var product = Everywhere(q).MatMul(Everywhere(k).Transpose(0, 1)).ToArray<double>();
        var near = product[(7 * 40) + 4];
        for (var l = 3; l < 40; l++)
            product[(l * 40) + l - 3].ShouldBe(near, 1e-12);
        Math.Abs(product[(7 * 40) + 5] - near).ShouldBeGreaterThan(1e-3);
        product[(7 * 40) + 7].ShouldBe((q * k).Sum().Item(), 1e-12);
    });

    /// <summary>A token far away changes what comes out here, and so does the order of the others.</summary>
    [Fact]
    public void Every_position_sees_every_other_and_where_it_is() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var layer = new RotaryLayer(8, 2, 100);
        layer.Initialise(4);
        var x = new KeyedRandom(1, "x").Normal(0, [0], [50, 8]);
        Tensor First(Tensor tokens) => layer.Forward(tokens).Select(1, 0);
        var last = Tensor.Cat([x.Slice(1, 0, 49), -x.Slice(1, 49, 50)], 1);
        var turned = Tensor.Cat([x.Slice(1, 0, 1), x.Slice(1, 1, 50).Flip(1)], 1);
        (First(last) - First(x)).Abs().Max().Item().ShouldBeGreaterThan(1e-4);
        (First(turned) - First(x)).Abs().Max().Item().ShouldBeGreaterThan(1e-4);
    });

    /// <summary>A network that was only made predicts 0; saved and opened it is the same.</summary>
    [Fact]
    public void A_model_goes_to_a_folder_and_back() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = DiffusionModel.Create(Tiny, Schedule, 3);
        model.ItemShape.ShouldBe(new ItemShape(3, 24));
        var condition = new Condition { ClassLabels = Tensor.From([1L], 1) };
        model.Network.Predict(new KeyedRandom(1, "x").Normal(0, [0], [3, 24]), Tensor.From([5L], 1), condition).Abs().Max().Item().ShouldBe(0);
        model.Save(_temporary["model"]);
        using var again = DiffusionModel.Load(_temporary["model"]);
        again.Fingerprint().ShouldBe(model.Fingerprint());
        again.Network.Options.ShouldBe(Tiny);
        using var copy = model.Clone();
        copy.Fingerprint().ShouldBe(model.Fingerprint());
    });

    [Fact]
    public void What_it_cannot_take_is_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new SequenceUNet(Tiny);
        var t = Tensor.From([5L], 1);
        var condition = new Condition { ClassLabels = Tensor.From([1L], 1) };
        Should.Throw<InputException>(() => network.Predict(Tensor.Zeros([1, 3, 24]), t)).Message.ShouldContain("labels");
        Should.Throw<InputException>(() => network.Predict(Tensor.Zeros([1, 3, 22]), t, condition)).Message.ShouldContain("a multiple of 4");
        Should.Throw<InputException>(() => network.Predict(Tensor.Zeros([1, 2, 24]), t, condition)).Message.ShouldContain("[N, 3,");
    });

    [Theory]
    [InlineData("sample_length", 26, "multiple of 4")]
    [InlineData("kernel_size", 4, "odd")]
    [InlineData("norm_num_groups", 3, "norm_num_groups, 3")]
    [InlineData("attention_head_dim", 3, "even")]
    [InlineData("attention_head_dim", 16, "divide")]
    [InlineData("rotary_base", 1, "rotary_base")]
    [InlineData("patch_size", 0, "patch_size")]
    [InlineData("label_embed_classes", -1, "label_embed_classes")]
    public void Options_that_cannot_be_are_refused(string key, int value, string part)
    {
        var json = Tiny.ToJson();
        json[key] = value;
        Should.Throw<InputException>(() => SequenceUNetOptions.FromJson(json, "here")).Message.ShouldContain(part);
    }

    /// <summary>A folder whose configuration claims more than its weights hold is refused before anything is made.</summary>
    [Fact]
    public void A_configuration_that_does_not_fit_the_weights_is_refused()
    {
        using (var model = DiffusionModel.Create(Tiny, Schedule, 3))
            model.Save(_temporary["model"]);
        var path = _temporary["model/denoiser/config.json"];
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        json["transformer_layers"] = 60;
        File.WriteAllText(path, json.ToJsonString());
        Should.Throw<InputException>(() => DiffusionModel.Load(_temporary["model"])).Message.ShouldContain("mid_block.layers.2");
    }

    /// <summary>Random numbers in what begins at zero, so that every parameter matters.</summary>
    private static void Stir(SequenceUNet network)
    {
        foreach (var (name, value) in network.Parameters().Where(p => p.Name.Contains("conv2", StringComparison.Ordinal) || p.Name.Contains("conv_out", StringComparison.Ordinal) || p.Name.Contains("norm", StringComparison.Ordinal)))
            value.CopyFrom(new KeyedRandom(2, name).Normal(0, [0], value.Shape, value.Type).Reshape(value.Shape.ToArray()) * 0.3);
    }
}
