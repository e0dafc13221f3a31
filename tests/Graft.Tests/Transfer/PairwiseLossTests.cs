using Graft.Tests.Parity;
using Graft.Torch;
using Graft.Transfer;

namespace Graft.Tests.Transfer;

public class PairwiseLossTests
{
    [SharedFact("reference/haar/haar.safetensors")]
    public void High_frequencies_equal_the_peers() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var reference = new ReferenceTensors(SharedFiles.Reference("haar", "haar.safetensors"));
        foreach (var name in reference.Names.Where(n => n.EndsWith("high_frequency_sum", StringComparison.Ordinal)))
        {
            var prefix = name[..^"high_frequency_sum".Length];
            var bytes = reference.Bytes($"{prefix}image_uint8");
            var shape = reference.Shape($"{prefix}image_uint8");
            var picture = (Tensor.From(bytes, shape).To(DType.Float32) * (1 / 127.5)) - 1.0;
            var x = picture.Permute(2, 0, 1).Unsqueeze(0);
            HaarWavelet.HighFrequency(x).ShouldMatch(reference.Tensor(name), new System.Text.Json.Nodes.JsonObject { ["abs"] = 1e-6 }, name);
        }
    });

    [Fact]
    public void High_frequencies_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // LH = (b + d - a - c)/2, HL = (c + d - a - b)/2, HH = (a + d - b - c)/2 of a 2x2 block a b / c d: their sum is (3d - a - b - c)/2.
        var x = Tensor.From([1f, 2, 5, 3, 4, 9, 5, 5, 5], 1, 1, 3, 3);
        var high = HaarWavelet.HighFrequency(x);
        high.Shape.ToArray().ShouldBe([1, 1, 1, 1]);
        high.Item().ShouldBe(((3 * 4) - 1 - 2 - 3) / 2.0);
        HaarWavelet.HighFrequency(Tensor.Full(0.7, [2, 3, 8, 8])).Abs().Max().Item().ShouldBeLessThan(1e-6);
    });

    [Fact]
    public void Similarities_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // Directions at 0, 90 and 45 degrees; lengths do not matter.
        var x = Tensor.From([2.0, 0, 0, 3, 1, 1], 3, 2);
        var p = PairwiseSimilarity.LogProbabilities(x, 3).Exp().ToArray<double>();
        var half = Math.Sqrt(0.5);
        double[] due = [Soft(0, half), Soft(half, 0), Soft(0, half), Soft(half, 0), 0.5, 0.5];
        for (var i = 0; i < due.Length; i++)
            p[i].ShouldBe(due[i], 1e-12);

        static double Soft(double a, double b) => Math.Exp(a) / (Math.Exp(a) + Math.Exp(b));
    });

    [Fact]
    public void Both_forms_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (adapted, source) = (Pictures(1), Pictures(2));
        var (p, q) = (Probabilities(adapted), Probabilities(source));
        var paper = PairwiseLoss.Of(adapted, source, adapted, Weight(1), PairwiseForm.Paper, 4);
        var released = PairwiseLoss.Of(adapted, source, adapted, Weight(1), PairwiseForm.Released, 4);
        paper.Image.Item().ShouldBe(p.Zip(q).Sum(pair => pair.First * Math.Log(pair.First / pair.Second)), 1e-12);
        released.Image.Item().ShouldBe(p.Zip(q).Average(pair => pair.Second * Math.Log(pair.Second / pair.First)), 1e-12);
        paper.HighFrequency.Item().ShouldBeGreaterThan(0);
        paper.HighFrequencyError.Item().ShouldBe(0);

        // Cosines, softmax and logarithm again, with loops.
        static double[] Probabilities(Tensor x)
        {
            var (rows, width) = (x.Size(0), (int)(x.Count / x.Size(0)));
            var values = x.ToArray<double>();
            var all = new List<double>();
            for (var i = 0; i < rows; i++)
            {
                var cosines = Enumerable.Range(0, (int)rows).Where(j => j != i).Select(j => Math.Exp(Dot(i, j) / Math.Sqrt(Dot(i, i) * Dot(j, j)))).ToArray();
                all.AddRange(cosines.Select(c => c / cosines.Sum()));
            }

            return [.. all];

            double Dot(int i, int j) => Enumerable.Range(0, width).Sum(k => values[(i * width) + k] * values[(j * width) + k]);
        }
    });

    [Theory]
    [InlineData(PairwiseForm.Paper)]
    [InlineData(PairwiseForm.Released)]
    public void Groups_are_compared_by_themselves_and_averaged(PairwiseForm form) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // Seven pictures in groups of three: the mean of two losses; the seventh has no part in them.
        var (adapted, source) = (Pictures(1, 7), Pictures(2, 7));
        var grouped = PairwiseLoss.Of(adapted, source, adapted, Weight(1, 7), form, 3);
        PairwiseLoss[] each = [.. new[] { 0, 3 }.Select(i => PairwiseLoss.Of(adapted.Slice(0, i, i + 3), source.Slice(0, i, i + 3), adapted.Slice(0, i, i + 3), Weight(1, 3), form, 3))];
        grouped.Image.Item().ShouldBe(each.Average(l => l.Image.Item()), 1e-14);
        grouped.HighFrequency.Item().ShouldBe(each.Average(l => l.HighFrequency.Item()), 1e-14);
        grouped.Image.Item().ShouldBeGreaterThan(0);
    });

    [Theory]
    [InlineData(PairwiseForm.Paper)]
    [InlineData(PairwiseForm.Released)]
    public void Equal_predictions_have_no_pairwise_loss(PairwiseForm form) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = Pictures(1);
        var loss = PairwiseLoss.Of(x, x, Pictures(3), Weight(1), form, 4);
        loss.Image.Item().ShouldBe(0, 1e-15);
        loss.HighFrequency.Item().ShouldBe(0, 1e-15);
        loss.HighFrequencyError.Item().ShouldBeGreaterThan(0);
    });

    [Fact]
    public void A_picture_without_a_share_has_no_part_even_if_it_is_not_finite() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (adapted, x0) = (Pictures(1), Pictures(2));
        var error = (HaarWavelet.HighFrequency(adapted) - HaarWavelet.HighFrequency(x0)).Square();
        var broken = Tensor.Cat([adapted.Slice(0, 0, 3), adapted.Slice(0, 3, 4) * double.PositiveInfinity]);
        var weight = Tensor.From([1.0, 1, 1, 0], 4, 1, 1, 1);
        var loss = PairwiseLoss.Of(broken, adapted, x0, weight, PairwiseForm.Paper, 4).HighFrequencyError;
        loss.Item().ShouldBe(error.Slice(0, 0, 3).Sum().Item() / error.Count, 1e-12);
    });

    [Theory]
    [InlineData(PairwiseForm.Paper, 4)]
    [InlineData(PairwiseForm.Paper, 2)]
    [InlineData(PairwiseForm.Released, 4)]
    [InlineData(PairwiseForm.Released, 3)]
    public void Gradients_equal_central_differences_in_double_precision(PairwiseForm form, int together) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (adapted, source, x0) = (Pictures(1), Pictures(2), Pictures(3));
        adapted.RequiresGrad = true;
        Autograd.Backward(Total(adapted));
        var gradient = adapted.Grad!.ToArray<double>();
        var values = adapted.Detach().ToArray<double>();
        for (var k = 0; k < values.Length; k += 7)
        {
            const double Step = 1e-6;
            var difference = (At(k, Step) - At(k, -Step)) / (2 * Step);
            gradient[k].ShouldBe(difference, 1e-7 * (1 + Math.Abs(difference)), $"[{k}]");
        }

        double At(int k, double by)
        {
            using var inner = new TensorScope();
            var changed = (double[])values.Clone();
            changed[k] += by;
            return Total(Tensor.From(changed, 4, 2, 6, 6)).Item();
        }

        Tensor Total(Tensor x)
        {
            var loss = PairwiseLoss.Of(x, source, x0, Weight(0.5), form, together);
            return (loss.Image * 0.7) + (loss.HighFrequency * 1.3) + (loss.HighFrequencyError * 0.2);
        }
    });

    private static Tensor Pictures(long seed, int count = 4) =>
        new KeyedRandom(seed, "pictures").Normal(0, [.. Enumerable.Range(0, count).Select(i => (long)i)], [2, 6, 6], DType.Float64);

    private static Tensor Weight(double value, int count = 4) => Tensor.Full(value, [count, 1, 1, 1], DType.Float64);
}
