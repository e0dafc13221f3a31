using Graft.Data;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Tests.Formats.Images;

namespace Graft.Tests.Data;

public sealed class DataOptionsTests : IDisposable
{
    private static readonly ImageShape Rgb4 = new(3, 4, 4);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_list_names_the_pictures_that_are_read()
    {
        foreach (var name in new[] { "a.png", "b.png", "c#.png", "sub/d.png" })
            ImageCodec.SavePng(_folder[name], PictureFixtures.Noise(4, 4, 3));
        File.WriteAllText(_folder["some.list"], "# two of them\r\n\r\n  c#.png \r\na.png\r\na.png\r\n# b.png\r\ngone.png");
        var warnings = new List<string>();

        var json = Recipe.Parse($"folder: {_folder.Path}\nlist: {_folder["some.list"]}", "test");
        var images = Recipe.Bind<DataOptions>(json, "test").Open(Rgb4, warnings.Add).ShouldBeOfType<ImageFolder>();
        Enumerable.Range(0, images.Count).Select(images.Name).ShouldBe(["a.png", "c#.png"]);
        images.Ignored.ShouldBe(2);
        warnings.ShouldHaveSingleItem().ShouldStartWith("1 of the 3 pictures");

        // Without a list, all are read.
        new DataOptions { Folder = _folder.Path }.Open(Rgb4).Count.ShouldBe(3);
    }

    [Fact]
    public void The_first_pictures_can_be_left_out()
    {
        foreach (var name in new[] { "a.png", "b.png", "c.png", "d.png" })
            ImageCodec.SavePng(_folder[name], PictureFixtures.Noise(4, 4, 3));
        Names(new DataOptions { Folder = _folder.Path, Skip = 1 }).ShouldBe(["b.png", "c.png", "d.png"]);
        Names(new DataOptions { Folder = _folder.Path, Skip = 1, MaxCount = 2 }).ShouldBe(["b.png", "c.png"]);
        Should.Throw<InputException>(() => Names(new DataOptions { Folder = _folder.Path, Skip = 4 })).Message.ShouldContain("first 4 are skipped");
        Should.Throw<InputException>(() => Names(new DataOptions { Folder = _folder.Path, Skip = -1 })).Message.ShouldContain("skip is -1");

        static string[] Names(DataOptions options)
        {
            var images = options.Open(Rgb4);
            return [.. Enumerable.Range(0, images.Count).Select(images.Name)];
        }
    }

    [Fact]
    public void The_first_pictures_of_a_file_can_be_taken()
    {
        // IDX: unsigned bytes of rank 3, four pictures of 4 x 4, each of its own number.
        File.WriteAllBytes(_folder["some-idx3"], [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, .. Enumerable.Range(0, 4).SelectMany(i => Enumerable.Repeat((byte)i, 16))]);
        var options = new DataOptions { Images = _folder["some-idx3"] };
        Numbers(options).ShouldBe([0, 1, 2, 3]);
        Numbers(options with { MaxCount = 2 }).ShouldBe([0, 1]);
        Numbers(options with { MaxCount = 2, Skip = 1 }).ShouldBe([1, 2]);
        Numbers(options with { MaxCount = 9, Skip = 3 }).ShouldBe([3]);
        Should.Throw<InputException>(() => Numbers(options with { MaxCount = -1 })).Message.ShouldContain("max_count is -1");

        static int[] Numbers(DataOptions options)
        {
            var images = options.Open(new ImageShape(1, 4, 4));
            return [.. Enumerable.Range(0, images.Count).Select(i => (int)images[i][0])];
        }
    }

    [Fact]
    public void Lists_that_cannot_be_used_are_told()
    {
        ImageCodec.SavePng(_folder["a.png"], PictureFixtures.Noise(4, 4, 3));
        var options = new DataOptions { Folder = _folder.Path, List = _folder["none.list"] };
        Should.Throw<InputException>(() => options.Open(Rgb4)).Message.ShouldContain("none.list cannot be read");
        File.WriteAllText(_folder["none.list"], "# nothing\n\n");
        Should.Throw<InputException>(() => options.Open(Rgb4)).Message.ShouldContain("names no picture");
        File.WriteAllText(_folder["none.list"], "b.png\n");
        Should.Throw<InputException>(() => options.Open(Rgb4)).Message.ShouldContain("None of the 1 pictures");
        var idx = new DataOptions { Images = "pictures.idx", List = _folder["none.list"] };
        Should.Throw<InputException>(() => idx.Open(Rgb4)).Message.ShouldContain("list");
    }
}
