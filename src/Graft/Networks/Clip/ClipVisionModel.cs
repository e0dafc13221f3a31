using Graft.Formats;
using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>What CLIP's image tower makes of a batch.</summary>
/// <param name="HiddenStates">Tokens before the first layer (behind <c>pre_layrnorm</c>) and after each, [N, tokens, width].</param>
/// <param name="PoolerOutput">The class token behind <c>post_layernorm</c>, [N, width].</param>
/// <param name="ImageEmbeds">Its projection, [N, projection], not divided by its length.</param>
public sealed record ClipVisionOutput(IReadOnlyList<Tensor> HiddenStates, Tensor PoolerOutput, Tensor ImageEmbeds)
{
    /// <summary>Tokens after the last layer, [N, tokens, width].</summary>
    public Tensor LastHiddenState => HiddenStates[^1];
}

/// <summary>
/// CLIP's image tower (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.4; the vision
/// transformer is Dosovitskiy et al. 2021's with one more layer norm), under the names of Hugging Face's <c>CLIPVisionModelWithProjection</c>.
/// </summary>
public sealed class ClipVisionModel : Module
{
    internal const string ProjectionName = "visual_projection.weight";
    private readonly Tower _tower;
    private readonly Linear _projection;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public ClipVisionModel(ClipVisionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("given");
        Options = options;
        _tower = Add("vision_model", new Tower(options));
        _projection = Add("visual_projection", new Linear(options.HiddenSize, options.ProjectionDim, bias: false));
    }

    /// <summary>The architecture.</summary>
    public ClipVisionOptions Options { get; }

    /// <summary>Makes a network with initial weights: PyTorch's default of each layer, small normal numbers for the positions and the class token.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public static ClipVisionModel Create(ClipVisionOptions options, long seed, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = new ClipVisionModel(options);
        network.Initialise(seed);
        network.MoveTo(device);
        return network;
    });

    /// <summary>
    /// Opens a Hugging Face folder (<c>CLIPVisionModelWithProjection</c> or <c>CLIPModel</c>, of which the image tower is read), or a
    /// <c>.pt</c> of openai's: the published TorchScript archive, of which no program is run, or a state dict. Weights of half precision are
    /// widened to float32; nothing asks for gradients until <see cref="Module.RequireGrad"/> says so.
    /// </summary>
    /// <param name="path">The folder or file.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">A file is missing or broken, holds another network, or does not fit the configuration.</exception>
    public static ClipVisionModel Load(string path, Device device = default) => ClipCheckpoint.Load(path, device);

    /// <summary>Writes a Hugging Face folder, <c>config.json</c> and <c>model.safetensors</c>; each file appears whole.</summary>
    public void Save(string folder) => ClipCheckpoint.Save(this, folder);

    /// <summary>SHA-256 over the names and values of all parameters, in lower-case hexadecimal: which weights these are, wherever they lie.</summary>
    public string Fingerprint() => WeightFingerprint.Of(Parameters());

    /// <summary>Passes pictures through; gradients flow to the pictures, and to the weights where they ask for them.</summary>
    /// <param name="pixelValues">
    /// [N, 3, size, size], resized, cropped and normalised as <see cref="ClipImageProcessor"/> does: not the [-1, 1] of a diffusion model.
    /// </param>
    /// <exception cref="ArgumentException">Another shape.</exception>
    public ClipVisionOutput Forward(Tensor pixelValues)
    {
        ArgumentNullException.ThrowIfNull(pixelValues);
        var edge = Options.ImageSize;
        if (pixelValues.Dims != 4 || pixelValues.Size(1) != 3 || pixelValues.Size(2) != edge || pixelValues.Size(3) != edge)
            throw new ArgumentException($"the network takes [N, 3, {edge}, {edge}], and this is {pixelValues}", nameof(pixelValues));
        var (states, pooled) = _tower.Forward(pixelValues);
        return new ClipVisionOutput(states, pooled, _projection.Forward(pooled));
    }

    private sealed class Tower : Module
    {
        private readonly Embeddings _embeddings;
        private readonly LayerNorm _before;
        private readonly ClipTransformer _encoder;
        private readonly LayerNorm _after;

        internal Tower(ClipVisionOptions options)
        {
            _embeddings = Add("embeddings", new Embeddings(options));
            _before = Add("pre_layrnorm", new LayerNorm(options.HiddenSize, options.LayerNormEps)); // the name's letters are Hugging Face's
            _encoder = Add("encoder", new ClipTransformer(options.Transformer));
            _after = Add("post_layernorm", new LayerNorm(options.HiddenSize, options.LayerNormEps));
        }

        internal (IReadOnlyList<Tensor> States, Tensor Pooled) Forward(Tensor pixelValues)
        {
            var states = _encoder.Forward(_before.Forward(_embeddings.Forward(pixelValues)));
            return (states, _after.Forward(states[^1].Select(1, 0)));
        }
    }

    /// <summary>Patches and the class as tokens, each with its position.</summary>
    private sealed class Embeddings : Module
    {
        private readonly Conv2d _patches;
        private readonly ClipTable _positions;
        private Tensor _class;

        internal Embeddings(ClipVisionOptions options)
        {
            _class = AddParameter("class_embedding", options.HiddenSize);
            _patches = Add("patch_embedding", new Conv2d(3, options.HiddenSize, options.PatchSize, options.PatchSize, bias: false));
            _positions = Add("position_embedding", new ClipTable(options.Tokens, options.HiddenSize));
        }

        internal Tensor Forward(Tensor pixelValues)
        {
            var patches = _patches.Forward(pixelValues).Flatten(2).Transpose(1, 2);
            var first = _class.Reshape(1, 1, -1).Expand(pixelValues.Size(0), 1, -1);
            return Tensor.Cat([first, patches], 1) + _positions.Weight;
        }

        protected override void OnReplaced(Tensor old, Tensor replacement)
        {
            if (old == _class)
                _class = replacement;
        }

        protected override void Reset(Initialiser initialiser) => initialiser.Normal(_class, "class_embedding", 1 / Math.Sqrt(_class.Count));
    }
}
