using Graft.Data;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Networks.Clip;
using Graft.Conditions;
using Graft.Tests.Evaluation;
using Graft.Tests.Formats.Images;
using Graft.Tests.Networks.Clip;
using Graft.Torch;

namespace Graft.Tests.Conditions;

public class ConditionEncoderTests
{
    private static string Shipped => Path.Combine(SharedFiles.Repository, "models", "fashion-features");

    [Fact]
    public void CLIP_sees_the_bytes_that_the_numbers_came_from() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = Clip();
        var every = new Picture(16, 16, 1, [.. Enumerable.Range(0, 256).Select(i => (byte)i)]);
        foreach (var picture in (Picture[])[every, PictureFixtures.Noise(13, 9, 3)])
        {
            var due = encoder.Encode([picture]).ToArray<float>();
            encoder.Encode(Batch(picture)).ToArray<float>().ShouldBe(due);
            // As training reads them, whose roundings are others.
            var set = new PictureSet(new ImageShape(picture.Channels, picture.Height, picture.Width), picture.ToPlanes());
            var read = new float[picture.Pixels.Length];
            ((ISampleSource)set).Read(0, read);
            encoder.Encode(Tensor.From(read, 1, picture.Channels, picture.Height, picture.Width)).ToArray<float>().ShouldBe(due);
        }

