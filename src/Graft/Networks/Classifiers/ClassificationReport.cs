using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>How a classifier does on pictures whose classes are known.</summary>
public sealed record ClassificationReport
{
    private const int BatchSize = 250;

    /// <summary>Pictures of class i that were taken for class j: <c>Confusion[i][j]</c>.</summary>
    public required IReadOnlyList<int[]> Confusion { get; init; }

    /// <summary>Which pictures they were.</summary>
    public required string Data { get; init; }

    /// <summary>Number of pictures.</summary>
    public int Count => Confusion.Sum(row => row.Sum());

    /// <summary>Share of pictures whose class was told, 0 to 1.</summary>
    public double Accuracy => Confusion.Select((row, i) => row[i]).Sum() / (double)Count;

    /// <summary>The pictures whose class was told, with the binomial interval of their share.</summary>
    public Share Right => new(Confusion.Select((row, i) => row[i]).Sum(), Count);

    /// <summary>Share of each class's pictures whose class was told; NaN for a class without pictures.</summary>
    public IReadOnlyList<double> AccuracyByClass => [.. Confusion.Select((row, i) => row[i] / (double)row.Sum())];

    /// <summary>Classifies pictures and counts.</summary>
    /// <param name="network">The classifier.</param>
    /// <param name="images">Pictures of its shape with labels.</param>
    /// <param name="count">The first so many; null: all.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The shape differs, or a picture has no class of the classifier's.</exception>
    public static ClassificationReport Measure(
        IPictureClassifier network, IImageSource images, int? count = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(network);
        Check(network.Shape, network.NumClasses, images);
        var confusion = Enumerable.Range(0, network.NumClasses).Select(_ => new int[network.NumClasses]).ToArray();
        Classify(network, images, count ?? images.Count, Guesses, (i, guess) => confusion[images.Label(i)!.Value][guess]++, cancellationToken);
        return new ClassificationReport { Confusion = confusion, Data = images.Description };
    }

    /// <summary>Shows a network the first pictures of a set as they are, outside training mode.</summary>
    /// <param name="network">The classifier.</param>
    /// <param name="images">Pictures of its shape.</param>
    /// <param name="count">The first so many.</param>
    /// <param name="read">What is made of the logits [n, classes] of a batch: something for each picture.</param>
    /// <param name="take">Told each picture's number and what was made of its logits.</param>
    /// <param name="cancellationToken">Stops.</param>
    internal static void Classify<T>(
        IPictureClassifier network, IImageSource images, int count, Func<Tensor, T[]> read, Action<int, T> take, CancellationToken cancellationToken)
    {
        var size = images.Shape.Elements;
        var total = Math.Min(count, images.Count);
        network.Network.Train(false);
        for (var first = 0; first < total; first += BatchSize)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var n = Math.Min(BatchSize, total - first);
            var planes = new byte[n * size];
            for (var i = 0; i < n; i++)
                images[first + i].CopyTo(planes.AsSpan(i * size));
            var found = TorchRuntime.Run(() =>
            {
                using var scope = new TensorScope();
                using var mode = Autograd.NoGrad();
                var x = (Tensor.From(planes, n, images.Shape.Channels, images.Shape.Height, images.Shape.Width).To(DType.Float32) * (1 / 127.5)) - 1.0;
                return read(network.Logits(x.To(network.Network.Parameters().First().Value.Device)));
            });
            for (var i = 0; i < n; i++)
                take(first + i, found[i]);
        }
    }

    /// <summary>As JSON: accuracy, by class, and the confusion.</summary>
    public JsonObject ToJson() => new()
    {
        ["data"] = Data,
        ["count"] = Count,
        ["accuracy"] = Accuracy,
        ["accuracy_by_class"] = new JsonArray([.. AccuracyByClass.Select(a => double.IsNaN(a) ? null : JsonValue.Create(a))]),
        ["confusion"] = new JsonArray([.. Confusion.Select(row => new JsonArray([.. row.Select(n => (JsonNode)n)]))]),
    };

    /// <summary>Writes it as a JSON file.</summary>
    public void Save(string path) => AtomicFile.WriteText(path, ToJson().ToJsonString(JsonStyle.Indented) + "\n");

    /// <summary>The likeliest class of each row of logits [N, classes].</summary>
    internal static int[] Guesses(Tensor logits)
    {
        var (rows, classes) = ((int)logits.Size(0), (int)logits.Size(1));
        var values = logits.Detach().To(DType.Float64).ToArray<double>();
        var guesses = new int[rows];
        for (var i = 0; i < rows; i++)
        {
            var row = values.AsSpan(i * classes, classes);
            for (var j = 1; j < classes; j++)
            {
                if (row[j] > row[guesses[i]])
                    guesses[i] = j;
            }
        }

        return guesses;
    }

    /// <summary>Pictures must have the network's shape and labels below its number of classes.</summary>
    internal static void Check(ResNetClassifierOptions options, IImageSource images) => Check(options.Shape, options.NumClasses, images);

    /// <summary>Pictures must have the network's shape and labels below its number of classes.</summary>
    internal static void Check(ImageShape shape, int classes, IImageSource images)
    {
        if (images.Shape != shape)
            throw new InputException($"The pictures are {images.Shape} and the classifier's {shape}: they must be the same.");
        for (var i = 0; i < images.Count; i++)
        {
            if (images.Label(i) is not { } label)
                throw new InputException($"The picture {images.Name(i)} has no label, which a classifier is trained and judged by: give the file of labels, or sub-folders and labels_from_folders.");
            if (label < 0 || label >= classes)
                throw new InputException($"The picture {images.Name(i)} is of class {label} and the classifier has {classes} classes, from 0: raise num_classes, or leave the class out.");
        }
    }
}
