using System.Text.Json.Nodes;
using Graft.Networks;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.Classifiers;

public class WideResNetTests
{
    private static readonly WideResNetOptions Tiny = new() { Name = "tiny", SampleSize = 4, NumClasses = 3, Depth = 10, WidenFactor = 1 };

    [Theory]
    [InlineData(28, 2, 1_467_610)] // as Oliver et al. 2018 and FixMatch use it, "1.5 M"
    [InlineData(28, 10, 36_479_194)] // the paper's "36.5 M"
    [InlineData(40, 4, 8_949_210)] // "8.9 M"
    [InlineData(16, 4, 2_748_890)] // "2.7 M"
    public void It_has_the_papers_numbers_of_parameters(int depth, int width, long due)
    {
        var options = new WideResNetOptions { SampleSize = 32, InChannels = 3, Depth = depth, WidenFactor = width };
        options.ParameterCount.Trained.ShouldBe(due);
    }

    [Fact]
    public void What_is_built_has_as_many_under_the_usual_names()
    {
        var options = Tiny with { Depth = 16, WidenFactor = 2, InChannels = 3 };
        using var network = TorchRuntime.Run(() => new WideResNet(options));
        var shapes = TorchRuntime.Run(() =>
        {
            var statistics = BatchNorm.Statistics(network).Sum(s => s.Value.Count);
            (network.ParameterCount - statistics, statistics).ShouldBe(options.ParameterCount);
            return network.Parameters().ToDictionary(p => p.Name, p => string.Join('x', p.Value.Shape.ToArray()));
        });
        shapes["conv1.weight"].ShouldBe("16x3x3x3");
        shapes["block1.layer.0.convShortcut.weight"].ShouldBe("32x16x1x1");
        shapes["block1.layer.0.bn1.running_var"].ShouldBe("16");
        shapes["block3.layer.1.conv2.weight"].ShouldBe("128x128x3x3");
        shapes["bn1.bias"].ShouldBe("128");
        shapes["fc.weight"].ShouldBe("3x128");
        shapes.Keys.Count(k => k.Contains("convShortcut", StringComparison.Ordinal)).ShouldBe(3);
        shapes.ShouldNotContainKey("conv1.bias");
    }

    [Fact]
    public void It_computes_what_plain_loops_compute()
    {
        using var network = WideResNet.Create(Tiny, seed: 4);
        var random = new KeyedRandom(9, "test");
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            using var scope = new TensorScope();
            // Statistics that are neither 0 nor 1, so that each of them counts.
            foreach (var (name, value) in BatchNorm.Statistics(network))
                value.CopyFrom((random.Uniform(name.Length, [name.Sum(c => (long)c)], value.Shape).Reshape([.. value.Shape]) * 0.5) + (name.EndsWith("var", StringComparison.Ordinal) ? 0.6 : -0.2));
            network.Train(false);
            var x = random.Normal(1, [0, 1], [1, 5, 4]); // odd, so that halving rounds up
            var (logits, input) = (network.Logits(x).To(DType.Float64).ToArray<double>(), x.To(DType.Float64).ToArray<double>());
            var parameters = network.Parameters().ToDictionary(p => p.Name, p => p.Value.To(DType.Float64).ToArray<double>());
            for (var n = 0; n < 2; n++)
                PlainWideResNet.Logits(parameters, input[(20 * n)..(20 * (n + 1))], 5, 4).ShouldBe(logits[(3 * n)..(3 * (n + 1))], 1e-5);
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Its_gradients_are_those_of_differences(bool training)
    {
        using var network = WideResNet.Create(Tiny, seed: 6);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            network.ConvertTo(DType.Float64);
            network.RequireGrad(true);
            var untrained = BatchNorm.Statistics(network).Select(s => s.Name).ToHashSet();
            foreach (var (_, value) in BatchNorm.Statistics(network))
                value.RequiresGrad = false;
            network.Train(training);
            var x = new KeyedRandom(2, "test").Normal(0, [0, 1, 2], [1, 4, 4], DType.Float64);
            var labels = Tensor.From([0L, 2, 1], 3);
            DoubleDifferences.Check(
                network.Parameters().Where(p => !untrained.Contains(p.Name)), () => Functional.CrossEntropy(network.Logits(x), labels), each: 1, tolerance: 1e-6);
        });
    }

    [Fact]
    public void It_comes_back_from_its_folder_and_wrong_files_are_refused()
    {
        using var folder = new TemporaryFolder();
        using (var network = WideResNet.Create(Tiny, seed: 4))
        {
            network.Save(folder["net"]);
            using var back = WideResNet.Load(folder["net"]);
            back.Fingerprint().ShouldBe(network.Fingerprint());
            back.Options.ShouldBe(Tiny);
        }

        var config = Path.Combine(folder["net"], "config.json");
        var json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        json["widen_factor"] = 2;
        File.WriteAllText(config, json.ToJsonString());
        Should.Throw<InputException>(() => WideResNet.Load(folder["net"])).Message.ShouldContain("belong to different networks");
        json["width"] = 6;
        File.WriteAllText(config, json.ToJsonString());
        Should.Throw<InputException>(() => WideResNet.Load(folder["net"])).Message.ShouldContain("width");
        Should.Throw<InputException>(() => WideResNet.Load(folder["none"])).Message.ShouldContain("no classifier");
        Should.Throw<InputException>(() => WideResNetOptions.FromJson(new JsonObject { ["_class_name"] = "UNet2DModel" }, "of a test")).Message.ShouldContain("UNet2DModel");
        foreach (var (wrong, due) in ((WideResNetOptions, string)[])
            [(Tiny with { Depth = 12 }, "6n + 4"), (Tiny with { WidenFactor = 0 }, "widen_factor"), (Tiny with { NormMomentum = 0 }, "norm_momentum"), (Tiny with { NumClasses = 1 }, "num_classes"), (Tiny with { InChannels = 2 }, "in_channels")])
        {
            Should.Throw<InputException>(() => new WideResNet(wrong)).Message.ShouldContain(due);
        }
    }
}

