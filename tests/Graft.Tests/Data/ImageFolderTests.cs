using Graft.Data;
using Graft.Formats.Images;
using Graft.Tests.Formats.Images;

namespace Graft.Tests.Data;

public sealed class ImageFolderTests : IDisposable
{
    private static readonly ImageShape Rgb16 = new(3, 16, 16);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Formats_sizes_and_channels_mix()
    {
        Copy("decode/jpeg_420.jpg", "b.jpg");
        Copy("decode/palette8.png", "a.PNG");
        Copy("decode/rgba8.png", "c.jpeg");
        Copy("decode/grey1.png", "d.png");
        File.WriteAllText(_folder["notes.txt"], "not a picture");
        File.WriteAllText(_folder[".hidden.png"], "not a picture");

        var folder = ImageFolder.Open(_folder.Path, Rgb16);
        folder.Count.ShouldBe(4);
        Enumerable.Range(0, 4).Select(folder.Name).ShouldBe(["a.PNG", "b.jpg", "c.jpeg", "d.png"]);
        folder.Ignored.ShouldBe(1);
        folder.Unreadable.ShouldBeEmpty();
        folder.Shape.ShouldBe(Rgb16);
        folder.Label(0).ShouldBeNull();
        folder.Description.ShouldBe($"4 pictures of 3 x 16 x 16 from the folder '{_folder.Path}', 1 other file ignored");
        for (var i = 0; i < 4; i++)
            folder[i].Length.ShouldBe(Rgb16.Elements);
    }

    [Fact]
    public void Cropping_is_the_middle_then_bicubic()
    {
        var picture = PictureFixtures.Noise(50, 30, 3);
        Save("a.png", picture);
        var expected = Resize.Bicubic(picture.Crop(10, 0, 30, 30), 16, 16);
        ImageFolder.Open(_folder.Path, Rgb16).ToPicture(0).ShouldEqual(expected, "centre crop");

        var wide = new ImageShape(3, 10, 20);
        var cut = Resize.Bicubic(picture.Crop(0, 2, 50, 25), 20, 10);
        ImageFolder.Open(_folder.Path, wide).ToPicture(0).ShouldEqual(cut, "centre crop to two to one");
    }

    [Fact]
    public void Stretching_keeps_all_of_it()
    {
        var picture = PictureFixtures.Noise(50, 30, 3);
        Save("a.png", picture);
        ImageFolder.Open(_folder.Path, Rgb16, new ImageFolderOptions { Fit = ImageFit.Stretch }).ToPicture(0)
            .ShouldEqual(Resize.Bicubic(picture, 16, 16), "stretched");
    }

    [Fact]
    public void Padding_fills_with_the_background()
    {
        Save("a.png", Picture.Filled(32, 16, 3, Rgb.Black));
        var options = new ImageFolderOptions { Fit = ImageFit.Pad, Background = new Rgb(1, 2, 3) };
        var padded = ImageFolder.Open(_folder.Path, Rgb16, options).ToPicture(0);
        padded.Crop(0, 0, 16, 4).ShouldEqual(Picture.Filled(16, 4, 3, new Rgb(1, 2, 3)), "above");
        padded.Crop(0, 4, 16, 8).ShouldEqual(Picture.Filled(16, 8, 3, Rgb.Black), "the picture");
        padded.Crop(0, 12, 16, 4).ShouldEqual(Picture.Filled(16, 4, 3, new Rgb(1, 2, 3)), "below");
    }

    [Fact]
    public void Alpha_lies_over_the_background_white_if_not_said()
    {
        Save("a.png", new Picture(1, 1, 4, [10, 20, 30, 0]));
        var shape = new ImageShape(3, 1, 1);
        ImageFolder.Open(_folder.Path, shape)[0].ToArray().ShouldBe([255, 255, 255]);
        ImageFolder.Open(_folder.Path, shape, new ImageFolderOptions { Background = new Rgb(4, 5, 6) })[0].ToArray().ShouldBe([4, 5, 6]);
    }

    [Fact]
    public void Colour_becomes_grey_and_grey_colour()
    {
        Save("a.png", new Picture(1, 1, 3, [255, 0, 0]));
        Save("b.png", new Picture(1, 1, 1, [77]));
        var grey = ImageFolder.Open(_folder.Path, new ImageShape(1, 1, 1));
        grey[0].ToArray().ShouldBe([76]);
        grey[1].ToArray().ShouldBe([77]);
        ImageFolder.Open(_folder.Path, new ImageShape(3, 1, 1))[1].ToArray().ShouldBe([77, 77, 77]);
    }

