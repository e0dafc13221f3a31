using System.Text.Json.Nodes;
using Graft.Data.Ecg;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Tests.Networks.Classifiers;

public class XResNet1dTests
{
    private static readonly XResNet1dOptions Tiny = new()
    {
        Name = "tiny", Leads = ["I", "II"], Classes = ["A", "B", "C"], CropSamples = 31, StemChannels = [2, 3, 4], StageChannels = [2, 2], StageBlocks = [1, 2], Expansion = 2, KernelSize = 3, HeadChannels = 5,
    };

    [Fact]
    public void The_benchmarks_network_has_as_many_parameters_as_by_hand()
    {
        // Stem: 12*32*5 + 32*32*5 + 32*64*5 weights and 2*(32 + 32 + 64) of the norms.
        const int Stem = 1920 + 5120 + 10240 + 256;
        // First block: 64 to 64 to 64 to 256 channels, widths 1, 5, 1, and a projection from 64 to 256; norms of 64, 64, 256, 256.
        const int First = 4096 + 20480 + 16384 + 16384 + (2 * (64 + 64 + 256 + 256));
        // All others: 256 to 64 to 64 to 256; no projection.
        const int Other = 16384 + 20480 + 16384 + (2 * (64 + 64 + 256));
        // Norm of 512, 512 to 128, norm of 128, 128 to 71.
        const int Head = 1024 + (512 * 128) + 128 + 256 + (128 * 71) + 71;
        const int Trained = Stem + First + (15 * Other) + Head;
        Trained.ShouldBe(962_503);
        var options = XResNet1dOptions.Benchmark with { Classes = [.. Enumerable.Range(0, 71).Select(i => $"c{i}")] };
        options.ParameterCount.ShouldBe((Trained, (2 * (32 + 32 + 64)) + (2 * (64 + 64 + 256 + 256)) + (15 * 2 * (64 + 64 + 256)) + 1024 + 256));
        using var network = TorchRuntime.Run(() => new XResNet1d(options));
        var shapes = TorchRuntime.Run(() =>
        {
            (network.ParameterCount - BatchNorm.Statistics(network).Sum(s => s.Value.Count)).ShouldBe(Trained);
            BatchNorm.Statistics(network).Sum(s => s.Value.Count).ShouldBe(options.ParameterCount.Statistics);
            return network.Parameters().ToDictionary(p => p.Name, p => string.Join('x', p.Value.Shape.ToArray()));
        });

        // Fields of the authors' checkpoints; see the file of their model, xresnet1d.py.
        shapes["0.0.weight"].ShouldBe("32x12x5");
        shapes["2.1.running_var"].ShouldBe("64");
        shapes["4.0.convs.1.0.weight"].ShouldBe("64x64x5");
        shapes["4.0.idpath.0.0.weight"].ShouldBe("256x64x1");
        shapes["7.2.convs.2.1.bias"].ShouldBe("256");
        shapes.Keys.Count(k => k.Contains("idpath", StringComparison.Ordinal)).ShouldBe(5);
        shapes["8.4.weight"].ShouldBe("128x512");
        shapes["8.8.bias"].ShouldBe("71");
    }

    [Fact]
    public void The_small_sibling_has_a_tenth_of_the_parameters()
    {
        var options = XResNet1dOptions.Small with { Classes = ["AFIB"] };
        using var network = TorchRuntime.Run(() => new XResNet1d(options));
        TorchRuntime.Run(() => network.ParameterCount).ShouldBe(options.ParameterCount.Trained + options.ParameterCount.Statistics);
        options.ParameterCount.Trained.ShouldBeLessThan(96_000);
    }

