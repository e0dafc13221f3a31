using Graft.Data;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Tests.Formats.Images;

namespace Graft.Tests.Data;

public sealed class LabelTableTests : IDisposable
{
    private static readonly ImageShape Rgb4 = new(3, 4, 4);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Names_become_classes_in_their_order()
    {
        Pictures("a.png", "b.png", "sub/c.png");
        var images = Open("\ufefffile_name,label\r\n./b.png, zebra \r\n\r\nsub\\c.png,\"ant, black\"\r\na.png,Zebra\r\n");
        Enumerable.Range(0, 3).Select(i => (images.Name(i), images.Label(i))).ShouldBe([("a.png", 0), ("b.png", 2), ("sub/c.png", 1)]);
        images.Classes.ShouldBe(["Zebra", "ant, black", "zebra"]);
        images.Description.ShouldContain($"3 classes from '{_folder["labels.csv"]}' (0 Zebra, 1 ant, black, 2 zebra)");
    }

    [Fact]
    public void Numbers_are_classes_as_they_stand()
    {
        Pictures("a.png", "b.png");
        var images = Open("label,note,file_name\n7,x,a.png\n0,,b.png");
        Enumerable.Range(0, 2).Select(images.Label).ShouldBe([7, 0]);
        images.Classes.ShouldBeEmpty();
        images.Description.ShouldContain("classes up to 7");
    }

    [Fact]
    public void Columns_may_have_other_names()
    {
        Pictures("a.png");
        File.WriteAllText(_folder["labels.csv"], "image,breed\na.png,poodle\n");
        var json = Recipe.Parse($"folder: {_folder.Path}\nlabels_csv: {_folder["labels.csv"]}\nlabels_file_column: image\nlabels_column: breed", "test");
        Recipe.Bind<DataOptions>(json, "test").Open(Rgb4).Classes.ShouldBe(["poodle"]);
    }

