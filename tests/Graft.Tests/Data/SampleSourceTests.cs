using Graft.Data;
using Graft.Evaluation;
using Graft.Tests.Training;
using Graft.Torch;

namespace Graft.Tests.Data;

/// <summary>Data sets of any shape: pictures as one kind of them, sets in memory, and what asks for pictures.</summary>
public sealed class SampleSourceTests
{
    [Fact]
    public void A_byte_becomes_the_number_that_libtorch_makes_of_it() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var bytes = Enumerable.Range(0, 256).Select(b => (byte)b).ToArray();
        var due = ((Tensor.From(bytes, 256).To(DType.Float32) * (1 / 127.5)) - 1.0).ToArray<float>();
        ISampleSource picture = new OnePicture(bytes);
        var values = new float[256];
        picture.Read(0, values);
        values.ShouldBe(due); // to the bit
        values[0].ShouldBe(-1);
        values[255].ShouldBe(1, 1e-6);
        picture.ItemShape.ShouldBe(new ItemShape(1, 16, 16));
    });

    [Fact]
    public void Shapes_are_equal_by_their_sizes()
    {
        new ItemShape(2, 3).ShouldBe(new ItemShape(2, 3));
        (new ItemShape(2, 3) == new ItemShape(3, 2)).ShouldBeFalse();
        (new ItemShape(6) != new ItemShape(2, 3)).ShouldBeTrue();
        new ItemShape(2, 3).GetHashCode().ShouldBe(new ItemShape(2, 3).GetHashCode());
        ((ItemShape)new ImageShape(3, 4, 5)).ShouldBe(new ItemShape(3, 4, 5));
        new ItemShape(3, 4, 5).ToString().ShouldBe("3 x 4 x 5");
        new ItemShape(2).ToString().ShouldBe("2 numbers");
        Should.Throw<ArgumentOutOfRangeException>(() => new ItemShape(2, 0));
        Should.Throw<OverflowException>(() => new ItemShape(1L << 20, 1L << 20));
    }

    [Fact]
    public void A_set_in_memory_gives_what_it_holds()
    {
        var set = new SampleSet(new ItemShape(2), [1, 2, 3, 4, 5, 6], "three points", [0, 1, 0]);
        set.Count.ShouldBe(3);
        set[1].ToArray().ShouldBe([3f, 4f]);
        set.Label(1).ShouldBe(1);
        var some = set.Subset([2, 0]);
        var values = new float[2];
        some.Read(0, values);
        values.ShouldBe([5f, 6f]);
        some.Description.ShouldBe("2 of three points");
        Should.Throw<ArgumentException>(() => new SampleSet(new ItemShape(4), [1, 2, 3, 4, 5, 6], "no whole number of items"));
        Should.Throw<ArgumentException>(() => new SampleSet(new ItemShape(2), [1, 2], "another number of labels", [0, 1]));
        new TinyPictures().Subset([0]).ShouldBeOfType<ImageSubset>();
    }

    [Fact]
    public void What_needs_pictures_says_so()
    {
        var set = new SampleSet(new ItemShape(2), [1, 2], "one point");
        Should.Throw<InputException>(() => set.Pictures("FID compares")).Message.ShouldBe("FID compares pictures, and one point holds items of 2 numbers: leave it out for these.");
        Should.Throw<InputException>(() => ((ISampleDistance)PixelDistance.Instance).Between(set, set)).Message.ShouldContain("compares pictures");
    }

    [Fact]
    public void Points_are_memorised_where_they_lie_near_a_training_point()
    {
        var training = new SampleSet(new ItemShape(2), [0, 0, 0, 4, 3, 0], "training");
        var samples = new SampleSet(new ItemShape(2), [0.3f, 0.4f, 10, 0], "samples");
        var found = new MemorisationMeter(training, new MemorisationOptions { Distance = SampleDistances.Of(training) }).Measure(samples);
        found.LeaveOneOut.Select(n => n.Distance).ShouldBe([3.0, 4.0, 3.0]);
        found.Nearest[0].Distance.ShouldBe(0.5, 1e-7);
        found.Nearest[1].Distance.ShouldBe(7.0);
        found.Memorised!.Value.Count.ShouldBe(1);
        found.Description.ShouldBe("2 samples against 3 training items; Euclidean distance");
        MemorisationPictures.Of(found).Keys.ShouldBe(["memorisation.png"]);
    }

    private sealed class OnePicture(byte[] bytes) : IImageSource
    {
        public int Count => 1;

        public ImageShape Shape => new(1, 16, 16);

        public IReadOnlyList<string> Classes => [];

        public string Description => "one picture";

        public ReadOnlySpan<byte> this[int index] => bytes;

        public string Name(int index) => "0";

        public int? Label(int index) => null;
    }
}
