using Graft.Networks;
using Graft.Torch;
using Graft.Transfer;
using Graft.Transfer.GuidedParts;

namespace Graft.Tests.Transfer;

public class RatioLossTests
{
    private static readonly double[] Logs = [-0.3, 0.2, 1.1];
    private static readonly double[] Ratios = [0.5, 2, 8];

    [Fact]
    public void Every_form_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var pairs = Logs.Zip(Ratios).ToArray();
        Of(RatioLoss.Ratio).ShouldBe(pairs.Average(p => Math.Pow(Math.Exp(p.First) - p.Second, 2)), 1e-12);
        Of(RatioLoss.LogRatio).ShouldBe(pairs.Average(p => Math.Pow(p.First - Math.Log(p.Second), 2)), 1e-12);
        Of(RatioLoss.Logistic).ShouldBe(pairs.Average(p => Math.Log(1 + Math.Exp(p.First)) + (p.Second * Math.Log(1 + Math.Exp(-p.First)))), 1e-12);

        Of(RatioLoss.ItakuraSaito).ShouldBe(pairs.Average(p => (p.Second / Math.Exp(p.First)) + p.First), 1e-12);

        static double Of(RatioLoss form) => RatioLosses.Regression(Tensor.From(Logs, 3), LogRatios(), form).Item();
    });

    [Theory]
    [InlineData(RatioLoss.Ratio, 3.5)] // E[r] of 0.5, 2, 8
    [InlineData(RatioLoss.Logistic, 3.5)]
    [InlineData(RatioLoss.Logistic, 3.5, 30)]
    [InlineData(RatioLoss.ItakuraSaito, 3.5)]
    [InlineData(RatioLoss.LogRatio, 2)] // exp E[log r]: below, by Jensen
    public void What_each_form_finds_where_items_cannot_be_told_apart(RatioLoss form, double h, double odds = 1) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var log = Tensor.Full(Math.Log(h), [3], DType.Float64);
        log.RequiresGrad = true;
        Autograd.Backward(RatioLosses.Regression(log, LogRatios(), form, odds));
        log.Grad!.Sum().Item().ShouldBe(0, 1e-12);
    });

    [Theory]
    [InlineData(RatioLoss.Ratio)]
    [InlineData(RatioLoss.Logistic)]
    [InlineData(RatioLoss.Logistic, 30)]
    [InlineData(RatioLoss.ItakuraSaito)]
    public void Items_drawn_by_their_ratio_give_the_same_gradient(RatioLoss form, double odds = 1) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        double[] ratios = [1, 0, 3, 4];
        int[] chosen = GuidanceBatches.Systematic(ratios, 0.25); // 0.5, 2.5, 4.5 and 6.5 of a sum of 8
        chosen.ShouldBe([0, 2, 3, 3]);
        chosen = [0, 2, 2, 2, 3, 3, 3, 3]; // each as often as its ratio says
        var drawn = Leaf();
        Autograd.Backward(RatioLosses.Regression(drawn, Tensor.Cat([.. chosen.Select(i => drawn.Slice(0, i, i + 1))]), ratios.Average(), form, odds));
        var evenly = Leaf();
        Autograd.Backward(RatioLosses.Regression(evenly, Tensor.From(ratios, 4).Log(), form, odds));
        drawn.Grad!.ToArray<double>().ShouldBe(evenly.Grad!.ToArray<double>(), 1e-12);

        static Tensor Leaf()
        {
            var log = Tensor.From([-0.3, 0.2, 1.1, 0.7], 4);
            log.RequiresGrad = true;
            return log;
        }
    });

    [Fact]
    public void A_systematic_draw_holds_each_item_as_often_as_its_share_says()
    {
        double[] weights = [0, 5, 0.5, 0, 10, 4.5];
        foreach (var offset in new[] { 0, 0.3, 0.999999 })
        {
            var chosen = GuidanceBatches.Systematic(weights, offset);
            chosen.Length.ShouldBe(weights.Length);
            chosen.ShouldBeInOrder();
            for (var i = 0; i < weights.Length; i++)
                Math.Abs(chosen.Count(c => c == i) - (weights[i] / weights.Sum() * weights.Length)).ShouldBeLessThan(1, $"{i} at {offset}");
        }
    }

    [Fact]
    public void The_domain_loss_by_hand() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var (source, target) = (Tensor.From([-1.0, 0.5], 2), Tensor.From([2.0], 1));
        var due = 0.5 * (((Math.Log(1 + Math.Exp(-1)) + Math.Log(1 + Math.Exp(0.5))) / 2) + Math.Log(1 + Math.Exp(-2)));
        RatioLosses.Domain(source, target).Item().ShouldBe(due, 1e-12);
        var four = ((4 * (Math.Log(1 + (Math.Exp(-1) / 4)) + Math.Log(1 + (Math.Exp(0.5) / 4))) / 2) + Math.Log(1 + (4 * Math.Exp(-2)))) / 5;
        RatioLosses.Domain(source, target, 4).Item().ShouldBe(four, 1e-12);
    });

    [Theory]
    [InlineData(0.1)]
    [InlineData(1)]
    [InlineData(30)]
    public void Whatever_the_odds_the_domain_loss_finds_the_ratio(double odds) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // Of the source three items in four lie at the first place, of the target one in four: q/p is 1/3 and 3.
        var places = Tensor.From([-Math.Log(3), Math.Log(3)], 2);
        places.RequiresGrad = true;
        var (first, second) = (places.Slice(0, 0, 1), places.Slice(0, 1, 2));
        Autograd.Backward(RatioLosses.Domain(Tensor.Cat([first, first, first, second]), Tensor.Cat([first, second, second, second]), odds));
        places.Grad!.ToArray<double>().ShouldBe([0, 0], 1e-12);
    });

    [Fact]
    public void The_consistency_loss_is_zero_for_the_right_gradient() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var noise = Tensor.From([1.0, 2, 3, 4], 2, 2);
        var (sourceNoise, sigma) = (noise * 0.5, Tensor.From([0.5, 0.25], 2, 1));
        // s_target − s_source = −(ε − ε_source)/σ
        RatioLosses.Consistency((noise - sourceNoise) * -1.0 / sigma, sigma, noise, sourceNoise).Item().ShouldBe(0, 1e-15);
        RatioLosses.Consistency(noise * 0.0, sigma, noise, sourceNoise).Item().ShouldBe((0.25 + 1 + 2.25 + 4) / 4, 1e-12);
    });

    [Theory]
    [InlineData("points")]
    [InlineData("pictures")]
    [InlineData("recordings")]
    [InlineData("recordings, sets of labels")]
    public void A_trained_gradient_equals_central_differences_in_double_precision(string kind) => TorchRuntime.Run(() =>
    {
        long[] sizes = kind switch { "points" => [2], "pictures" => [2, 6, 6], _ => [2, 40] };
        using var scope = new TensorScope();
        using var network = RatioNetwork.Build(new RatioNetworkOptions { ItemSizes = sizes, HiddenChannels = 8, Blocks = 2, Timed = true, NumClassEmbeds = 3 });
        network.Initialise(4);
        network.ConvertTo(DType.Float64);
        var random = new KeyedRandom(2, "ratio");
        var (x, noise, sourceNoise) = (random.Normal(0, [0, 1], sizes, DType.Float64), random.Normal(1, [0, 1], sizes, DType.Float64), random.Normal(2, [0, 1], sizes, DType.Float64));
        var (t, labels) = (Tensor.From([3L, 40], 2), kind.EndsWith("labels", StringComparison.Ordinal) ? Tensor.From([1f, 0, 1, 0, 0, 0], 2, 3) : Tensor.From([0L, 2], 2));
        var sigma = Tensor.From([0.3, 0.8], [2, .. Enumerable.Repeat(1L, sizes.Length)]);
        var parameters = network.Parameters().ToList();
        foreach (var (_, value) in parameters)
            value.RequiresGrad = true;
        Autograd.Backward(Loss());
        foreach (var (name, value) in parameters)
        {
            var gradient = value.Grad is { } grad ? grad.ToArray<double>() : new double[value.Count];
            var values = value.Detach().ToArray<double>();
            for (var k = 0; k < values.Length; k += Math.Max(1, values.Length / 3))
            {
                const double Step = 1e-5;
                var difference = (At(k, Step) - At(k, -Step)) / (2 * Step);
                gradient[k].ShouldBe(difference, 2e-7 * (1 + Math.Abs(difference)), $"{name}[{k}]");
            }

            double At(int k, double by)
            {
                var changed = (double[])values.Clone();
                changed[k] += by;
                Set(changed);
                try
                {
                    using var inner = new TensorScope();
                    return Loss().Item();
                }
                finally
                {
                    Set(values);
                }
            }

            void Set(double[] to)
            {
                using var mode = Autograd.NoGrad();
                using var inner = new TensorScope();
                value.CopyFrom(Tensor.From(to, value.Shape));
            }
        }

        Tensor Loss()
        {
            var leaf = x.Detach();
            leaf.RequiresGrad = true;
            var log = network.LogRatio(leaf, t, labels);
            var gradient = Autograd.Gradients(log.Sum(), [leaf], createGraph: true)[0];
            return RatioLosses.Consistency(gradient, sigma, noise, sourceNoise) + (log.Square().Mean() * 0.1);
        }
    });

    private static Tensor LogRatios() => Tensor.From(Ratios, 3).Log();
}
