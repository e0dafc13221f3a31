using Graft.Networks.FirstStageParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// The first stage of a latent diffusion model (Rombach et al. 2022, section 3.1): an encoder from pictures to latents, and a decoder that
/// first replaces every latent vector by the nearest of a codebook (van den Oord et al. 2017, eq. 1). CompVis' <c>VQModelInterface</c>, by
/// its names. It is frozen here: nothing trains it.
/// </summary>
public sealed class VqAutoencoder : Module
{
    /// <summary>Rows of distances that are held at a time.</summary>
    private const int Rows = 1024;

    private readonly PictureEncoder _encoder;
    private readonly PictureDecoder _decoder;
    private readonly Embedding _codebook;
    private readonly Conv2d _toCodes;
    private readonly Conv2d _fromCodes;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    /// <exception cref="InputException">The options do not fit together.</exception>
    public VqAutoencoder(VqAutoencoderOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate("of a VqAutoencoder");
        Options = options;
        _encoder = Add("encoder", new PictureEncoder(options));
        _decoder = Add("decoder", new PictureDecoder(options));
        _codebook = Add("quantize.embedding", new Embedding(options.NumVqEmbeddings, options.VqEmbedDim));
        _toCodes = Add("quant_conv", new Conv2d(options.LatentChannels, options.VqEmbedDim, 1));
        _fromCodes = Add("post_quant_conv", new Conv2d(options.VqEmbedDim, options.LatentChannels, 1));
    }

    /// <summary>The architecture.</summary>
    public VqAutoencoderOptions Options { get; }

    /// <summary>
    /// The latents of pictures, as a diffusion model is trained on them: before they are replaced by the codebook's vectors, times
    /// <see cref="VqAutoencoderOptions.ScalingFactor"/>.
    /// </summary>
    /// <param name="pictures">[N, C, H, W] in [-1, 1]; H and W multiples of <see cref="VqAutoencoderOptions.Factor"/>.</param>
    /// <returns>[N, embed, H / factor, W / factor], of no fixed range.</returns>
    /// <exception cref="InputException">The pictures have another number of channels, or a size that cannot be halved so often.</exception>
    public Tensor Encode(Tensor pictures)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        if (pictures.Dims != 4 || pictures.Size(1) != Options.InChannels || pictures.Size(2) % Options.Factor != 0 || pictures.Size(3) % Options.Factor != 0)
            throw new InputException($"The pictures are {pictures}, where [N, {Options.InChannels}, H, W] with edges that are multiples of {Options.Factor} is due.");
        return Scaled(_toCodes.Forward(_encoder.Forward(pictures)), Options.ScalingFactor);
    }

    /// <summary>The pictures of latents.</summary>
    /// <param name="latents">[N, embed, h, w], as <see cref="Encode"/> gives them.</param>
    /// <param name="quantise">Whether each vector first becomes the nearest of the codebook, as it did in training; no gradient comes through that.</param>
    /// <returns>[N, C, h · factor, w · factor], about [-1, 1] and not clipped.</returns>
    /// <exception cref="InputException">The latents have another number of channels.</exception>
    public Tensor Decode(Tensor latents, bool quantise = true)
    {
        ArgumentNullException.ThrowIfNull(latents);
        if (latents.Dims != 4 || latents.Size(1) != Options.VqEmbedDim)
            throw new InputException($"The latents are {latents}, where [N, {Options.VqEmbedDim}, height, width] is due.");
        var z = Scaled(latents, 1 / Options.ScalingFactor);
        return _decoder.Forward(_fromCodes.Forward(quantise ? Quantise(z) : z));
    }

    /// <summary>The same autoencoder, which shares nothing with this one, on the same device.</summary>
    internal VqAutoencoder Copy()
    {
        var copy = new VqAutoencoder(Options);
        copy.MoveTo(_codebook.Weight.Device);
        var own = Parameters().ToDictionary(p => p.Name, p => p.Value);
        copy.Load(name => own[name].Detach(), "an autoencoder");
        return copy;
    }

    /// <summary>Each vector's nearest in the codebook.</summary>
    /// <param name="z">[N, embed, h, w], without the scaling factor.</param>
    /// <returns>Same shape.</returns>
    internal Tensor Quantise(Tensor z) => TensorScope.Of(() =>
    {
        long n = z.Size(0), size = z.Size(1), height = z.Size(2), width = z.Size(3);
        return _codebook.Forward(Codes(z).Reshape(-1)).Reshape(n, height, width, size).Permute(0, 3, 1, 2).Contiguous();
    });

    /// <summary>The numbers of the nearest vectors.</summary>
    /// <param name="z">[N, embed, h, w], without the scaling factor.</param>
    /// <returns>int64 [N, h, w].</returns>
    internal Tensor Codes(Tensor z) => TensorScope.Of(() =>
    {
        using var mode = Autograd.NoGrad();
        var book = _codebook.Weight.Detach();
        var length = book.Square().Sum([1]);
        var vectors = z.Detach().Permute(0, 2, 3, 1).Reshape(-1, z.Size(1));
        // ‖z − e‖² without ‖z‖², which is the same for every e.
        var nearest = vectors.Split(Rows).Select(rows => TensorScope.Of(() => (length - (rows.MatMul(book.Transpose(0, 1)) * 2.0)).ArgMin(1)));
        return Tensor.Cat([.. nearest]).Reshape(z.Size(0), z.Size(2), z.Size(3));
    });

    private static Tensor Scaled(Tensor x, double factor) => factor == 1 ? x : x * factor;
}
