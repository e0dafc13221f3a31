using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Tests.Networks;

public class UNet2DGradientTests
{
    private const double Step = 1e-5;
    private const int ElementsOfEach = 2;

    [Theory]
    [InlineData("default", "silu", "conv")]
    [InlineData("scale_shift", "gelu", "resnet")]
    public void Gradients_equal_central_differences_in_double_precision(string shift, string activation, string resampling) =>
        Check(Small with { ResnetTimeScaleShift = shift, ActFn = activation, DownsampleType = resampling, UpsampleType = resampling });

    /// <summary>What openai's network has and diffusers' lacks.</summary>
    [Fact]
    public void Gradients_of_guided_diffusion_s_options_equal_central_differences() => Check(Small with
    {
        AttentionHeadDim = null,
        AttentionHeads = 4,
        AttentionHeadsUpsample = 2,
        ConvResample = false,
        TimestepScale = 0.25,
        TimeEmbeddingChannels = 6,
        ResnetTimeScaleShift = "scale_shift",
        AttnNormNumGroups = 2,
    });

    private static UNet2DOptions Small { get; } = new()
    {
        InChannels = 2,
        OutChannels = 2,
        BlockOutChannels = [4, 8],
        DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "UpBlock2D"],
        LayersPerBlock = 1,
        NormNumGroups = 2,
        AttentionHeadDim = 4,
        NumClassEmbeds = 3,
    };

    private static void Check(UNet2DOptions options) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new UNet2D(options);
        network.Initialise(11);
        network.ConvertTo(DType.Float64);
        network.RequireGrad(true);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [2, 4, 4], DType.Float64);
        x.RequiresGrad = true;
        var t = Tensor.From([3L, 700L], 2);
        var condition = new Condition { ClassLabels = Tensor.From([0L, 2L], 2) };
        Autograd.Backward(Loss());

        var random = new SplitMix(5);
        var checkedNames = new List<string>();
        foreach (var (name, value) in network.Parameters().Append(new NamedTensor("x", x)))
        {
            // Every parameter of a kind that occurs once, and one in four of the others.
            if (name != "x" && !name.StartsWith("class_", StringComparison.Ordinal) && random.Next(4) != 0)
                continue;
            checkedNames.Add(name);
            var gradient = value.Grad!.ToArray<double>();
            var values = value.Detach().ToArray<double>();
            for (var i = 0; i < ElementsOfEach; i++)
            {
                var k = random.Next(values.Length);
                var difference = (At(k, Step) - At(k, -Step)) / (2 * Step);
                gradient[k].ShouldBe(difference, 1e-6 * (1 + Math.Abs(difference)), $"{name}[{k}]");
            }

            double At(int k, double by)
            {
                using var inner = new TensorScope();
                var changed = (double[])values.Clone();
                changed[k] += by;
                value.CopyFrom(Tensor.From(changed, value.Shape));
                var loss = Loss().Item();
                value.CopyFrom(Tensor.From(values, value.Shape));
                return loss;
            }
        }

        checkedNames.Count.ShouldBeGreaterThan(15);

        Tensor Loss()
        {
            var output = network.Predict(x, t, condition);
            var weights = Tensor.Arange(1, output.Count + 1, type: DType.Float64).Cos().Reshape(output.Shape.ToArray());
            return (output * output * (weights + 1.5)).Sum();
        }
    });
}
