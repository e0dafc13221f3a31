using System.Globalization;
using Graft.Data;
using Graft.Formats;
using Graft.Conditions;
using Graft.Tests.Evaluation;
using Graft.Torch;

namespace Graft.Tests.Conditions;

public class ConditionEmbeddingsTests
{
    private static readonly ImageShape Shape = new(1, 2, 2);

    [Fact]
    public void Vectors_are_computed_once_and_read_again()
    {
        using var folder = new TemporaryFolder();
        using var encoder = new Counting("a");
        var items = PictureSet.Random(4, Shape, 1);
        var first = ConditionEmbeddings.Of(encoder, items, folder["cache/e.safetensors"]);
        (first.Count, first.Dimension, first.Computed, encoder.Calls).ShouldBe((4, 3, 4, 4));
        var again = ConditionEmbeddings.Of(encoder, items, folder["cache/e.safetensors"]);
        (again.Computed, encoder.Calls).ShouldBe((0, 4));
        for (var i = 0; i < 4; i++)
        {
            again[i].ToArray().ShouldBe(first[i].ToArray());
            first[i].ToArray().ShouldBe(Counting.VectorOf("a", items, i));
        }

        // More pictures, in another order, some twice: only the new ones are computed.
        var more = new PictureSet(Shape, [items[3].ToArray(), [1, 2, 3, 4], items[0].ToArray(), [1, 2, 3, 4]]);
        var mixed = ConditionEmbeddings.Of(encoder, more, folder["cache/e.safetensors"]);
        (mixed.Computed, encoder.Calls).ShouldBe((1, 5));
        mixed[0].ToArray().ShouldBe(first[3].ToArray());
        mixed[1].ToArray().ShouldBe(mixed[3].ToArray());
        Directory.GetFiles(folder["cache"]).Length.ShouldBe(1, "nothing temporary is left");
    }

    [Fact]
    public void Encoders_share_a_file_and_never_a_vector()
    {
        using var folder = new TemporaryFolder();
        using var one = new Counting("a");
        using var two = new Counting("b");
        var items = PictureSet.Random(2, Shape, 1);
        var a = ConditionEmbeddings.Of(one, items, folder["e"]);
        var b = ConditionEmbeddings.Of(two, items, folder["e"]);
        b.Computed.ShouldBe(2);
        b[0].ToArray().ShouldNotBe(a[0].ToArray());
        ConditionEmbeddings.Of(one, items, folder["e"]).Computed.ShouldBe(0);
        ConditionEmbeddings.Of(two, items, folder["e"]).Computed.ShouldBe(0);
    }

    [Fact]
    public void The_shape_is_part_of_the_key()
    {
        using var folder = new TemporaryFolder();
        using var encoder = new Counting("a");
        byte[] bytes = [1, 2, 3, 4];
        ConditionEmbeddings.Of(encoder, new PictureSet(new ImageShape(1, 2, 2), bytes), folder["e"]).Computed.ShouldBe(1);
        ConditionEmbeddings.Of(encoder, new PictureSet(new ImageShape(1, 1, 4), bytes), folder["e"]).Computed.ShouldBe(1);
    }

    [Fact]
    public void Without_a_file_nothing_is_kept_and_equal_pictures_are_computed_once()
    {
        using var encoder = new Counting("a");
        var items = new PictureSet(Shape, [1, 2, 3, 4], [1, 2, 3, 4]);
        ConditionEmbeddings.Of(encoder, items).Computed.ShouldBe(1);
        ConditionEmbeddings.Of(encoder, items).Computed.ShouldBe(1);
        encoder.Calls.ShouldBe(2);
    }