    [Fact]
    public void Only_the_named_pictures_are_read_where_that_is_asked_for()
    {
        Pictures("a.png", "b.png", "c.png");
        File.WriteAllText(_folder["labels.csv"], "file_name,label\nc.png,cat\na.png,dog\n");
        var options = new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["labels.csv"], OnlyLabelled = true };
        var images = options.Open(Rgb4);
        Enumerable.Range(0, images.Count).Select(i => (images.Name(i), images.Label(i))).ShouldBe([("a.png", 1), ("c.png", 0)]);
        Should.Throw<InputException>(() => (options with { OnlyLabelled = false }).Open(Rgb4)).Message.ShouldContain("'b.png'");
        foreach (var wrong in (DataOptions[])[options with { LabelsCsv = null }, options with { List = "names.list" }, new DataOptions { Images = "x.idx", OnlyLabelled = true }])
            Should.Throw<InputException>(() => wrong.Open(Rgb4)).Message.ShouldContain("only_labelled");
    }

    [Fact]
    public void Several_columns_are_there_as_text()
    {
        File.WriteAllText(_folder["labels.csv"], "file,young,glasses\na.png,1,0\nb.png,0,\"1\"\n");
        var table = LabelTable.Read(_folder["labels.csv"], "file", "glasses", "young");
        table.Rows.Select(row => (row.Line, row.File, string.Join(' ', row.Values))).ShouldBe([(2, "a.png", "0 1"), (3, "b.png", "1 0")]);
        table.ToClasses("young").Files["a.png"].ShouldBe(new ImageLabel(1, 2));
    }

    [Theory]
    [InlineData("", "are empty")]
    [InlineData("file_name,label\n", "hold a header and no row")]
    [InlineData("name,label\na.png,1", "no column 'file_name' in line 1, which names 'name', 'label'")]
    [InlineData("file_name;label\na.png;1", "fields are parted by commas")]
    [InlineData("file_name,label,label\na.png,1,2", "Line 1 of")]
    [InlineData("file_name,label\na.png,1\nb.png", "Line 3 of")]
    [InlineData("file_name,label\na.png,1,2", "Line 2 of the labels '{0}' has 3 fields and the header 2")]
    [InlineData("file_name,label\na.png,", "Line 2 of the labels '{0}' gives 'a.png' no label")]
    [InlineData("file_name,label\n,1", "Line 2 of the labels '{0}' names no file")]
    [InlineData("file_name,label\n\n\na.png,1\n./a.png,1", "Line 5 of the labels '{0}' names 'a.png' again, which line 4 has already")]
    [InlineData("file_name,label\n../a.png,1", "must be relative to the folder")]
    [InlineData("file_name,label\n/a.png,1", "must be relative to the folder")]
    [InlineData("file_name,label\na.png,-1", "Line 2 of the labels '{0}' says the class -1")]
    [InlineData("file_name,label\na.png,99999999999", "says the class 99999999999")]
    [InlineData("file_name,label\na.png,1\nb.png,cat", "mix numbers and names: line 2 says 1 and line 3 'cat'")]
    [InlineData("file_name,label\na.png,1\n\"b.png,2", "Line 3 of the labels '{0}' has quotes")]
    [InlineData("file_name,label\na.png,x\"y\"", "Line 2 of the labels '{0}' has quotes")]
    [InlineData("file_name,label\n\"a\nb.png\",1\na.png,", "Line 4 of")]
    [InlineData("file_name,label\na.png,1", "The picture 'b.png' of")]
    [InlineData("file_name,label\na.png,1\nb.png,0\nc.png,1", "Line 4 of the labels '{0}' names 'c.png', and there is no such file")]
    [InlineData("file_name,label\na.png,1\nb.png,0\nlabels.csv,1", "which does not end as pictures do")]
    public void Faults_are_one_sentence_with_the_line(string csv, string reason)
    {
        Pictures("a.png", "b.png");
        var message = Should.Throw<InputException>(() => Open(csv)).Message;
        message.ShouldContain(reason.Replace("{0}", _folder["labels.csv"], StringComparison.Ordinal));
        message.ShouldContain("labels.csv");
        message.ShouldEndWith(".");
        message.ShouldNotContain("\n");
    }

    [Fact]
    public void What_is_no_text_and_what_contradicts_is_refused()
    {
        Pictures("a.png");
        Should.Throw<InputException>(() => new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["none.csv"] }.Open(Rgb4)).Message.ShouldContain("none.csv");
        File.WriteAllBytes(_folder["labels.csv"], [.. "file_name,label\n"u8, 0xe4, .. ".png,1\n"u8]);
        Should.Throw<InputException>(() => Open(null)).Message.ShouldContain("no text in UTF-8");
        File.WriteAllText(_folder["labels.csv"], "file_name,label\na.png,1\n");
        var both = new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["labels.csv"], LabelsFromFolders = true };
        Should.Throw<InputException>(() => both.Open(Rgb4)).Message.ShouldContain("choose one");
        var idx = new DataOptions { Images = "x.idx", LabelsCsv = _folder["labels.csv"] };
        Should.Throw<InputException>(() => idx.Open(Rgb4)).Message.ShouldContain("labels_csv");
        var nameless = new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["labels.csv"], LabelsColumn = "" };
        Should.Throw<InputException>(() => nameless.Open(Rgb4)).Message.ShouldContain("labels_column");
    }

    [Fact]
    public void Labels_stay_with_their_pictures_when_some_are_left_out()
    {
        Pictures("a.png", "b.png", "c.png");
        File.WriteAllText(_folder["b.png"], "no picture");
        File.WriteAllText(_folder["labels.csv"], "file_name,label\nc.png,2\nb.png,1\na.png,0\n");
        var options = new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["labels.csv"], CacheDirectory = _folder["cache"] };
        for (var turn = 0; turn < 2; turn++)
        {
            var images = options.Open(Rgb4);
            Enumerable.Range(0, images.Count).Select(i => (images.Name(i), images.Label(i))).ShouldBe([("a.png", 0), ("c.png", 2)]);
        }

        (options with { MaxCount = 1 }).Open(Rgb4).Label(0).ShouldBe(0);
    }

    private IImageSource Open(string? csv)
    {
        if (csv is not null)
            File.WriteAllText(_folder["labels.csv"], csv);
        return new DataOptions { Folder = _folder.Path, LabelsCsv = _folder["labels.csv"] }.Open(Rgb4);
    }

    private void Pictures(params string[] names)
    {
        foreach (var name in names)
            ImageCodec.SavePng(_folder[name], PictureFixtures.Noise(4, 4, 3));
    }
}
