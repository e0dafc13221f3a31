using System.Buffers.Binary;
using System.IO.Compression;
using Graft.Data;
using Graft.Formats.Images;
using Graft.Tests.Formats.Images;

namespace Graft.Tests.Data;

public sealed class IdxTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Plain_and_gzip_are_the_same()
    {
        var data = Idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        foreach (var bytes in new[] { data, Gzip(data) })
        {
            var file = IdxFile.Decode(bytes, "memory", 3);
            file.Sizes.ShouldBe([3, 2, 2]);
            file.Data.ShouldBe([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        }
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 8, 1, 0, 0, 0, 1, 5 }, "does not begin")]
    [InlineData(new byte[] { 0, 0, 9, 1, 0, 0, 0, 1, 5 }, "type 0x09")]
    [InlineData(new byte[] { 0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5 }, "2 dimensions instead of 1")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0, 0, 0 }, "0 for dimension 0")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0xff, 0, 0, 0, 5 }, "for dimension 0")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0x7f, 0xff, 0xff, 0xff, 5 }, "cannot hold")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0, 0, 2, 5 }, "ends too early")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0, 0, 1, 5, 6 }, "more data")]
    [InlineData(new byte[] { 0, 0, 8, 1, 0, 0 }, "ends too early")]
    [InlineData(new byte[] { }, "ends too early")]
    [InlineData(new byte[] { 0x1f, 0x8b, 8, 0, 1, 2, 3 }, "")]
    public void Broken_files_are_refused_in_words(byte[] data, string words)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var message = Should.Throw<InputException>(() => IdxFile.Decode(data, "broken-idx", 1)).Message;
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
        message.ShouldContain("broken-idx");
        message.ShouldContain(words);
    }

    [Fact]
    public void A_huge_claim_in_gzip_is_refused_before_memory_is_taken()
    {
        var data = Gzip(Idx([60000, 2000, 17], []));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Should.Throw<InputException>(() => IdxFile.Decode(data, "huge", 3)).Message.ShouldContain("cannot hold");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Two_thousand_damaged_files_are_read_or_refused(bool gzip)
    {
        var data = Idx([5, 4, 4], PictureFixtures.Noise(4, 20, 1).Pixels);
        var original = gzip ? Gzip(data) : data;
        for (var key = 1ul; key <= 2000; key++)
        {
            try
            {
                IdxFile.Decode(PictureFixtures.Mutate(original, key), "damaged", 3);
            }
            catch (InputException e)
            {
                e.Message.ShouldStartWith("The IDX file 'damaged' cannot be read: ");
            }
        }
    }

    [Fact]
    public void Classes_are_chosen_and_pictures_keep_their_numbers()
    {
        var (images, labels) = Save([0, 1, 2, 1, 0]);
        var some = IdxImages.Open(images, labels, includeClasses: [1, 2]);
        Enumerable.Range(0, some.Count).Select(i => (some.Label(i), some.OriginalIndex(i), some[i][0]))
            .ShouldBe([(1, 1, (byte)1), (2, 2, (byte)2), (1, 3, (byte)3)]);
        some.Name(2).ShouldBe("images#3");
        some.Shape.ShouldBe(new ImageShape(1, 2, 3));
        some.Description.ShouldContain("classes 1, 2");
        IdxImages.Open(images, labels, excludeClasses: [1]).Count.ShouldBe(3);
        IdxImages.Open(images).Label(0).ShouldBeNull();
    }

    [Fact]
    public void Another_shape_is_reached_by_fitting()
    {
        var (images, _) = Save([0, 1]);
        var padded = IdxImages.Open(images, shape: new ImageShape(3, 3, 3), fit: ImageFit.Pad);
        padded[1].ToArray().ShouldBe([1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    }

    [Fact]
    public void Files_that_do_not_belong_together_are_refused()
    {
        var (images, labels) = Save([0, 1, 2]);
        File.WriteAllBytes(_folder["other"], Idx([2], [0, 1]));
        Should.Throw<InputException>(() => IdxImages.Open(images, _folder["other"])).Message.ShouldContain("3 pictures");
        Should.Throw<InputException>(() => IdxImages.Open(images, includeClasses: [1])).Message.ShouldContain("labels");
        Should.Throw<InputException>(() => IdxImages.Open(images, labels, includeClasses: [9])).Message.ShouldContain("it has 0, 1, 2");
        Should.Throw<InputException>(() => IdxImages.Open(labels)).Message.ShouldContain("1 dimensions instead of 3");
        Should.Throw<InputException>(() => IdxImages.Open(_folder["none"])).Message.ShouldContain("none");
    }

    [FashionFact]
    public void Fashion_mnist_is_read()
    {
        var test = FashionMnist.Test(3, 8, 9);
        test.Count.ShouldBe(3000);
        test.Shape.ShouldBe(new ImageShape(1, 28, 28));

        // The samples that come with the project are the first ten of each class.
        foreach (var (name, label) in new[] { ("dress", 3), ("bag", 8), ("ankle-boot", 9) })
        {
            var first = Enumerable.Range(0, test.Count).Where(i => test.Label(i) == label).Take(10).ToArray();
            for (var i = 0; i < 10; i++)
            {
                var path = Path.Combine(SharedFiles.Repository, "samples", "targets", name, $"{i:00}.png");
                ImageCodec.Load(path).ShouldEqual(test.ToPicture(first[i]), path);
            }
        }
    }

    private static byte[] Idx(int[] sizes, byte[] elements)
    {
        var head = new byte[4 + (4 * sizes.Length)];
        (head[2], head[3]) = (8, (byte)sizes.Length);
        for (var i = 0; i < sizes.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4 + (4 * i)), sizes[i]);
        return [.. head, .. elements];
    }

    private static byte[] Gzip(byte[] data)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest))
            gzip.Write(data);
        return memory.ToArray();
    }

    /// <summary>Pictures of 3 x 2 pixels, each filled with its number.</summary>
    private (string Images, string Labels) Save(byte[] labels)
    {
        var pixels = Enumerable.Range(0, labels.Length).SelectMany(i => Enumerable.Repeat((byte)i, 6)).ToArray();
        File.WriteAllBytes(_folder["images"], Idx([labels.Length, 2, 3], pixels));
        File.WriteAllBytes(_folder["labels"], Gzip(Idx([labels.Length], labels)));
        return (_folder["images"], _folder["labels"]);
    }
}