    [Fact]
    public void Batches_are_rows_of_the_whole() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = new Counting("a");
        var all = ConditionEmbeddings.Of(encoder, PictureSet.Random(3, Shape, 2));
        var tensor = all.ToTensor();
        tensor.Shape.ToArray().ShouldBe([3, 3]);
        all.Rows([2, 0, 2]).ToArray<float>().ShouldBe([.. all[2], .. all[0], .. all[2]]);
        tensor.ToArray<float>().ShouldBe([.. all[0], .. all[1], .. all[2]]);
    });

    /// <summary>Wherever a byte of the data is changed, what comes out is what was computed, never what the damage made of it.</summary>
    [Fact]
    public void A_damaged_cache_is_computed_anew_and_mended()
    {
        using var folder = new TemporaryFolder();
        using var encoder = new Counting("a");
        using var other = new Counting("b");
        var items = PictureSet.Random(2, Shape, 3);
        var due = ConditionEmbeddings.Of(encoder, items, folder["e"]);
        _ = ConditionEmbeddings.Of(other, items, folder["e"]);
        var whole = File.ReadAllBytes(folder["e"]);
        var data = 8 + (int)BitConverter.ToInt64(whole);
        var computed = 0;
        for (var at = data; at < whole.Length; at += 5)
        {
            var broken = (byte[])whole.Clone();
            broken[at] ^= 0x41;
            File.WriteAllBytes(folder["e"], broken);
            var warnings = new List<string>();
            var given = ConditionEmbeddings.Of(encoder, items, folder["e"], warnings.Add);
            for (var i = 0; i < 2; i++)
                given[i].ToArray().ShouldBe(due[i].ToArray(), $"byte {at}");
            warnings.Count.ShouldBe(given.Computed > 0 ? 1 : 0);
            computed += given.Computed;
            if (given.Computed > 0)
                ConditionEmbeddings.Of(encoder, items, folder["e"]).Computed.ShouldBe(0, "it was mended");
        }

        computed.ShouldBeGreaterThan(10);
    }

    [Fact]
    public void A_file_that_is_no_cache_stays_as_it_is()
    {
        using var folder = new TemporaryFolder();
        using var encoder = new Counting("a");
        SafetensorsWriter.Write(folder["model.safetensors"], null, [new TensorData("weight", DType.Float32, [1], new byte[4])]);
        File.WriteAllText(folder["notes.txt"], "mine");
        foreach (var name in (string[])["model.safetensors", "notes.txt"])
        {
            var before = File.ReadAllBytes(folder[name]);
            Should.Throw<InputException>(() => ConditionEmbeddings.Of(encoder, PictureSet.Random(1, Shape, 1), folder[name])).Message.ShouldContain("stays as it is");
            File.ReadAllBytes(folder[name]).ShouldBe(before);
        }

        encoder.Calls.ShouldBe(0, "the path is checked before anything is computed");
        Should.Throw<InputException>(() => ConditionEmbeddings.Of(encoder, PictureSet.Random(1, Shape, 1), folder.Path)).Message.ShouldContain("is a folder");
    }

    [Fact]
    public void Where_nothing_can_be_written_the_vectors_are_there_all_the_same()
    {
        using var folder = new TemporaryFolder();
        using var encoder = new Counting("a");
        File.WriteAllText(folder["file"], "");
        var warnings = new List<string>();
        ConditionEmbeddings.Of(encoder, PictureSet.Random(2, Shape, 1), Path.Combine(folder["file"], "e"), warnings.Add).Count.ShouldBe(2);
        warnings.ShouldHaveSingleItem().ShouldContain("not kept");
    }

    /// <summary>Any item will do: a vector of the sum, the first number and the encoder's own.</summary>
    private sealed class Counting(string key) : IConditionEncoder
    {
        public int Calls { get; private set; }

        public int Dimension => 3;

        public string Name => $"counting {key}";

        public string Hash => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([(byte)key[0]]));

        public static float[] VectorOf(string key, PictureSet items, int index)
        {
            var values = new float[items.Shape.Elements];
            ((ISampleSource)items).Read(index, values);
            return Vector(key, values);
        }

        public Tensor Encode(Tensor images)
        {
            Calls++;
            images.Size(0).ShouldBe(1, "each goes alone");
            return Tensor.From(Vector(key, images.ToArray<float>()), 1, 3);
        }

        public void Dispose()
        {
        }

        private static float[] Vector(string key, float[] values) => [values.Sum(), values[0], float.Parse($"{(int)key[0]}", CultureInfo.InvariantCulture)];
    }
}
