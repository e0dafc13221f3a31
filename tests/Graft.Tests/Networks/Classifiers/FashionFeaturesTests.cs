using System.Globalization;
using System.Security.Cryptography;
using Graft.Data;
using Graft.Evaluation;
using Graft.Networks;
using Graft.Tests.Data;
using Graft.Tests.Evaluation;
using Graft.Torch;
using Xunit.Abstractions;

namespace Graft.Tests.Networks.Classifiers;

/// <summary>
/// The shipped feature network as a classifier and as a measure. The figures of docs/results/fashion-features.md are what these
/// tests print.
/// </summary>
public class FashionFeaturesTests(ITestOutputHelper output)
{
    private const string Sha256 = "3c3397559666c51ade52865c41163c9f2a10cb035605d580f1cf59cac712589e";
    private const int Few = 200;
    private static readonly string[] Names =
        ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

    private static string Folder => Path.Combine(SharedFiles.Repository, "models", "fashion-features");

    [Fact]
    public void The_shipped_weights_are_the_frozen_ones()
    {
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Folder, "model.safetensors")))).ShouldBe(Sha256);
        using var network = ResNetClassifier.Load(Folder);
        network.FeatureName.ShouldStartWith("fashion-features@");
        network.Options.ParameterCount.ShouldBeInRange(100_000, 300_000);
    }

    [FashionFact]
    public void It_tells_the_classes()
    {
        using var network = ResNetClassifier.Load(Folder);
        var report = ClassificationReport.Measure(network, FashionMnist.Test(), count: 1000);
        Print($"accuracy on the first 1,000 test pictures: {report.Accuracy:P1}");
        report.Accuracy.ShouldBeGreaterThan(0.89);
    }

    [FashionFact]
    public void Pictures_of_one_class_are_nearer_than_those_of_two() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var network = ResNetClassifier.Load(Folder);
        var images = FashionMnist.Test();
        var features = network.Features(Read(images, 0, Few));
        List<double> same = [], other = [];
        for (var by = 1; by <= 20; by++)
        {
            using var inner = new TensorScope();
            var index = Tensor.From(Enumerable.Range(0, Few).Select(i => (long)((i + by) % Few)).ToArray(), Few);
            var rolled = new ClassifierFeatures([.. features.Maps.Select(m => m.IndexSelect(0, index))], features.Pooled);
            var distances = features.Distance(rolled).ToArray<float>();
            for (var i = 0; i < Few; i++)
                (images.Label(i) == images.Label((i + by) % Few) ? same : other).Add(distances[i]);
        }

        Print($"distance of two pictures of one class {same.Average():0.000} ({same.Count} pairs), of two classes {other.Average():0.000} ({other.Count} pairs)");
        (same.Count + other.Count).ShouldBe(20 * Few);
        same.Average().ShouldBeLessThan(0.8 * other.Average());
    });

    [FashionFact]
    public void The_distance_grows_with_noise_blur_and_shift() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var network = ResNetClassifier.Load(Folder);
        var x = Read(FashionMnist.Test(), 0, Few);
        var noise = new KeyedRandom(1, "noise").Normal(0, [.. Enumerable.Range(0, Few).Select(i => (long)i)], [1, 28, 28]);
        var clean = network.Features(x);
        Grows("noise, standard deviation in [-1, 1]", [0.05, 0.1, 0.2, 0.4, 0.8], by => (x + (noise * by)).Clamp(-1, 1));
        Grows("Gaussian blur, standard deviation in pixels", [0.5, 0.75, 1, 1.5, 2], by => Blur(x, by));
        Grows("shift to the right, pixels", [1, 2, 3], by => x.Pad([(long)by, 0], -1).Slice(3, 0, 28));
        Grows("shift downwards, pixels", [1, 2, 3], by => x.Pad([0, 0, (long)by, 0], -1).Slice(2, 0, 28));

        void Grows(string what, double[] amounts, Func<double, Tensor> change)
        {
            var rows = amounts.Select(by => clean.Distance(network.Features(change(by))).ToArray<float>()).ToArray();
            var growing = Enumerable.Range(0, Few).Count(i => rows.Zip(rows.Skip(1)).All(p => p.First[i] < p.Second[i]));
            var means = rows.Select(r => r.Average()).ToArray();
            Print($"{what}: {string.Join(", ", amounts.Zip(means, (by, mean) => string.Create(CultureInfo.InvariantCulture, $"{by} -> {mean:0.000}")))}; grows at every step for {growing} of {Few} pictures");
            means.Zip(means.Skip(1)).ShouldAllBe(p => p.First < p.Second);
            means[0].ShouldBeGreaterThan(0);
            growing.ShouldBeGreaterThan(Few * 8 / 10);
        }
    });

    [FashionFact]
    public void Halves_of_a_class_are_near_in_Frechet_distance_and_classes_are_far()
    {
        var pooled = TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            using var network = ResNetClassifier.Load(Folder);
            var images = FashionMnist.Test();
            var rows = Enumerable.Range(0, 10).Select(_ => new List<double[]>()).ToArray();
            for (var first = 0; first < images.Count; first += 500)
            {
                using var inner = new TensorScope();
                var values = network.Features(Read(images, first, 500)).Pooled.To(DType.Float64).ToArray<double>().Chunk(64).ToArray();
                for (var i = 0; i < values.Length; i++)
                    rows[images.Label(first + i)!.Value].Add(values[i]);
            }

            return rows.Select(r => r.ToArray()).ToArray();
        });

        var halves = pooled.Select((rows, c) =>
        {
            var order = new KeyedRandom(1, "halves").Permutation(c, rows.Length);
            double[][] first = [.. order[..(rows.Length / 2)].Select(i => rows[i])], second = [.. order[(rows.Length / 2)..].Select(i => rows[i])];
            return Distance(first, second);
        }).ToArray();
        for (var c = 0; c < 10; c++)
            Print($"Fréchet distance of two halves (500 pictures each) of {Names[c]}: {halves[c]:0.000}");
        var between = (from a in Enumerable.Range(0, 10)
                       from b in Enumerable.Range(a + 1, 9 - a)
                       select (Distance: Distance(pooled[a], pooled[b]), Names: $"{Names[a]} - {Names[b]}")).OrderBy(p => p.Distance).ToArray();
        Print($"of halves: mean {halves.Average():0.000}, largest {halves.Max():0.000}; of two classes (1,000 each): smallest {between[0].Distance:0.00} ({between[0].Names}), then {between[1].Distance:0.00} ({between[1].Names}), median {between[22].Distance:0.00}, largest {between[^1].Distance:0.00} ({between[^1].Names})");
        halves.Min().ShouldBeGreaterThan(0);
        halves.Max().ShouldBeLessThan(between[0].Distance / 4);
        halves.Average().ShouldBeLessThan(between.Average(p => p.Distance) / 50);
    }

    private static double Distance(double[][] a, double[][] b) => FrechetDistance.Of(EvaluationFixtures.Of(a), EvaluationFixtures.Of(b)).Distance;

    private static Tensor Read(IdxImages images, int first, int count)
    {
        var planes = new byte[count * images.Shape.Elements];
        for (var i = 0; i < count; i++)
            images[first + i].CopyTo(planes.AsSpan(i * images.Shape.Elements));
        return (Tensor.From(planes, count, 1, 28, 28).To(DType.Float32) * (1 / 127.5)) - 1.0;
    }

    /// <summary>Gaussian blur with black around the picture.</summary>
    private static Tensor Blur(Tensor x, double deviation)
    {
        var kernel = Enumerable.Range(-8, 17).Select(i => Math.Exp(-0.5 * i * i / (deviation * deviation))).ToArray();
        var weights = Tensor.From(kernel.Select(k => (float)(k / kernel.Sum())).ToArray(), 1, 1, 1, 17);
        var padded = (x + 1.0).Pad([8, 8, 8, 8]);
        return Functional.Conv2d(Functional.Conv2d(padded, weights, null), weights.Transpose(2, 3), null) - 1.0;
    }

    private void Print(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
