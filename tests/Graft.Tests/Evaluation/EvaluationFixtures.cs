using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Networks.Backbones;
using Graft.Tests.Formats.Images;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

/// <summary>Reference numbers of the measures: the whole kit where it is, and a part of it in the repository.</summary>
internal static class EvaluationFixtures
{
    public static string InRepository(params string[] parts) => PictureFixtures.Path(["evaluation", .. parts]);

    /// <summary>The cases of a JSON file with the tensors beside it.</summary>
    public static void ForEachCase(string stem, Action<JsonNode, Func<string, double[,]>, JsonNode> check)
    {
        var fixture = JsonNode.Parse(File.ReadAllText(stem + ".json"))!;
        using var file = TorchRuntime.Run(() => WeightFile.Open(stem + ".safetensors"));
        foreach (var c in fixture["cases"]!.AsArray())
            check(c!, name => Rows(file, $"{c!["name"]}/{name}"), fixture);
    }

    /// <summary>A tensor of one or two dimensions as rows of doubles; one dimension is one row.</summary>
    public static double[,] Rows(WeightFile file, string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var x = file.Read(name);
        var (rows, columns) = x.Dims == 1 ? (1, x.Size(0)) : (x.Size(0), x.Size(1));
        var values = x.To(DType.Float64).ToArray<double>();
        var result = new double[rows, columns];
        Buffer.BlockCopy(values, 0, result, 0, values.Length * sizeof(double));
        return result;
    });

    public static T[] Flat<T>(this double[,] x, Func<double, T> convert) => [.. x.Cast<double>().Select(convert)];

    public static double[,] Of(params double[][] rows)
    {
        var result = new double[rows.Length, rows[0].Length];
        for (var i = 0; i < rows.Length; i++)
        {
            for (var k = 0; k < rows[i].Length; k++)
                result[i, k] = rows[i][k];
        }

        return result;
    }

    /// <summary>Keyed normal numbers.</summary>
    public static double[,] Normal(int rows, int columns, long seed) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var values = new KeyedRandom(seed, "features").Normal(0, [0], [rows, columns], DType.Float64).ToArray<double>();
        var result = new double[rows, columns];
        Buffer.BlockCopy(values, 0, result, 0, values.Length * sizeof(double));
        return result;
    });

    /// <summary>A backbone with the kit's formula weights.</summary>
    public static Backbone Formula(BackboneKind kind) => TorchRuntime.Run(() =>
    {
        var network = Backbone.Create(kind);
        FormulaWeights.Fill(network, 6);
        return network;
    });

    /// <summary>LPIPS over a formula backbone with the published heads.</summary>
    public static Lpips FormulaLpips(string folder, string name) => TorchRuntime.Run(() =>
    {
        var network = new LpipsNetwork(Formula(KindOf(name)));
        using var heads = WeightFile.Open(Path.Combine(folder, $"lin_{name}.safetensors"));
        network.Heads.Load(heads.Read, name);
        return new Lpips(network, "formula+published");
    });

    public static BackboneKind KindOf(string name) => name switch
    {
        "alex" => BackboneKind.AlexNet,
        "vgg" => BackboneKind.Vgg16,
        "squeeze" => BackboneKind.SqueezeNet,
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    /// <summary>UInt8 [N, H, W, C] of a file as UInt8 [N, C, H, W].</summary>
    public static Tensor Pictures(WeightFile file, string name) => file.Read(name).Permute(0, 3, 1, 2).Contiguous();
}

/// <summary>Pictures in memory.</summary>
internal sealed class MemoryImages : IImageSource
{
    private readonly byte[][] _planes;

    public MemoryImages(ImageShape shape, params byte[][] planes)
    {
        Shape = shape;
        _planes = planes;
    }

    public int Count => _planes.Length;

    public ImageShape Shape { get; }

    public IReadOnlyList<string> Classes => [];

    public string Description => $"{Count} pictures of {Shape} in memory";

    public ReadOnlySpan<byte> this[int index] => _planes[index];

    /// <summary>Keyed noise, over a keyed grey level, so that pictures differ in more than their grain.</summary>
    public static MemoryImages Noise(int count, ImageShape shape, ulong key = 1) => new(
        shape,
        [.. Enumerable.Range(0, count).Select(i =>
        {
            var picture = PictureFixtures.Noise(shape.Width, shape.Height, shape.Channels, key + (ulong)i);
            var level = (int)((key + (ulong)i) * 37 % 200);
            return Array.ConvertAll(picture.ToPlanes(), b => (byte)Math.Min(255, level + (b / 4)));
        })]);

    /// <summary>UInt8 [N, C, H, W].</summary>
    public static MemoryImages From(Tensor pictures)
    {
        var shape = new ImageShape((int)pictures.Size(1), (int)pictures.Size(2), (int)pictures.Size(3));
        var bytes = pictures.ToBytes();
        return new MemoryImages(shape, [.. bytes.Chunk(shape.Elements)]);
    }

    public string Name(int index) => $"{index}";

    public int? Label(int index) => null;
}
