using Graft.Networks.Clip;
using Graft.Tests.Networks.Clip;
using Graft.Torch;
using Graft.Training;

namespace Graft.Tests.Training;

public sealed class ContrastiveStageTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void By_hand_two_pictures_of_one_name_and_one_of_another() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        // Factor 2. Rows are pictures; the first two have name 0.
        var cosines = Tensor.From([1, 0, 0.5, 0, -0.5, 1], 3, 2);
        var loss = ContrastiveStage.OfCosines(cosines, [0, 0, 1], Tensor.Scalar(Math.Log(2), DType.Float64));
        static double Log1p(double x) => Math.Log(1 + x);
        // Picture by picture: scores (2, 0), (1, 0), (-1, 2).
        var pictures = (Log1p(Math.Exp(-2)) + Log1p(Math.Exp(-1)) + Log1p(Math.Exp(-3))) / 3;
        // Name by name: scores (2, 1, -1), of which the first two are positives, and (0, 0, 2).
        var all = Math.Log(Math.Exp(2) + Math.Exp(1) + Math.Exp(-1));
        var names = ((((all - 2) + (all - 1)) / 2) + Math.Log(2 + Math.Exp(2)) - 2) / 2;
        var terms = loss.Terms.ToDictionary(t => t.Name, t => t.Value.Item());
        terms["pictures"].ShouldBe(pictures, 1e-12);
        terms["names"].ShouldBe(names, 1e-12);
        terms["accuracy"].ShouldBe(1);
        terms["scale"].ShouldBe(2, 1e-12);
        loss.Total.Item().ShouldBe((pictures + names) / 2, 1e-12);
    });

    [Fact]
    public void Of_different_names_it_is_CLIPs_and_gradients_are_those_of_differences() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var values = new KeyedRandom(1, "cosines").Uniform(0, [0, 1, 2, 3], [4], DType.Float64).ToArray<double>();
        var scale = Math.Log(7);
        // Cross-entropy of rows and of columns with the diagonal, by libtorch's own operator.
        var logits = Tensor.From(values, 4, 4) * 7;
        var diagonal = Tensor.From<long>([0, 1, 2, 3], 4);
        var due = (Functional.CrossEntropy(logits, diagonal).Item() + Functional.CrossEntropy(logits.Transpose(0, 1), diagonal).Item()) / 2;
        Total(values, [0, 1, 2, 3], scale).ShouldBe(due, 1e-12);

        long[] labels = [0, 1, 0, 2];
        var (x, s) = (Tensor.From(values[..12], 4, 3), Tensor.Scalar(scale, DType.Float64));
        (x.RequiresGrad, s.RequiresGrad) = (true, true);
        Autograd.Backward(ContrastiveStage.OfCosines(x, labels, s).Total);
        const double Step = 1e-6;
        var gradient = x.Grad!.ToArray<double>();
        for (var i = 0; i < 12; i++)
        {
            var (up, down) = (values[..12], values[..12]);
            (up[i], down[i]) = (up[i] + Step, down[i] - Step);
            gradient[i].ShouldBe((Total(up, labels, scale) - Total(down, labels, scale)) / (2 * Step), 1e-8);
        }

        s.Grad!.Item().ShouldBe((Total(values[..12], labels, scale + Step) - Total(values[..12], labels, scale - Step)) / (2 * Step), 1e-8);
        // Beyond 100 the factor stays, and nothing pulls at it.
        Total(values[..12], labels, Math.Log(1000)).ShouldBe(Total(values[..12], labels, Math.Log(100)), 1e-12);

        static double Total(double[] cosines, long[] labels, double scale) =>
            ContrastiveStage.OfCosines(Tensor.From(cosines, 4, cosines.Length / 4), labels, Tensor.Scalar(scale, DType.Float64)).Total.Item();
    });

    [Fact]
    public void Draws_follow_the_shares_and_equal_names_are_one()
    {
        var first = new CaptionedImages { Images = new TinyPictures(3, 1, [0, 1, 2]), Names = ["white", "grey", "black"], Templates = ["{}", "a {}"], Share = 2 };
        var second = new CaptionedImages { Images = new TinyPictures(2, 2, [0, 1]), Names = ["grey", "face"], Templates = ["of {}"] };
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var model = TinyPair.Create();
            var batches = Batches(model, first, second);
            long[] items = [.. Enumerable.Range(0, 18).Select(i => (long)i)];
            var (texts, labels) = batches.Names(items);
            texts.Count.ShouldBe(4);
            texts.ShouldAllBe(t => new[] { "white", "grey", "black", "face" }.Count(t.Contains) == 1);
            // Two draws of three are of the first set, which comes round every three of its own.
            var named = labels.Select(l => texts[(int)l].Split(' ')[^1]).ToArray();
            named.Where((_, i) => i % 3 == 2).Chunk(2).ShouldAllBe(c => c.Order().SequenceEqual(new[] { "face", "grey" }));
            named.Where((_, i) => i % 3 != 2).Chunk(3).ShouldAllBe(c => c.Order().SequenceEqual(new[] { "black", "grey", "white" }));
            texts.Any(t => t.StartsWith("of ", StringComparison.Ordinal)).ShouldBeTrue();

            // A function of the draws: the second half is the same by itself, and another seed's is another.
            var whole = batches.Read(0, items);
            var half = Batches(model, first, second).Read(5, items[9..]);
            half.X0.ToArray<float>().ShouldBe(whole.X0.Slice(0, 9, 18).ToArray<float>());
            whole.X0.Shape.ToArray().ShouldBe([18, 3, 8, 8]);
            whole.ClassLabels!.ToArray<long>().ShouldBe(labels);
            batches.Texts(items).Size(0).ShouldBe(4);
        });
    }

    [Fact]
    public void It_learns_which_name_a_picture_has_and_a_resumed_run_equals_an_unbroken_one()
    {
        CaptionedImages[] sets = [new() { Images = new TinyPictures(12, 1, [.. Enumerable.Range(0, 12).Select(i => i % 6)]), Names = ["a", "black", "face", "grey", "of", "cab"], Templates = ["{}"] }];
        var options = new TrainingOptions { Steps = 60, BatchSize = 12, LearningRate = 5e-3, EmaDecay = 0.5, Seed = 3, CheckpointEvery = 20 };
        var (whole, broken) = (_temporary["whole"], _temporary["broken"]);
        using (var model = TinyPair.Create())
        {
            new Trainer(ContrastiveStage.Create("pair", model, sets, options), options, new TrainingRun { Folder = whole }).Train();
            TorchRuntime.Run(() =>
            {
                using var scope = new TensorScope();
                var seen = Graft.Evaluation.RetrievalReport.Measure(model, sets[0].Images, sets[0].Names, ["{}"]);
                seen.First.Value.ShouldBeGreaterThan(0.9);
            });
        }

        using (var model = TinyPair.Create())
            Should.Throw<TrainingStoppedException>(() => new Trainer(ContrastiveStage.Create("pair", model, sets, options), options, TinyRun.StopAfter(broken, 33)).Train());
        using (var model = TinyPair.Create())
            new Trainer(ContrastiveStage.Create("pair", model, sets, options), options, new TrainingRun { Folder = broken, Resume = true }).Train();
        TinyRun.ShouldEqual(TinyRun.State(broken, 60), TinyRun.State(whole, 60));
    }

    [Fact]
    public void What_cannot_be_trained_is_refused()
    {
        using var model = TinyPair.Create();
        var fine = new CaptionedImages { Images = new TinyPictures(2, 1, [0, 1]), Names = ["white", "grey"] };
        Refused(fine, new TrainingOptions { Accumulation = 2 }, "accumulation");
        Refused(fine with { Names = ["white"] }, new TrainingOptions(), "of class 1");
        Refused(fine with { Images = new TinyPictures(2) }, new TrainingOptions(), "of class none");
        Refused(fine with { Templates = ["a photo"] }, new TrainingOptions(), "{} in the name's place");
        Refused(fine with { Templates = [] }, new TrainingOptions(), "{} in the name's place");
        Refused(fine with { Share = 0 }, new TrainingOptions(), "share is 0");

        void Refused(CaptionedImages set, TrainingOptions options, string said) =>
            Should.Throw<InputException>(() => ContrastiveStage.Create("pair", model, [set], options)).Message.ShouldContain(said);
    }

    private static ContrastiveBatches Batches(ImageTextModel model, params CaptionedImages[] sets) =>
        new(sets, model.Tokenizer, model.Processor, 10, new TrainingOptions { Seed = 4 });
}