    [Fact]
    public void Photographs_are_turned_upright_unless_told_not_to()
    {
        Copy("decode/jpeg_orientation6.jpg", "a.jpg");
        var shape = new ImageShape(3, 45, 61);
        var raw = ImageCodec.Load(PictureFixtures.Path("decode", "jpeg_orientation6.jpg"));
        ImageFolder.Open(_folder.Path, shape).ToPicture(0).ShouldEqual(raw.Upright(6), "turned");
        var options = new ImageFolderOptions { ApplyOrientation = false };
        ImageFolder.Open(_folder.Path, new ImageShape(3, 61, 45), options).ToPicture(0).ShouldEqual(raw, "as stored");
    }

    [Fact]
    public void Unreadable_files_are_listed_once_and_left_out()
    {
        Save("b.png", PictureFixtures.Noise(8, 8, 3));
        Copy("malformed/image/png_truncated.png", "a.png");
        Copy("malformed/image/jpeg_is_html.jpg", "c.jpg");
        var warnings = new List<string>();

        var folder = ImageFolder.Open(_folder.Path, Rgb16, warn: warnings.Add);
        folder.Count.ShouldBe(1);
        folder.Name(0).ShouldBe("b.png");
        folder.Unreadable.Select(u => u.Path).ShouldBe(["a.png", "c.jpg"]);
        folder.Unreadable.ShouldAllBe(u => u.Reason.Length > 0);
        var warning = warnings.ShouldHaveSingleItem();
        warning.ShouldStartWith("2 of 3 pictures");
        warning.ShouldContain("a.png: ");
        warning.ShouldContain("c.jpg: it is neither a PNG nor a JPEG");
    }

