using Graft.Diffusion;
using Graft.Networks;
using Graft.Sampling;
using Graft.Tests.Conditions;
using Graft.Tests.Training;
using Graft.Torch;
using Graft.Transfer;

namespace Graft.Tests.Sampling;

public class FeatureReuseTests
{
    private static UNet2DOptions Three { get; } = TinyModel.Network with
    {
        BlockOutChannels = [8, 8, 16],
        DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
        UpBlockTypes = ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        LayersPerBlock = 2,
    };

    public static TheoryData<int> FreshConnections => [.. Enumerable.Range(1, 8)];

    /// <summary>Where nothing changed between two evaluations, what is reused is what would be computed: each way of splitting gives the same bits.</summary>
    [Theory]
    [MemberData(nameof(FreshConnections))]
    public void Reuse_of_features_of_the_same_input_changes_nothing(int fresh) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var network = Network(Three);
        network.Connections.ShouldBe(9);
        var (x, t) = Input(500);
        var due = network.Predict(x, t).ToArray<float>();
        using (network.Share(new FeatureReuse { Every = 3, Connections = fresh }))
        {
            for (var k = 0; k < 4; k++)
                network.Predict(x, t).ToArray<float>().ShouldBe(due);
        }
    });

    /// <summary>What stands beside and behind the blocks is reused with them.</summary>
    [Theory]
    [InlineData("lora")]
    [InlineData("adapter")]
    [InlineData("anl")]
    public void Adapters_are_part_of_what_is_reused(string method)
    {
        using var source = TinyRun.Model();
        using var encoder = new PixelEncoder();
        var transfer = method == "anl" ? new ConditionTuning { ConditionEncoder = encoder } : TransferMethods.Create(method);
        using var model = transfer.Prepare(source, new TinyPictures()).Model;
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            foreach (var (name, value) in model.Attachment!.Parameters())
                value.CopyFrom(value + (new KeyedRandom(9, name).Normal(0, [0], value.Shape).Squeeze(0) * 0.1));
            var (x, t) = Input(40);
            var condition = model.Conditions is null ? null : new Condition { Embedding = model.Conditions.Rows([0, 3]) };
            var due = model.Denoiser.Predict(x, t, condition).ToArray<float>();
            due.ShouldNotBe(source.Network.Predict(x, t).ToArray<float>(), "or the modules do nothing");
            using var shared = ((UNet2D)model.Network).Share(new FeatureReuse { Every = 2, Connections = 2 });
            for (var k = 0; k < 3; k++)
                model.Denoiser.Predict(x, t, condition).ToArray<float>().ShouldBe(due);
        });
    }

    /// <summary>Only what is fresh sees a new input; at every third evaluation all of it does.</summary>
    [Theory]
    [InlineData(1, "down_blocks.0.resnets.0.conv1.weight", "up_blocks.2.resnets.2.conv1.weight")]
    [InlineData(2, "down_blocks.0.resnets.1.conv1.weight", "up_blocks.2.resnets.1.conv1.weight")]
    [InlineData(4, "down_blocks.1.resnets.0.conv1.weight", "up_blocks.1.upsamplers.0.conv.weight")]
    [InlineData(6, "down_blocks.1.downsamplers.0.conv.weight", "up_blocks.1.resnets.0.conv1.weight")]
    public void Deep_layers_are_computed_at_every_third_evaluation_only(int fresh, string deep, string shallow) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var network = Network(Three);
        var (x, t) = Input(500);
        var (next, later) = Input(400);
        using var shared = network.Share(new FeatureReuse { Every = 3, Connections = fresh });
        network.Predict(x, t);
        var second = network.Predict(next, later).ToArray<float>();
        Zero(network, deep);
        network.Predict(next, later).ToArray<float>().ShouldBe(second); // the third: the deep layer is not asked
        var fourth = network.Predict(next, later).ToArray<float>();
        fourth.ShouldNotBe(second);
        network.Predict(next, later).ToArray<float>().ShouldBe(fourth);
        Zero(network, shallow);
        network.Predict(next, later).ToArray<float>().ShouldNotBe(fourth);
    });

    [Fact]
    public void Samples_are_near_the_exact_ones_and_the_model_is_exact_again_after_them()
    {
        using var model = TinyModel.Create();
        var sampler = Sampler.Ddim(40);
        var exact = Drawn(4);
        model.FeatureReuse = new FeatureReuse { Every = 2 };
        var reused = Drawn(4);
        reused.ShouldNotBe(exact);
        Distance(reused, exact).ShouldBeLessThan(Distance(With(5), exact));
        Distance(Drawn(2), reused).ShouldBeLessThan(1e-6); // two batches: each begins anew
        model.SampleValues(1, sampler).Description.ShouldContain("deep features reused (every 2, 1 fresh)");
        model.FeatureReuse = null;
        Drawn(4).ShouldBe(exact);

        float[] With(int every)
        {
            model.FeatureReuse = new FeatureReuse { Every = every };
            var values = Drawn(4);
            model.FeatureReuse = new FeatureReuse { Every = 2 };
            return values;
        }

        float[] Drawn(int batch)
        {
            var set = model.SampleValues(3, sampler, seed: 2, batchSize: batch);
            var values = new float[3 * 64];
            for (var i = 0; i < 3; i++)
                set.Read(i, values.AsSpan(i * 64, 64));
            return values;
        }

        static double Distance(float[] a, float[] b) => a.Zip(b, (p, q) => (double)(p - q) * (p - q)).Sum();
    }

    [Theory]
    [InlineData(1, 1, "once in 1 evaluations")]
    [InlineData(0, 1, "give 2 or more")]
    [InlineData(2, 0, "give 1 to 3")]
    [InlineData(2, 4, "the network has 4")]
    public void What_cannot_be_is_refused(int every, int connections, string says)
    {
        using var model = TinyModel.Create();
        Should.Throw<InputException>(() => model.FeatureReuse = new FeatureReuse { Every = every, Connections = connections }).Message.ShouldContain(says);
        model.FeatureReuse.ShouldBeNull();
    }

    private static UNet2D Network(UNet2DOptions options)
    {
        var network = new UNet2D(options);
        network.Initialise(5);
        foreach (var (name, value) in network.Parameters())
        {
            if (name.EndsWith("bias", StringComparison.Ordinal)) // so that a layer of zero weights is not the identity of what is around it
                value.CopyFrom(new KeyedRandom(7, name).Normal(0, [0], value.Shape).Squeeze(0) * 0.1);
        }

        return network;
    }

    private static (Tensor X, Tensor T) Input(long t) =>
        (new KeyedRandom(t, "x").Normal(0, [0, 1], [1, 8, 8]), Tensor.From([t, t], 2));

    private static void Zero(UNet2D network, string name)
    {
        var value = network.Parameters().Single(p => p.Name == name).Value;
        value.Fill(0);
    }
}