        encoder.Encode(Batch(every)).ToArray<float>().ShouldBe(encoder.Encode(Batch(every.ToRgb())).ToArray<float>());
        encoder.Dimension.ShouldBe(5);
    });

    [Fact]
    public void A_batch_gives_a_row_for_each_picture_and_records_nothing() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = Clip();
        encoder.Model.RequireGrad(true);
        // More than pass through at once.
        var pictures = Enumerable.Range(0, 35).Select(i => PictureFixtures.Noise(9, 12, 3, (ulong)i + 1)).ToArray();
        var before = TorchRuntime.LiveTensors;
        var rows = encoder.Encode(pictures);
        (TorchRuntime.LiveTensors - before).ShouldBe(1, "only the result stays");
        rows.RequiresGrad.ShouldBeFalse();
        rows.Shape.ToArray().ShouldBe([35, 5]);
        for (var i = 0; i < pictures.Length; i += 17)
        {
            var alone = encoder.Encode([pictures[i]]).ToArray<float>();
            var row = rows.Select(0, i).ToArray<float>();
            for (var k = 0; k < alone.Length; k++)
                row[k].ShouldBe(alone[k], 1e-5f);
        }
    });

    [Fact]
    public void What_FixMatch_made_is_an_encoder() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var folder = new TemporaryFolder();
        using var network = WideResNet.Create(new WideResNetOptions { Depth = 10, WidenFactor = 1, InChannels = 3, SampleSize = 8 }, 1);
        network.Save(folder["net"]);
        using var encoder = ConditionEncoders.Load(folder["net"]);
        encoder.ShouldBeOfType<WideResNetEncoder>();
        encoder.Dimension.ShouldBe(64);
        encoder.Name.ShouldContain("wide-resnet, mean of 64 channels");

        var x = Batch(PictureFixtures.Noise(8, 8, 3));
        var row = encoder.Encode(x);
        row.RequiresGrad.ShouldBeFalse();
        network.Train(false);
        var logits = network.Logits(x).ToArray<float>();
        var head = network.Parameters().ToDictionary(p => p.Name, p => p.Value);
        (row.MatMul(head["fc.weight"].Transpose(0, 1)) + head["fc.bias"]).ToArray<float>().ShouldBe(logits, 1e-5f);

        // Grey is repeated; another network has another hash, and the same one the same.
        var grey = PictureFixtures.Noise(8, 8, 1);
        encoder.Encode(Batch(grey)).ToArray<float>().ShouldBe(encoder.Encode(Batch(grey.ToRgb())).ToArray<float>());
        using (var again = ConditionEncoders.Load(folder["net"]))
            again.Hash.ShouldBe(encoder.Hash);
        using var other = new WideResNetEncoder(WideResNet.Create(new WideResNetOptions { Depth = 10, WidenFactor = 1, InChannels = 1, SampleSize = 8 }, 1));
        other.Hash.ShouldNotBe(encoder.Hash);
        Should.Throw<InputException>(() => other.Encode(x)).Message.ShouldContain("looks at grey pictures");
    });

    [Fact]
    public void Embeddings_are_not_divided_by_their_length() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = Clip();
        var picture = PictureFixtures.Noise(8, 8, 3);
        var raw = encoder.Model.Forward(encoder.Processor.Prepare([picture])).ImageEmbeds.ToArray<float>();
        encoder.Encode([picture]).ToArray<float>().ShouldBe(raw);
        Math.Abs(Math.Sqrt(raw.Sum(x => (double)x * x)) - 1).ShouldBeGreaterThan(0.01);
    });

    [Fact]
    public void The_hash_is_of_weights_and_preparation()
    {
        using var folder = new TemporaryFolder();
        using var first = Clip();
        using var same = Clip();
        using var prepared = new ClipImageEncoder(TinyClip.Model(), ClipImageProcessorOptions.Standard(8, ClipProcessorKind.OpenAi));
        using var trained = new ClipImageEncoder(ClipVisionModel.Create(TinyClip.Options, 1), ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace));
        using var activated = new ClipImageEncoder(
            TinyClip.Model(TinyClip.Options with { HiddenAct = ClipActivation.Gelu }), ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace));
        same.Hash.ShouldBe(first.Hash);
        new[] { first.Hash, prepared.Hash, trained.Hash, activated.Hash }.Distinct().Count().ShouldBe(4);
        first.Save(folder.Path);
        using var loaded = ClipImageEncoder.Load(folder.Path);
        loaded.Hash.ShouldBe(first.Hash);
        File.Delete(folder["preprocessor_config.json"]);
        using var usual = ClipImageEncoder.Load(folder.Path);
        usual.Hash.ShouldBe(first.Hash, "the usual preparation stands in");
    }

    [Fact]
    public void A_processor_of_another_size_is_refused()
    {
        Refused(ClipImageProcessorOptions.Standard(16, ClipProcessorKind.HuggingFace)).ShouldContain("different models");
        Refused(ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace) with { Crop = null }).ShouldContain("any size");
        Refused(ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace) with { ShortestEdge = 7 }).ShouldContain("black edges");

        static string Refused(ClipImageProcessorOptions options)
        {
            using var model = TinyClip.Model();
            return Should.Throw<InputException>(() => new ClipImageEncoder(model, options)).Message;
        }
    }

    [Fact]
    public void Numbers_outside_of_the_range_and_other_shapes_are_refused() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = Clip();
        Should.Throw<ArgumentException>(() => encoder.Encode(Tensor.Full(1.5, [1, 3, 8, 8]))).Message.ShouldContain("[-1, 1]");
        Should.Throw<ArgumentException>(() => encoder.Encode(Tensor.Full(double.NaN, [1, 3, 8, 8]))).Message.ShouldContain("[-1, 1]");
        Should.Throw<ArgumentException>(() => encoder.Encode(Tensor.Zeros([1, 2, 8, 8]))).Message.ShouldContain("1 or 3");
        Should.Throw<ArgumentException>(() => encoder.Encode(Tensor.Zeros([1, 3, 8, 8], DType.UInt8))).Message.ShouldContain("UInt8");
    });

    [Fact]
    public void A_classifiers_features_stand_in_for_CLIP() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var encoder = FeatureConditionEncoder.Load(Shipped);
        using var network = ResNetClassifier.Load(Shipped);
        encoder.Dimension.ShouldBe(network.Options.BlockOutChannels[^1]);
        encoder.Name.ShouldContain("fashion-features");
        var set = PictureSet.Random(3, new ImageShape(1, 28, 28), 1);
        var images = PictureTensor.From(set, 0, 3).Values.Slice(1, 0, 1);
        var rows = encoder.Encode(images);
        rows.Type.ShouldBe(DType.Float32);
        rows.ToArray<float>().ShouldBe(network.Features(images).Pooled.ToArray<float>());
        Should.Throw<InputException>(() => encoder.Encode(images.Expand(-1, 3, -1, -1))).Message.ShouldContain("1 channels");
    });

    [Fact]
    public void Grey_is_repeated_where_a_classifier_takes_colour() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var options = new ResNetClassifierOptions { InChannels = 3, BlockOutChannels = [8], BlockStrides = [1] };
        using var network = ResNetClassifier.Create(options, 1);
        using var encoder = new FeatureConditionEncoder(new ClassifierFeatureNetwork(network));
        var grey = Batch(PictureFixtures.Noise(9, 9, 1));
        encoder.Encode(grey).ToArray<float>().ShouldBe(encoder.Encode(grey.Expand(-1, 3, -1, -1)).ToArray<float>());
        using var other = ResNetClassifier.Create(options, 2);
        using var another = new FeatureConditionEncoder(new ClassifierFeatureNetwork(other));
        another.Hash.ShouldNotBe(encoder.Hash);
    });

    private static ClipImageEncoder Clip() => new(TinyClip.Model(), ClipImageProcessorOptions.Standard(8, ClipProcessorKind.HuggingFace));

    private static Tensor Batch(Picture picture) =>
        (Tensor.From(picture.ToPlanes(), 1, picture.Channels, picture.Height, picture.Width).To(DType.Float32) / 127.5) - 1.0;
}