    [Fact]
    public void It_computes_what_plain_loops_compute()
    {
        using var network = XResNet1d.Create(Tiny, seed: 4);
        var random = new KeyedRandom(9, "test");
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            using var scope = new TensorScope();
            // Statistics that are neither 0 nor 1, so that each of them counts.
            foreach (var (name, value) in BatchNorm.Statistics(network))
                value.CopyFrom((random.Uniform(name.Length, [name.Sum(c => (long)c)], value.Shape).Reshape([.. value.Shape]) * 0.5) + (name.EndsWith("var", StringComparison.Ordinal) ? 0.6 : -0.2));
            var x = random.Normal(1, [0, 1, 2], [2, 31]);
            var (logits, input) = (network.Logits(x).To(DType.Float64).ToArray<double>(), x.To(DType.Float64).ToArray<double>());
            var parameters = network.Parameters().ToDictionary(p => p.Name, p => (p.Value.Shape.ToArray(), p.Value.To(DType.Float64).ToArray<double>()));
            for (var n = 0; n < 3; n++)
                PlainXResNet.Logits(Tiny, parameters, [.. Enumerable.Range(0, 2).Select(c => input.AsSpan(((n * 2) + c) * 31, 31).ToArray())]).ShouldBe(logits[(3 * n)..((3 * n) + 3)], 1e-4);
        });
    }

    [Fact]
    public void A_batch_norm_normalises_by_the_batch_in_training_and_remembers()
    {
        using var norm = TorchRuntime.Run(() => new BatchNorm(1));
        TorchRuntime.Run(() =>
        {
            using var mode = Autograd.NoGrad();
            using var scope = new TensorScope();
            norm.Initialise(0);
            norm.Train();
            // Mean 3, variance 5 with divisor n, 20/3 with n - 1.
            var y = norm.Forward(Tensor.From<float>([0, 2, 4, 6], 4, 1)).ToArray<float>();
            y.ShouldBe([.. new[] { -3.0, -1, 1, 3 }.Select(v => (float)(v / Math.Sqrt(5 + 1e-5)))], 1e-6);
            BatchNorm.Statistics(norm).Select(s => s.Value.Item()).ShouldBe([0.3, 0.9 + (0.1 * 20 / 3)], 1e-6);
            norm.Train(false);
            norm.Forward(Tensor.From<float>([0.3f], 1, 1)).Item().ShouldBe(0, 1e-6);
        });
    }

    [Fact]
    public void It_comes_back_from_its_folder_and_wrong_files_are_refused()
    {
        using var folder = new TemporaryFolder();
        using (var network = XResNet1d.Create(Tiny, seed: 4))
        {
            network.Save(folder["net"]);
            using var back = XResNet1d.Load(folder["net"]);
            back.Fingerprint().ShouldBe(network.Fingerprint());
            back.Options.ToJson().ToJsonString().ShouldBe(Tiny.ToJson().ToJsonString());
        }

        var config = Path.Combine(folder["net"], "config.json");
        var json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        json["head_channels"] = 6;
        File.WriteAllText(config, json.ToJsonString());
        Should.Throw<InputException>(() => XResNet1d.Load(folder["net"])).Message.ShouldContain("belong to different networks");
        json["stage_width"] = 6;
        File.WriteAllText(config, json.ToJsonString());
        Should.Throw<InputException>(() => XResNet1d.Load(folder["net"])).Message.ShouldContain("stage_width");
        Should.Throw<InputException>(() => XResNet1d.Load(folder["none"])).Message.ShouldContain("no classifier of ECGs");
        Should.Throw<InputException>(() => new XResNet1d(Tiny with { Classes = [] })).Message.ShouldContain("classes");
        Should.Throw<InputException>(() => new XResNet1d(Tiny with { KernelSize = 4 })).Message.ShouldContain("kernel_size");
        Tiny.For(new EcgCard { Name = "s", Leads = ["V1"], SamplingRate = 50, Unit = "mV", Classes = ["X"] }).Leads.ShouldBe(["V1"]);
    }
}

