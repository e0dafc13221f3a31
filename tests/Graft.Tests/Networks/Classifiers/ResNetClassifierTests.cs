using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Networks;
using Graft.Tests.Training;
using Graft.Torch;

namespace Graft.Tests.Networks.Classifiers;

public sealed class ResNetClassifierTests : IDisposable
{
    private const double Step = 1e-5;
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData(1, 28, new long[] { 28, 14, 14, 7, 4 })]
    [InlineData(3, 32, new long[] { 32, 16, 16, 8, 4 })]
    public void Maps_halve_with_the_strides_and_the_feature_has_64_dimensions(int channels, int size, long[] edges) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var options = new ResNetClassifierOptions { InChannels = channels, SampleSize = size, NumClasses = 7 };
        using var network = ResNetClassifier.Create(options, 1);
        network.ParameterCount.ShouldBe(options.ParameterCount);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [channels, size, size]);
        var features = network.Features(x);
        features.Maps.Select(m => m.Shape.ToArray()).ToArray().ShouldBe([.. edges.Select((e, i) => new long[] { 2, options.BlockOutChannels[i], e, e })]);
        features.Pooled.Shape.ToArray().ShouldBe([2, 64]);
        network.Logits(x).Shape.ToArray().ShouldBe([2, 7]);
    });

    [Fact]
    public void Logits_are_linear_in_the_pooled_feature_and_do_not_depend_on_the_batch() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = TinyClassifier.Create();
        network.ConvertTo(DType.Float64);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1, 2], [1, 8, 8], DType.Float64);
        var logits = network.Logits(x).ToArray<double>();
        var head = network.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var pooled = network.Features(x).Pooled;
        Close((pooled.MatMul(head["head.weight"].Transpose(0, 1)) + head["head.bias"]).ToArray<double>(), logits);
        Close(network.Logits(x.Slice(0, 1, 2)).ToArray<double>(), logits[3..6]);

        static void Close(double[] actual, double[] due) => actual.Zip(due, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-12);
    });

    [Fact]
    public void Gradients_equal_central_differences_in_double_precision() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = TinyClassifier.Create(seed: 11);
        network.ConvertTo(DType.Float64);
        network.RequireGrad(true);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [1, 8, 8], DType.Float64);
        x.RequiresGrad = true;
        var labels = Tensor.From([2L, 0L], 2);
        Autograd.Backward(Loss());

        var random = new SplitMix(5);
        foreach (var (name, value) in network.Parameters().Append(new NamedTensor("x", x)))
        {
            var gradient = value.Grad!.ToArray<double>();
            var values = value.Detach().ToArray<double>();
            for (var i = 0; i < 3; i++)
            {
                var k = random.Next(values.Length);
                var difference = (At(k, Step) - At(k, -Step)) / (2 * Step);
                gradient[k].ShouldBe(difference, 1e-6 * (1 + Math.Abs(difference)), $"{name}[{k}]");
            }

            double At(int k, double by)
            {
                using var inner = new TensorScope();
                using var mode = Autograd.NoGrad();
                var changed = (double[])values.Clone();
                changed[k] += by;
                value.CopyFrom(Tensor.From(changed, value.Shape));
                var loss = Loss().Item();
                value.CopyFrom(Tensor.From(values, value.Shape));
                return loss;
            }
        }

        // Cross-entropy with smoothing, and the maps by the distance of the two pictures.
        Tensor Loss()
        {
            var features = network.Features(x);
            var (first, second) = (Pick(features, 0), Pick(features, 1));
            return Functional.CrossEntropy(network.Logits(x), labels, 0.1) + first.Distance(second).Sum();
        }

        static ClassifierFeatures Pick(ClassifierFeatures f, long i) => new([.. f.Maps.Select(m => m.Slice(0, i, i + 1))], f.Pooled.Slice(0, i, i + 1));
    });

    [Fact]
    public void The_distance_is_what_its_definition_says() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // One map of two channels and two positions: the first differs by a right angle, the second in length only.
        var a = new ClassifierFeatures([Tensor.From([3f, 5f, 0f, 0f], 1, 2, 1, 2)], Tensor.Zeros([1, 2]));
        var b = new ClassifierFeatures([Tensor.From([0f, 7f, 4f, 0f], 1, 2, 1, 2)], Tensor.Zeros([1, 2]));
        a.Distance(b).ToArray<float>().ShouldBe([1f], 1e-6);
        a.Distance(a).ToArray<float>().ShouldBe([0f]);
    });

    [Fact]
    public void A_folder_keeps_network_configuration_and_name()
    {
        using var network = TinyClassifier.Create();
        ResNetClassifier.Is(_temporary["model"]).ShouldBeFalse();
        network.Save(_temporary["model"]);
        ResNetClassifier.Is(_temporary["model"]).ShouldBeTrue();
        using var again = ResNetClassifier.Load(_temporary["model"]);
        TinyRun.ShouldEqual(TinyClassifier.Weights(again), TinyClassifier.Weights(network));
        again.Options.ToJson().ToJsonString().ShouldBe(network.Options.ToJson().ToJsonString());
        again.FeatureName.ShouldBe($"tiny@{network.Fingerprint()[..8]}");
        using var other = TinyClassifier.Create(seed: 4);
        other.FeatureName.ShouldNotBe(again.FeatureName);
        ((string?)JsonStyle("model")["_class_name"]).ShouldBe("GraftResNetClassifier");
    }

    [Theory]
    [InlineData("_class_name", "\"UNet2DModel\"", "is of a UNet2DModel")]
    [InlineData("block_out_channels", "[4]", "as many entries")]
    [InlineData("block_out_channels", "[4, 7]", "7 of block_out_channels is not a multiple")]
    [InlineData("block_out_channels", "[4, 16]", "belong to different networks")]
    [InlineData("block_out_channels", "[4096, 4096]", "belong to different networks")]
    [InlineData("block_out_channels", "null", "block_out_channels")]
    [InlineData("block_out_channels", "[]", "1 to 64 entries")]
    [InlineData("block_strides", "[1, 3]", "must be 1 or 2")]
    [InlineData("norm_num_groups", "0", "at least 1")]
    [InlineData("num_classes", "0", "num_classes 0")]
    [InlineData("num_classes", "1.5", "num_classes")]
    [InlineData("in_channels", "2", "must be 1 or 3")]
    [InlineData("sample_size", "0", "sample_size 0")]
    [InlineData("name", "\"\"", "name must not be empty")]
    [InlineData("strides", "[1]", "strides")]
    public void A_wrong_configuration_is_refused_by_name(string key, string value, string due)
    {
        using (var network = TinyClassifier.Create())
            network.Save(_temporary["model"]);
        var json = JsonStyle("model");
        json[key] = JsonNode.Parse(value);
        File.WriteAllText(_temporary["model/config.json"], json.ToJsonString());
        Refused().ShouldContain(due);
    }

    [Fact]
    public void Missing_and_broken_files_are_refused()
    {
        Refused().ShouldContain("There is no classifier at");
        using (var network = TinyClassifier.Create())
            network.Save(_temporary["model"]);
        var weights = _temporary["model/model.safetensors"];
        var bytes = File.ReadAllBytes(weights);
        foreach (var length in (int[])[0, 7, bytes.Length / 2, bytes.Length - 1])
        {
            File.WriteAllBytes(weights, bytes[..length]);
            Refused().ShouldContain(weights);
        }

        File.Delete(weights);
        Refused().ShouldContain(weights);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var network = TinyClassifier.Create();
            WeightFile.Write(weights, network.Parameters().Select(p => p.Name == "head.bias" ? p with { Name = "tail.bias" } : p));
        });
        Refused().ShouldContain("head.bias is missing");
    }

    private JsonObject JsonStyle(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(_temporary[folder], "config.json")))!.AsObject();

    private string Refused()
    {
        var message = Should.Throw<InputException>(() => ResNetClassifier.Load(_temporary["model"]).Dispose()).Message;
        message.ShouldEndWith(".");
        return message;
    }
}
