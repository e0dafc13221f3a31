using Graft.Data;
using Graft.Formats;
using Graft.Recipes;

namespace Graft.Tests.Points;

/// <summary>Files of points, and data as recipes say them.</summary>
public sealed class SampleFileTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Theory]
    [InlineData("points.csv", false)]
    [InlineData("points.csv", true)]
    [InlineData("points.safetensors", false)]
    [InlineData("points.safetensors", true)]
    public void Points_come_back_to_the_bit(string name, bool labelled)
    {
        var points = Mixtures.Source.Draw(50, 3, labelled);
        SampleFile.Write(_temporary[name], points);
        SampleFile.Holds(_temporary[name]).ShouldBeTrue();
        var again = SampleFile.Read(_temporary[name]);
        again.Values.ToArray().ShouldBe(points.Values.ToArray());
        again.ItemShape.ShouldBe(new ItemShape(2));
        for (var i = 0; i < 50; i++)
            again.Label(i).ShouldBe(points.Label(i));
    }

    [Fact]
    public void Items_of_any_shape_go_into_safetensors()
    {
        var items = new SampleSet(new ItemShape(2, 3), [.. Enumerable.Range(0, 12).Select(i => (float)i)], "two items");
        SampleFile.Write(_temporary["items.safetensors"], items);
        var again = SampleFile.Read(_temporary["items.safetensors"]);
        again.ItemShape.ShouldBe(new ItemShape(2, 3));
        again[1].ToArray().ShouldBe([6f, 7, 8, 9, 10, 11]);
        Should.Throw<InputException>(() => SampleFile.Write(_temporary["items.csv"], items)).Message.ShouldContain("do not fit the lines");
        Should.Throw<InputException>(() => SampleFile.Write(_temporary["items.txt"], items)).Message.ShouldContain(".csv or .safetensors");
    }

    [Theory]
    [InlineData("x0,x1\n1,2\n3\n", "Line 3 of the points")]
    [InlineData("x0,x1\n1,two\n", "Line 2 of the points")]
    [InlineData("x0,x1\n1,NaN\n", "no finite number")]
    [InlineData("x0,x1\n1,1e99\n", "no finite number")]
    [InlineData("x0,x1\n", "hold a header and no line")]
    [InlineData("", "are empty")]
    [InlineData("label\n1\n", "are empty")]
    [InlineData("x0,label\n1,-1\n", "classes are whole numbers from 0")]
    public void Broken_points_are_refused(string text, string part)
    {
        File.WriteAllText(_temporary["points.csv"], text);
        var message = Should.Throw<InputException>(() => SampleFile.Read(_temporary["points.csv"])).Message;
        message.ShouldContain(part);
        message.ShouldContain("points.csv");
    }

    [Fact]
    public void Weights_are_no_samples()
    {
        SafetensorsWriter.Write(_temporary["weights.safetensors"], null, [new TensorData("weight", Graft.Torch.DType.Float32, [1], new byte[4])]);
        SampleFile.Holds(_temporary["weights.safetensors"]).ShouldBeFalse();
        Should.Throw<InputException>(() => SampleFile.Read(_temporary["weights.safetensors"])).Message.ShouldContain("holds no tensor 'samples'");
        SafetensorsWriter.Write(_temporary["double.safetensors"], null, [new TensorData("samples", Graft.Torch.DType.Float64, [1, 1], new byte[8])]);
        Should.Throw<InputException>(() => SampleFile.Read(_temporary["double.safetensors"])).Message.ShouldContain("float32 [N, ...] is due");
    }

    [Fact]
    public void A_mixture_is_read_from_a_recipe()
    {
        var data = Recipe.Bind<DataOptions>(Recipe.Parse("mixture: { means: [[0.5, 0.5], [-0.5, -0.5]], variance: 0.1, count: 20, seed: 3 }", "test"), "data");
        data.OpenItems().ShouldBeOfType<SampleSet>().Values.ToArray().ShouldBe(Mixtures.Source.Draw(20, 3).Values.ToArray());
        var full = Recipe.Bind<DataOptions>(Recipe.Parse("mixture: { weights: [1, 3], means: [[0, 0], [1, 1]], covariances: [[[1, 0], [0, 1]], [[2, 0.5], [0.5, 1]]], label_components: true }", "test"), "data");
        full.Mixture!.Create().Weights.ShouldBe([0.25, 0.75]);
        full.Mixture.Draw().Label(0).ShouldNotBeNull();
    }

    [Theory]
    [InlineData("mixture: { means: [[0, 0]] }", "either variance")]
    [InlineData("mixture: { means: [[0, 0]], variance: 1, covariances: [[[1, 0], [0, 1]]] }", "either variance")]
    [InlineData("mixture: { means: [], variance: 1 }", "means")]
    [InlineData("mixture: { means: [[0, 0]], variance: 1, count: 0 }", "count is 0")]
    [InlineData("mixture: { means: [[0, 0]], covariances: [[[1, 0], [0]]] }", "must be square")]
    [InlineData("{ mixture: { means: [[0]], variance: 1 }, points: a.csv }", "one of folder, images, points, mixture and ecg")]
    public void A_mixture_that_makes_no_sense_is_refused(string text, string part) =>
        Should.Throw<InputException>(() => Recipe.Bind<DataOptions>(Recipe.Parse(text, "test"), "data").OpenItems()).Message.ShouldContain(part);

    [Fact]
    public void Points_and_pictures_are_not_taken_for_each_other()
    {
        var mixture = Recipe.Bind<DataOptions>(Recipe.Parse("mixture: { means: [[0, 0]], variance: 1, count: 3 }", "test"), "data");
        using var pictures = TinyModel.Create();
        Should.Throw<InputException>(() => mixture.OpenFor(pictures)).Message.ShouldContain("where pictures are due");
        using var points = DiffusionModel.Create(new Graft.Networks.PointDenoiserOptions { HiddenChannels = 4, Blocks = 1, Dimensions = 3 }, new Graft.Diffusion.ScheduleOptions(), 1);
        Should.Throw<InputException>(() => mixture.OpenFor(points)).Message.ShouldContain("makes items of 3 numbers");
        Should.Throw<InputException>(() => new DataOptions { Folder = "pictures" }.OpenFor(points)).Message.ShouldContain("and the data are pictures");
    }
}