/// <summary>The network by its equations: loops over arrays, one record [channels][time].</summary>
internal static class PlainXResNet
{
    public static double[] Logits(XResNet1dOptions options, Dictionary<string, (long[] Shape, double[] Values)> p, double[][] x)
    {
        var at = 0;
        foreach (var _ in options.StemChannels)
        {
            x = Relu(ConvNorm(p, $"{at}", x, at == 0 ? 2 : 1));
            at++;
        }

        x = [.. x.Select(row => Enumerable.Range(0, ((row.Length - 1) / 2) + 1).Select(t => Enumerable.Range((2 * t) - 1, 3).Where(u => u >= 0 && u < row.Length).Max(u => row[u])).ToArray())];
        at++;
        for (var stage = 0; stage < options.StageBlocks.Count; stage++, at++)
        {
            for (var block = 0; block < options.StageBlocks[stage]; block++)
            {
                var (name, stride) = ($"{at}.{block}", stage > 0 && block == 0 ? 2 : 1);
                var h = Relu(ConvNorm(p, $"{name}.convs.0", x, 1));
                h = Relu(ConvNorm(p, $"{name}.convs.1", h, stride));
                h = ConvNorm(p, $"{name}.convs.2", h, 1);
                var straight = stride == 1 ? x : [.. x.Select(row => Enumerable.Range(0, (row.Length + 1) / 2).Select(t => (2 * t) + 1 < row.Length ? (row[2 * t] + row[(2 * t) + 1]) / 2 : row[2 * t]).ToArray())];
                var projection = new[] { $"{name}.idpath.0", $"{name}.idpath.1" }.FirstOrDefault(n => p.ContainsKey($"{n}.0.weight"));
                straight = projection is null ? straight : ConvNorm(p, projection, straight, 1);
                x = Relu([.. h.Zip(straight, (a, b) => a.Zip(b, (u, v) => u + v).ToArray())]);
            }
        }

        double[] pooled = [.. x.Select(row => row.Max()), .. x.Select(row => row.Average())];
        var hidden = Linear(p, $"{at}.4", Norm(p, $"{at}.2", pooled)).Select(v => Math.Max(0, v)).ToArray();
        return Linear(p, $"{at}.8", Norm(p, $"{at}.6", hidden));
    }

    private static double[][] ConvNorm(Dictionary<string, (long[] Shape, double[] Values)> p, string name, double[][] x, int stride)
    {
        var (shape, weight) = p[$"{name}.0.weight"];
        var (outputs, inputs, width) = ((int)shape[0], (int)shape[1], (int)shape[2]);
        inputs.ShouldBe(x.Length);
        var length = ((x[0].Length - 1) / stride) + 1;
        var y = new double[outputs][];
        for (var o = 0; o < outputs; o++)
        {
            y[o] = new double[length];
            for (var t = 0; t < length; t++)
            {
                for (var i = 0; i < inputs; i++)
                {
                    for (var k = 0; k < width; k++)
                    {
                        var u = (t * stride) + k - (width / 2);
                        y[o][t] += u >= 0 && u < x[0].Length ? weight[(((o * inputs) + i) * width) + k] * x[i][u] : 0;
                    }
                }
            }
        }

        var columns = Enumerable.Range(0, length).Select(t => Norm(p, $"{name}.1", [.. y.Select(row => row[t])])).ToArray();
        return [.. Enumerable.Range(0, outputs).Select(o => columns.Select(c => c[o]).ToArray())];
    }

    private static double[] Norm(Dictionary<string, (long[] Shape, double[] Values)> p, string name, double[] x) =>
        [.. x.Select((v, c) => ((v - p[$"{name}.running_mean"].Values[c]) / Math.Sqrt(p[$"{name}.running_var"].Values[c] + 1e-5) * p[$"{name}.weight"].Values[c]) + p[$"{name}.bias"].Values[c])];

    private static double[] Linear(Dictionary<string, (long[] Shape, double[] Values)> p, string name, double[] x) =>
        [.. p[$"{name}.bias"].Values.Select((b, o) => b + x.Select((v, i) => v * p[$"{name}.weight"].Values[(o * x.Length) + i]).Sum())];

    private static double[][] Relu(double[][] x) => [.. x.Select(row => row.Select(v => Math.Max(0, v)).ToArray())];
}
