using Graft.Formats;
using Graft.Formats.Images;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Diagnostics;

/// <summary>Small computations whose results are known.</summary>
internal static class SelfTest
{
    private const string Broken = "This build does not compute what it should: run ./test, and report what it says.";

    // The loss of the network below with seed 1: recorded from this implementation, whose parity with diffusers the tests show.
    private const double KnownLoss = 0.0899907;
    private const double LossTolerance = 1e-3;
    private const double SlopeTolerance = 1e-2;

    // From a second implementation of Philox4x32-10 and its key.
    private const uint KnownBits = 0x93eaaf27;

    /// <summary>A U-Net with attention.</summary>
    internal static UNet2DOptions SmallNetwork { get; } = new()
    {
        InChannels = 1,
        OutChannels = 1,
        BlockOutChannels = [8, 16],
        DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D"],
        UpBlockTypes = ["AttnUpBlock2D", "UpBlock2D"],
        LayersPerBlock = 1,
        NormNumGroups = 4,
    };

    /// <summary>PNG there and back, and a JPEG of one grey.</summary>
    internal static Finding Codecs()
    {
        byte[] pixels = [.. Enumerable.Range(0, 7 * 5 * 3).Select(i => (byte)(i * 37))];
        var png = ImageCodec.Decode(ImageCodec.EncodePng(new Picture(7, 5, 3, pixels)), "the self-test's PNG");
        if (!png.Pixels.AsSpan().SequenceEqual(pixels))
            return Finding.Fail("picture codecs", "a PNG differs after writing and reading it", Broken);
        var grey = ImageCodec.Decode(GreyJpeg(), "the self-test's JPEG");
        return grey is { Width: 8, Height: 8 } && grey.ToGrey().Pixels.All(p => p == GreyLevel)
            ? Finding.Ok("picture codecs", "PNG there and back, JPEG")
            : Finding.Fail("picture codecs", "a JPEG is read wrongly", Broken);
    }

    internal static Finding KeyedNumbers()
    {
        var bits = new KeyedRandom(1, "doctor").Bits(2, 3, 4);
        return bits == KnownBits
            ? Finding.Ok("keyed random", $"0x{bits:x8}, as it should be")
            : Finding.Fail("keyed random", $"0x{bits:x8} where 0x{KnownBits:x8} is due", Broken);
    }

    /// <summary>The numbers of the native generator are those of the managed one.</summary>
    internal static Finding KeyedTensors() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(1, "doctor");
        var drawn = random.Uniform(2, [3, 1L << 40], [5]).ToArray<float>();
        var due = new float[10];
        for (var i = 0; i < due.Length; i++)
            due[i] = (float)random.Uniform(2, i < 5 ? 3 : 1L << 40, i % 5);
        return drawn.AsSpan().SequenceEqual(due)
            ? Finding.Ok("keyed tensors", "native and managed generators agree")
            : Finding.Fail("keyed tensors", "native and managed generators differ", Broken);
    });

    internal static Finding Safetensors() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var folder = Directory.CreateTempSubdirectory("graft-doctor-");
        try
        {
            var path = Path.Combine(folder.FullName, "test.safetensors");
            var tensor = new KeyedRandom(1, "doctor.file").Normal(0, [0, 1, 2], [4]);
            WeightFile.Write(path, [new NamedTensor("values", tensor), new NamedTensor("steps", Tensor.From([1L, 2, 3], 3))]);
            using var file = WeightFile.Open(path);
            return file.Read("values").ToBytes().AsSpan().SequenceEqual(tensor.ToBytes()) && file.Read("steps").ToArray<long>() is [1, 2, 3]
                ? Finding.Ok("safetensors", "equal after writing and reading")
                : Finding.Fail("safetensors", "tensors differ after writing and reading them", Broken);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    });

    /// <summary>A U-Net with attention, forward against a stored number and backward against the slope along a random direction.</summary>
    internal static Finding UNet() => TorchRuntime.Run(() =>
    {
        const double Step = 1e-2;
        using var scope = new TensorScope();
        using var network = new UNet2D(SmallNetwork);
        network.Initialise(1);
        network.Train(false);
        network.RequireGrad(true);
        var random = new KeyedRandom(1, "doctor.network");
        var x = random.Normal(0, [0, 1], [1, 8, 8]);
        var t = Tensor.From([10L, 700], 2);
        Tensor Loss() => network.Predict(x, t).Square().Mean();

        var loss = Loss();
        Autograd.Backward(loss);
        var parameters = network.Parameters().ToList();
        var (slope, directions) = (0.0, new List<Tensor>());
        for (var i = 0; i < parameters.Count; i++)
        {
            var value = parameters[i].Value;
            // Along the parameter's own scale, so that no layer drowns the others.
            directions.Add(random.Normal(1 + i, [0], value.Shape).Reshape(value.Shape.ToArray()) * 0.1);
            slope += (value.Grad! * directions[i]).Sum().Item();
        }

        var difference = (Moved(Step) - Moved(-Step)) / (2 * Step);
        if (!(Math.Abs(loss.Item() - KnownLoss) <= LossTolerance * KnownLoss))
            return Finding.Fail("U-Net", $"the forward pass gives {loss.Item():R} where {KnownLoss:R} is due", Broken);
        return Math.Abs(difference - slope) <= SlopeTolerance * Math.Abs(slope)
            ? Finding.Ok("U-Net", $"forward {loss.Item():0.######}, backward {slope:0.#####} (by differences {difference:0.#####})")
            : Finding.Fail("U-Net", $"the backward pass gives a slope of {slope:R} where differences give {difference:R}", Broken);

        double Moved(double step)
        {
            using var mode = Autograd.NoGrad();
            Add(step);
            var moved = Loss().Item();
            Add(-step);
            return moved;
        }

        void Add(double step)
        {
            for (var i = 0; i < parameters.Count; i++)
                parameters[i].Value.CopyFrom(parameters[i].Value + (directions[i] * step));
        }
    });

    private const byte GreyLevel = 142;

    /// <summary>
    /// A baseline JPEG of 8 x 8 equal pixels, put together by hand: every quantiser is 16, the one DC code says 7, the one AC code ends
    /// the block; 7 · 16 / 8 above 128 is 142.
    /// </summary>
    private static byte[] GreyJpeg()
    {
        byte[] quantisers = new byte[64];
        Array.Fill(quantisers, (byte)16);
        return
        [
            0xff, 0xd8,
            0xff, 0xdb, 0, 67, 0, .. quantisers,
            0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0,
            0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3,
            0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0xff, 0xda, 0, 8, 1, 1, 0x00, 0, 63, 0,
            0b0_111_0_111,
            0xff, 0xd9,
        ];
    }
}
