using Graft.Data;
using Graft.Formats.Images;
using Graft.Recipes;

namespace Graft.Tests.Data;

public sealed class SampleFolderTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Samples_keep_their_shape_and_the_sheet_is_none_of_them()
    {
        Put("a.png", 6, 4, 1, 10);
        Put("b.png", 6, 4, 1, 20);
        Put("grid.png", 40, 40, 1, 30);
        var folder = SampleFolder.Open(_temporary.Path);
        (folder.Count, folder.Shape).ShouldBe((2, new ImageShape(1, 4, 6)));
        folder[1].ToArray().ShouldAllBe(v => v == 20);
        SampleFolder.Open(_temporary.Path, most: 1).Name(0).ShouldBe("a.png");
        Put("c.png", 6, 4, 3, 40);
        SampleFolder.Open(_temporary.Path).Shape.ShouldBe(new ImageShape(3, 4, 6)); // one in colour makes all so
    }

    [Fact]
    public void Where_a_folder_has_none_of_its_own_those_of_its_sub_folders_are_meant()
    {
        foreach (var name in (string[])["bag", "boot"])
            Directory.CreateDirectory(_temporary[name]);
        Put("bag/00000.png", 6, 4, 1, 10);
        Put("boot/00000.png", 6, 4, 1, 20);
        var folder = SampleFolder.Open(_temporary.Path);
        (folder.Count, folder.Name(1)).ShouldBe((2, "boot/00000.png"));
        Put("a.png", 6, 4, 1, 30);
        SampleFolder.Open(_temporary.Path).Count.ShouldBe(1);
    }

    [Fact]
    public void What_cannot_be_judged_is_refused_by_a_sentence()
    {
        Refused().ShouldContain("There are no pictures in");
        Put("grid.png", 40, 40, 1, 30);
        Refused().ShouldContain("but grid.png, which is a sheet of several");
        Put("a.png", 6, 4, 1, 10);
        Put("b.png", 6, 5, 1, 10);
        Refused().ShouldContain("a.png is 6 x 4 and b.png 6 x 5; samples are not resized");

        string Refused() => Should.Throw<InputException>(() => SampleFolder.Open(_temporary.Path)).Message;
    }

    [Fact]
    public void Pictures_are_named_by_a_folder_or_by_a_recipe()
    {
        DataReference.Of("some/folder").ShouldBe(new DataReference(new DataOptions { Folder = "some/folder" }, false));
        File.WriteAllText(_temporary["adapt.yaml"], "target: { folder: x, max_count: 3 }\ndata: { folder: y }\ntraining: { flip: true }\n");
        DataReference.Of(_temporary["adapt.yaml"]).ShouldBe(new DataReference(new DataOptions { Folder = "x", MaxCount = 3 }, true));
        File.WriteAllText(_temporary["pretrain.yml"], "data: { folder: y }\n");
        DataReference.Of(_temporary["pretrain.yml"]).ShouldBe(new DataReference(new DataOptions { Folder = "y" }, false));
        File.WriteAllText(_temporary["none.yaml"], "name: x\n");
        Should.Throw<InputException>(() => DataReference.Of(_temporary["none.yaml"])).Message.ShouldContain("names no pictures");
        File.WriteAllText(_temporary["wrong.yaml"], "target: { folders: x }\n");
        Should.Throw<InputException>(() => DataReference.Of(_temporary["wrong.yaml"])).Message.ShouldContain("folders");
    }

    private void Put(string name, int width, int height, int channels, byte value) =>
        ImageCodec.SavePng(_temporary[name], Picture.Filled(width, height, channels, new Rgb(value, value, (byte)(channels == 1 ? value : 0))));
}
