using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>
/// Both towers of CLIP (Radford et al. 2021) and the temperature they were trained with: Hugging Face's <c>CLIPModel</c>.
/// </summary>
public sealed class ClipModel : Module
{
    /// <summary>The logarithm of the largest factor of cosines, 100, beyond which CLIP's training does not let it go.</summary>
    public static readonly double LargestLogitScale = Math.Log(100);

    private const string VisionPrefix = "vision.";
    private const string TextPrefix = "text.";
    private static readonly double InitialLogitScale = Math.Log(1 / 0.07);

    /// <summary>Builds the towers; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public ClipModel(ClipVisionOptions vision, ClipTextOptions text)
    {
        ArgumentNullException.ThrowIfNull(vision);
        ArgumentNullException.ThrowIfNull(text);
        if (vision.ProjectionDim != text.ProjectionDim)
            throw new InputException($"The towers project to {vision.ProjectionDim} and {text.ProjectionDim} dimensions: they must be the same.");
        Vision = Add("vision", new ClipVisionModel(vision));
        Text = Add("text", new ClipTextModel(text));
        LogitScale = AddParameter("logit_scale");
    }

    /// <summary>The tower of pictures.</summary>
    public ClipVisionModel Vision { get; }

    /// <summary>The tower of texts.</summary>
    public ClipTextModel Text { get; }

    /// <summary><c>logit_scale</c>: logarithm of what cosines are multiplied by; a scalar.</summary>
    public Tensor LogitScale { get; private set; }

    /// <summary>Makes towers with initial weights; the temperature begins at 0.07, as CLIP's.</summary>
    /// <param name="vision">The tower of pictures.</param>
    /// <param name="text">The tower of texts.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where they are to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public static ClipModel Create(ClipVisionOptions vision, ClipTextOptions text, long seed, Device device = default) => TorchRuntime.Run(() =>
    {
        var model = new ClipModel(vision, text);
        model.Initialise(seed);
        model.MoveTo(device);
        return model;
    });

    /// <summary>Vectors divided by their lengths.</summary>
    /// <param name="vectors">[N, D].</param>
    public static Tensor Normalised(Tensor vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        const double Smallest = 1e-24; // of the squared length: a vector of zeros stays one
        return vectors / vectors.Square().Sum([-1], keepDims: true).Clamp(Smallest, null).Sqrt();
    }

    /// <summary>The parameters under the names of Hugging Face's <c>CLIPModel</c>, as they stand in its files.</summary>
    internal IEnumerable<NamedTensor> HuggingFaceParameters() => Parameters().Select(p => p with { Name = HuggingFaceName(p.Name) });

    /// <summary>The name of one of <see cref="Module.Parameters()"/> in a file.</summary>
    internal static string HuggingFaceName(string name) =>
        name.StartsWith(VisionPrefix, StringComparison.Ordinal) ? name[VisionPrefix.Length..]
        : name.StartsWith(TextPrefix, StringComparison.Ordinal) ? name[TextPrefix.Length..]
        : name;

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement)
    {
        if (old == LogitScale)
            LogitScale = replacement;
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser) => LogitScale.Fill(InitialLogitScale);
}