    [Fact]
    public void Nothing_left_is_an_error_that_says_why()
    {
        for (var i = 0; i < 5; i++)
            Copy("malformed/image/png_bad_zlib.png", $"{i}.png");
        var message = Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16)).Message;
        message.ShouldStartWith("None of the 5 picture files");
        message.ShouldContain("0.png: ");
        message.ShouldContain("and 2 more");
    }

    [Fact]
    public void Missing_empty_and_mistaken_folders_are_told()
    {
        Should.Throw<InputException>(() => ImageFolder.Open(_folder["none"], Rgb16)).Message.ShouldContain("There is no folder");
        Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16)).Message.ShouldContain("There are no pictures");
        File.WriteAllText(_folder["x.gif"], "GIF89a");
        Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16)).Message.ShouldContain("1 files, none ending in .png");
        Should.Throw<InputException>(() => ImageFolder.Open(_folder["x.gif"], Rgb16)).Message.ShouldContain("is a file");
        Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, new ImageShape(4, 8, 8))).Message.ShouldContain("4 x 8 x 8");
        var none = new ImageFolderOptions { MaxCount = 0 };
        Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16, none)).Message.ShouldContain("at least one");
    }

    [Fact]
    public void Sub_folders_are_searched_when_asked()
    {
        Save("b.png", PictureFixtures.Noise(4, 4, 1));
        Save("a/z.png", PictureFixtures.Noise(4, 4, 1));
        Save("c/d/e.png", PictureFixtures.Noise(4, 4, 1));
        ImageFolder.Open(_folder.Path, Rgb16).Count.ShouldBe(1);
        var all = ImageFolder.Open(_folder.Path, Rgb16, new ImageFolderOptions { Recursive = true });
        Enumerable.Range(0, all.Count).Select(all.Name).ShouldBe(["a/z.png", "b.png", "c/d/e.png"]);
        var two = ImageFolder.Open(_folder.Path, Rgb16, new ImageFolderOptions { Recursive = true, MaxCount = 2 });
        Enumerable.Range(0, two.Count).Select(two.Name).ShouldBe(["a/z.png", "b.png"]);
    }

    [Fact]
    public void Only_the_wanted_names_are_read_and_absent_ones_told_once()
    {
        foreach (var name in new[] { "a.png", "b.png", "c.png", "d/e.png" })
            Save(name, PictureFixtures.Noise(4, 4, 1));
        var warnings = new List<string>();
        var some = new ImageFolderOptions { Only = new HashSet<string> { "c.png", "a.png" } };
        var folder = ImageFolder.Open(_folder.Path, Rgb16, some, warnings.Add);
        Enumerable.Range(0, folder.Count).Select(folder.Name).ShouldBe(["a.png", "c.png"]);
        folder.Ignored.ShouldBe(1);
        warnings.ShouldBeEmpty();

        // The number that is wanted counts among the names that are; what it cuts off is not absent.
        ImageFolder.Open(_folder.Path, Rgb16, some with { MaxCount = 1 }, warnings.Add).Name(0).ShouldBe("a.png");
        warnings.ShouldBeEmpty();

        var deep = new ImageFolderOptions { Recursive = true, Only = new HashSet<string> { "d/e.png", "b.png", "no1", "no2", "no3", "A.png" } };
        folder = ImageFolder.Open(_folder.Path, Rgb16, deep, warnings.Add);
        Enumerable.Range(0, folder.Count).Select(folder.Name).ShouldBe(["b.png", "d/e.png"]);
        folder.Ignored.ShouldBe(2);
        warnings.ShouldHaveSingleItem()
            .ShouldBe($"4 of the 6 pictures that are wanted of '{_folder.Path}' are not there: A.png, no1, no2 and 1 more.");
    }

    [Fact]
    public void None_of_the_wanted_names_is_an_error()
    {
        Save("a.png", PictureFixtures.Noise(4, 4, 1));
        Save("b/c.png", PictureFixtures.Noise(4, 4, 1));
        var options = new ImageFolderOptions { Only = new HashSet<string> { "b/c.png" } };
        var message = Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16, options)).Message;
        message.ShouldContain("None of the 1 pictures");
        message.ShouldContain("b/c.png");
        message.ShouldContain("sub-folders were not searched");
        var empty = new ImageFolderOptions { Only = new HashSet<string>() };
        Should.Throw<InputException>(() => ImageFolder.Open(_folder.Path, Rgb16, empty)).Message.ShouldContain("empty");
    }

    [Fact]
    public void The_cache_is_keyed_by_the_wanted_names()
    {
        using var cache = new TemporaryFolder();
        for (var i = 0; i < 4; i++)
            Save($"{i}.png", PictureFixtures.Noise(9, 9, 3, (ulong)i));
        var whole = ImageFolder.Open(_folder.Path, Rgb16);
        foreach (var pick in new int[][] { [0, 1], [2, 3], [1, 2], [0, 1, 2, 3] })
        {
            var options = new ImageFolderOptions
            {
                CacheDirectory = cache.Path,
                Only = pick.Select(i => $"{i}.png").ToHashSet(),
            };
            for (var turn = 0; turn < 2; turn++)
            {
                var folder = ImageFolder.Open(_folder.Path, Rgb16, options);
                Enumerable.Range(0, folder.Count).Select(folder.Name).ShouldBe(pick.Select(i => $"{i}.png"));
                for (var i = 0; i < folder.Count; i++)
                    folder[i].SequenceEqual(whole[pick[i]]).ShouldBeTrue($"{pick[i]}.png");
            }
        }

        Directory.GetFiles(cache.Path).Length.ShouldBe(4);
    }

    [Fact]
    public void Sub_folders_are_classes_when_asked()
    {
        Save("zebra/1.png", PictureFixtures.Noise(4, 4, 1));
        Save("ant/2.png", PictureFixtures.Noise(4, 4, 1));
        Save("ant/deep/3.png", PictureFixtures.Noise(4, 4, 1));
        Save("stray.png", PictureFixtures.Noise(4, 4, 1));
        var folder = ImageFolder.Open(_folder.Path, Rgb16, new ImageFolderOptions { LabelsFromFolders = true });
        folder.Classes.ShouldBe(["ant", "zebra"]);
        Enumerable.Range(0, folder.Count).Select(i => (folder.Name(i), folder.Label(i)!.Value))
            .ShouldBe([("ant/2.png", 0), ("ant/deep/3.png", 0), ("zebra/1.png", 1)]);
        folder.Ignored.ShouldBe(1);
    }

    [Fact]
    public void Links_are_followed_and_dangling_ones_listed()
    {
        using var elsewhere = new TemporaryFolder();
        using var cache = new TemporaryFolder();
        var shape = new ImageShape(1, 1, 1);
        var options = new ImageFolderOptions { CacheDirectory = cache.Path };
        ImageCodec.SavePng(elsewhere["x.png"], new Picture(1, 1, 1, [5]));
        File.CreateSymbolicLink(_folder["a.png"], elsewhere["x.png"]);
        File.CreateSymbolicLink(_folder["b.png"], elsewhere["none.png"]);
        var folder = ImageFolder.Open(_folder.Path, shape, options);
        folder[0].ToArray().ShouldBe([5]);
        folder.Unreadable.ShouldHaveSingleItem().Path.ShouldBe("b.png");

        // The link is as it was, what it points to is not.
        ImageCodec.SavePng(elsewhere["x.png"], new Picture(1, 2, 1, [9, 9]));
        ImageFolder.Open(_folder.Path, shape, options)[0].ToArray().ShouldBe([9]);
    }

    [Fact]
    public void Reading_can_be_cancelled()
    {
        Save("a.png", PictureFixtures.Noise(4, 4, 1));
        Should.Throw<OperationCanceledException>(
            () => ImageFolder.Open(_folder.Path, Rgb16, cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void The_cache_gives_the_same_and_notices_changes()
    {
        using var cache = new TemporaryFolder();
        for (var i = 0; i < 9; i++)
            Save($"{i}.png", PictureFixtures.Noise(30, 20, 3, (ulong)i));
        Copy("malformed/image/png_truncated.png", "x.png");
        var options = new ImageFolderOptions { CacheDirectory = cache.Path };
        var warnings = new List<string>();

        var fresh = ImageFolder.Open(_folder.Path, Rgb16, options, warnings.Add);
        var file = Directory.GetFiles(cache.Path).ShouldHaveSingleItem();
        var written = File.GetLastWriteTimeUtc(file);
        var again = ImageFolder.Open(_folder.Path, Rgb16, options, warnings.Add);
        ShouldBeSame(again, fresh);
        again.Unreadable.ShouldBe(fresh.Unreadable);
        warnings.Count.ShouldBe(2);
        warnings[1].ShouldBe(warnings[0]);
        File.GetLastWriteTimeUtc(file).ShouldBe(written);

        // Another shape, then another content: other keys.
        ImageFolder.Open(_folder.Path, new ImageShape(1, 8, 8), options);
        Directory.GetFiles(cache.Path).Length.ShouldBe(2);
        Save("3.png", PictureFixtures.Noise(31, 20, 3, 77));
        var changed = ImageFolder.Open(_folder.Path, Rgb16, options);
        changed[3].SequenceEqual(fresh[3]).ShouldBeFalse();
        ShouldBeSame(changed, ImageFolder.Open(_folder.Path, Rgb16));
    }

    [Fact]
    public void A_broken_cache_is_made_anew_in_silence()
    {
        using var cache = new TemporaryFolder();
        for (var i = 0; i < 3; i++)
            Save($"{i}.png", PictureFixtures.Noise(6, 6, 3, (ulong)i));
        var shape = new ImageShape(1, 4, 4);
        var options = new ImageFolderOptions { CacheDirectory = cache.Path };
        var fresh = ImageFolder.Open(_folder.Path, shape, options);
        var file = Directory.GetFiles(cache.Path).ShouldHaveSingleItem();
        var good = File.ReadAllBytes(file);

        for (var key = 1ul; key <= 300; key++)
        {
            File.WriteAllBytes(file, PictureFixtures.Mutate(good, key));
            ShouldBeSame(ImageFolder.Open(_folder.Path, shape, options, warn => throw new InvalidOperationException(warn)), fresh);
        }

        File.ReadAllBytes(file).ShouldBe(good);
        Directory.GetFiles(cache.Path).ShouldHaveSingleItem();
    }

    [Fact]
    public void A_cache_that_cannot_be_written_is_a_warning()
    {
        Save("a.png", PictureFixtures.Noise(6, 6, 3));
        var warnings = new List<string>();
        var options = new ImageFolderOptions { CacheDirectory = _folder["a.png"] };
        ImageFolder.Open(_folder.Path, Rgb16, options, warnings.Add).Count.ShouldBe(1);
        warnings.ShouldHaveSingleItem().ShouldContain("not kept");
    }

    [Fact]
    public void The_samples_that_come_with_the_project_open()
    {
        foreach (var name in new[] { "dress", "ankle-boot", "bag" })
        {
            var folder = ImageFolder.Open(Path.Combine(SharedFiles.Repository, "samples", "targets", name), new ImageShape(1, 28, 28));
            folder.Count.ShouldBe(10);
            folder.Unreadable.ShouldBeEmpty();
        }
    }

    [Fact]
    public void The_colour_samples_open_and_are_among_the_listed_emoji()
    {
        var folder = ImageFolder.Open(Path.Combine(SharedFiles.Repository, "samples", "targets", "twemoji"), new ImageShape(3, 32, 32));
        folder.Count.ShouldBe(10);
        folder.Unreadable.ShouldBeEmpty();
        var listed = File.ReadAllLines(Path.Combine(SharedFiles.Repository, "recipes", "noto-emoji-32.list")).Where(line => line[0] != '#').ToArray();
        listed.Length.ShouldBe(1412);
        listed.ShouldBeUnique();
        Enumerable.Range(0, 10).Select(folder.Name).ShouldBeSubsetOf(listed);
    }

    private static void ShouldBeSame(ImageFolder actual, ImageFolder expected)
    {
        actual.Count.ShouldBe(expected.Count);
        for (var i = 0; i < actual.Count; i++)
        {
            actual.Name(i).ShouldBe(expected.Name(i));
            actual[i].SequenceEqual(expected[i]).ShouldBeTrue(actual.Name(i));
        }
    }

    private void Save(string name, Picture picture) => ImageCodec.SavePng(_folder[name], picture);

    private void Copy(string fixture, string name) => File.Copy(PictureFixtures.Path(fixture.Split('/')), _folder[name]);
}
