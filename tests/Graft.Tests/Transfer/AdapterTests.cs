using Graft.Sampling;
using Graft.Tests.Training;
using Graft.Transfer;

namespace Graft.Tests.Transfer;

public class AdapterTests
{
    [Fact]
    public void It_starts_as_the_source_and_leaves_its_weights_alone()
    {
        using var source = TinyRun.Model();
        using var start = new Adapter { Seed = 2 }.Prepare(source, new TinyPictures()).Model;
        Picture(start).ShouldBe(Picture(source));

        using var adapted = new Adapter { Training = TinyRun.Options(4) }.Adapt(source, new TinyPictures());
        TinyRun.ShouldEqual(TinyRun.Weights(adapted), TinyRun.Weights(source));
        Picture(adapted).ShouldNotBe(Picture(source));
    }

    [Fact]
    public void Its_folder_opens_as_the_model()
    {
        using var temporary = new TemporaryFolder();
        using var source = DiffusionModel.Load(TinyModel.Save(temporary["source"]));
        using var adapted = new Adapter { Width = 3, Training = TinyRun.Options(4) }.Adapt(source, new TinyPictures());
        adapted.Save(temporary["adapter"]);
        using var opened = DiffusionModel.Load(temporary["adapter"]);
        Picture(opened).ShouldBe(Picture(adapted));
        opened.Fingerprint().ShouldBe(adapted.Fingerprint());
        Should.Throw<InputException>(() => new Finetune().Adapt(opened, new TinyPictures())).Message.ShouldContain("start from the source");

        File.WriteAllText(temporary["adapter/adapter_config.json"], File.ReadAllText(temporary["adapter/adapter_config.json"]).Replace("\"width\": 3", "\"width\": 0"));
        Should.Throw<InputException>(() => DiffusionModel.Load(temporary["adapter"])).Message.ShouldContain("width");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    public void Widths_out_of_range_are_refused(int width)
    {
        using var source = TinyRun.Model();
        Should.Throw<InputException>(() => new Adapter { Width = width }.Adapt(source, new TinyPictures())).Message.ShouldContain("width");
    }

    private static byte[] Picture(DiffusionModel model) => model.Sample(1, Sampler.Ddim(4), seed: 1)[0].ToArray();
}