/// <summary>WRN-10-1 of one grey picture outside training, in plain loops.</summary>
internal static class PlainWideResNet
{
    public static double[] Logits(Dictionary<string, double[]> p, double[] picture, int height, int width)
    {
        var (x, h, w) = Convolve(picture, 1, height, width, p["conv1.weight"], 3, 1);
        for (var group = 1; group <= 3; group++)
        {
            var (name, stride) = ($"block{group}.layer.0", group == 1 ? 1 : 2);
            var channels = x.Length / (h * w);
            var active = NormRelu(x, p, $"{name}.bn1", h * w);
            var straight = p.TryGetValue($"{name}.convShortcut.weight", out var shortcut) ? Convolve(active, channels, h, w, shortcut, 1, stride).Values : x;
            (var y, h, w) = Convolve(active, channels, h, w, p[$"{name}.conv1.weight"], 3, stride);
            y = NormRelu(y, p, $"{name}.bn2", h * w);
            y = Convolve(y, y.Length / (h * w), h, w, p[$"{name}.conv2.weight"], 3, 1).Values;
            x = [.. y.Zip(straight, (a, b) => a + b)];
        }

        x = NormRelu(x, p, "bn1", h * w);
        double[] pooled = [.. x.Chunk(h * w).Select(c => c.Average())];
        return [.. p["fc.weight"].Chunk(pooled.Length).Zip(p["fc.bias"], (row, b) => row.Zip(pooled, (a, c) => a * c).Sum() + b)];
    }

    private static double[] NormRelu(double[] x, Dictionary<string, double[]> p, string name, int pixels) =>
        [.. x.Select((v, i) => i / pixels is var c ? Math.Max(0, ((v - p[$"{name}.running_mean"][c]) / Math.Sqrt(p[$"{name}.running_var"][c] + 1e-5) * p[$"{name}.weight"][c]) + p[$"{name}.bias"][c]) : 0)];

    private static (double[] Values, int H, int W) Convolve(double[] x, int inputs, int h, int w, double[] kernel, int size, int stride)
    {
        var outputs = kernel.Length / (inputs * size * size);
        var (toH, toW, pad) = ((h + stride - 1) / stride, (w + stride - 1) / stride, size / 2);
        var y = new double[outputs * toH * toW];
        for (var o = 0; o < outputs; o++)
        {
            for (var at = 0; at < toH * toW; at++)
            {
                for (var k = 0; k < inputs * size * size; k++)
                {
                    var (c, ky, kx) = (k / (size * size), k / size % size, k % size);
                    var (fromY, fromX) = ((at / toW * stride) + ky - pad, (at % toW * stride) + kx - pad);
                    if (fromY >= 0 && fromY < h && fromX >= 0 && fromX < w)
                        y[(o * toH * toW) + at] += kernel[(o * inputs * size * size) + k] * x[(((c * h) + fromY) * w) + fromX];
                }
            }
        }

        return (y, toH, toW);
    }
}
