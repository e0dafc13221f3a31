using Graft.Data;
using Graft.Formats.Images;
using Graft.Sampling;
using Graft.Tests.Training;

namespace Graft.Tests;

public class DiffusionModelTests
{
    public static TheoryData<string> Samplers => ["ddim", "ddpm"];

    [Theory]
    [MemberData(nameof(Samplers))]
    public void A_picture_depends_on_seed_and_number_only(string name)
    {
        using var model = TinyRun.Model();
        var sampler = Sampler.Parse(name, 5, name == "ddim" ? 0.5 : 0);
        var all = model.Sample(6, sampler, seed: 1, batchSize: 2);
        var few = model.Sample(4, sampler, seed: 1, batchSize: 2);
        for (var i = 0; i < 4; i++)
            few[i].ToArray().ShouldBe(all[i].ToArray());
        foreach (var batchSize in (int[])[1, 4, 64])
        {
            // Kernels of other batch sizes differ in the last bits, which rounding to bytes may show.
            var other = model.Sample(6, sampler, seed: 1, batchSize: batchSize);
            for (var i = 0; i < 6; i++)
                other[i].ToArray().Zip(all[i].ToArray(), (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThanOrEqualTo(1);
        }

        model.Sample(1, sampler, seed: 2)[0].ToArray().ShouldNotBe(all[0].ToArray());
        all[1].ToArray().ShouldNotBe(all[0].ToArray());
    }

    [Fact]
    public void Labels_are_drawn_in_turn_and_checked()
    {
        using var model = TinyRun.Model(classes: 3);
        var sampler = Sampler.Ddim(2);
        Labels(model.Sample(4, sampler)).ShouldBe([0, 1, 2, 0]);
        Labels(model.Sample(4, sampler, labels: [])).ShouldBe([0, 1, 2, 0]);
        Labels(model.Sample(3, sampler, labels: [2, 0])).ShouldBe([2, 0, 2]);
        foreach (var wrong in (int[])[-1, 3, int.MinValue])
            Should.Throw<InputException>(() => model.Sample(1, sampler, labels: [0, wrong])).Message.ShouldContain($"The class {wrong} is out of range");
        using var plain = TinyRun.Model();
        Should.Throw<InputException>(() => plain.Sample(1, sampler, labels: [0])).Message.ShouldContain("takes no class labels");

        static int?[] Labels(IImageSource samples) => [.. Enumerable.Range(0, samples.Count).Select(samples.Label)];
    }

    [Fact]
    public void A_clone_shares_nothing()
    {
        using var model = TinyRun.Model();
        var due = model.Sample(1, Sampler.Ddim(2))[0].ToArray();
        using var copy = model.Clone();
        Torch.TorchRuntime.Run(() => model.Network.Initialise(99));
        copy.Sample(1, Sampler.Ddim(2))[0].ToArray().ShouldBe(due);
        model.Sample(1, Sampler.Ddim(2))[0].ToArray().ShouldNotBe(due);
    }

    [Fact]
    public void Samples_are_written_one_by_one_and_as_a_sheet()
    {
        using var temporary = new TemporaryFolder();
        using var model = TinyRun.Model();
        var samples = model.Sample(3, Sampler.Ddim(2));
        samples.Save(temporary["pictures"]);
        samples.SaveGrid(temporary["grid.png"]);
        Directory.GetFiles(temporary["pictures"]).Select(Path.GetFileName).Order().ShouldBe(["00000.png", "00001.png", "00002.png"]);
        var back = ImageFolder.Open(temporary["pictures"], model.Shape);
        for (var i = 0; i < 3; i++)
            back[i].ToArray().ShouldBe(samples[i].ToArray());
        ImageCodec.Load(temporary["grid.png"]).Width.ShouldBeGreaterThanOrEqualTo(2 * 8);
    }

    [Fact]
    public void Sampling_stops_when_it_is_told_to()
    {
        using var model = TinyRun.Model();
        Should.Throw<OperationCanceledException>(() => model.Sample(1, Sampler.Ddim(2), cancellationToken: new CancellationToken(canceled: true)));
    }
}
