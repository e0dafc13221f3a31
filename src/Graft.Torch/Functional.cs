using System.Runtime.Intrinsics.X86;

namespace Graft.Torch;

/// <summary>Layers without parameters of their own, by PyTorch's definitions. Pictures are NCHW.</summary>
public static partial class Functional
{
    private static readonly Operator Conv2dOp = new("aten::conv2d");
    private static readonly Operator SelfAttentionOp = new("graft::attention");
    private static readonly Operator Conv1x1Op = new("graft::conv1x1");
    private static readonly Operator Conv3x3Op = new("graft::conv3x3");
    private static readonly Operator HasWinogradConvolutionOp = new("graft::has_winograd_convolution");
    private static readonly Operator NormSiluConv3x3Op = new("graft::norm_silu_conv3x3");
    private static readonly Operator LinearOp = new("aten::linear");
    private static readonly Operator GroupNormOp = new("aten::group_norm");
    private static readonly Operator LayerNormOp = new("aten::layer_norm");
    private static readonly Operator SiluOp = new("aten::silu");
    private static readonly Operator ErfOp = new("aten::erf");
    private static readonly Operator GeluOp = new("aten::gelu");
    private static readonly Operator ReluOp = new("aten::relu");
    private static readonly Operator MishOp = new("aten::mish");
    private static readonly Operator SigmoidOp = new("aten::sigmoid");
    private static readonly Operator LogSigmoidOp = new("aten::log_sigmoid");
    private static readonly Operator SoftmaxOp = new("aten::softmax", "int");
    private static readonly Operator LogSoftmaxOp = new("aten::log_softmax", "int");
    private static readonly Operator EmbeddingOp = new("aten::embedding");
    private static readonly Operator UpsampleOp = new("aten::upsample_nearest2d");
    private static readonly Operator AvgPoolOp = new("aten::avg_pool2d");
    private static readonly Operator MseOp = new("aten::mse_loss");
    private static readonly Operator CrossEntropyOp = new("aten::cross_entropy_loss");
    private static readonly Operator BaddbmmOp = new("aten::baddbmm");
    private static readonly Operator BmmOp = new("aten::bmm");

    /// <summary>What <see cref="Attention"/> and <see cref="SelfAttention"/> are called in a profile.</summary>
    public const string AttentionRegion = "attention";

    private const long MeanReduction = 1;
    private const long IgnoredLabel = -100;

    /// <summary>2-D cross-correlation. x [N, C, H, W], weight [K, C/groups, kh, kw], bias [K].</summary>
    public static Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias, long stride = 1, long padding = 0, long dilation = 1, long groups = 1) =>
        Conv2dOp.Call(x, weight, bias, stride, padding, dilation, groups);

    /// <summary>2-D cross-correlation with a padding of its own for rows and for columns.</summary>
    public static Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias, long stride, long[] padding) =>
        Conv2dOp.Call(x, weight, bias, stride, padding, 1, 1);

    /// <summary>2-D cross-correlation of 1 x 1, stride 1: a product of matrices for each picture, on a processor with kernels of its own.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="weight">[K, C, 1, 1].</param>
    /// <param name="bias">[K], or none.</param>
    /// <param name="residual">[N, K, H, W], added, or none.</param>
    public static Tensor Conv1x1(Tensor x, Tensor weight, Tensor? bias, Tensor? residual = null) => Conv1x1Op.Call(x, weight, bias, false, residual);

    /// <summary>conv(silu(x)) + residual in one operator. On a processor it keeps x alone for the way back; second derivatives go through libtorch's own operators.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="weight">[K, C, 1, 1].</param>
    /// <param name="bias">[K], or none.</param>
    /// <param name="residual">[N, K, H, W], or none.</param>
    public static Tensor SiluConv1x1(Tensor x, Tensor weight, Tensor? bias, Tensor? residual) => Conv1x1Op.Call(x, weight, bias, true, residual);

    /// <summary>2-D cross-correlation of 3 x 3, stride 1, with zeros at the edges. On a processor by Winograd's algorithm where it pays.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="weight">[K, C, 3, 3].</param>
    /// <param name="bias">[K], or none.</param>
    public static Tensor Conv3x3(Tensor x, Tensor weight, Tensor? bias) => Conv3x3Op.Call(x, weight, bias, false);

    /// <summary>The same of x at twice its height and width, each place repeated (<see cref="UpsampleNearest"/>), which is not written out where there are kernels for it.</summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="weight">[K, C, 3, 3].</param>
    /// <param name="bias">[K], or none.</param>
    /// <returns>[N, K, 2 H, 2 W].</returns>
    public static Tensor DoubledConv3x3(Tensor x, Tensor weight, Tensor? bias) => Conv3x3Op.Call(x, weight, bias, true);

    /// <summary>Whether this processor has kernels for them at all; asks no library.</summary>
    public static bool HasOwnConvolutions =>
        Avx512BW.VL.IsSupported && Avx512CD.VL.IsSupported && Avx512DQ.VL.IsSupported && Avx512F.VL.IsSupported
        && Environment.GetEnvironmentVariable("GRAFT_WINOGRAD_CONVOLUTIONS") != "0";

    /// <summary>
    /// Whether <see cref="Conv3x3"/> and the half of a residual block below have kernels of their own on this processor for a batch of n pictures
    /// with so many channels: AVX-512, inputs in multiples of 16, float32. Otherwise they are libtorch's operators in a row. The
    /// environment's GRAFT_WINOGRAD_CONVOLUTIONS=0 turns them off.
    /// </summary>
    public static bool HasWinogradConvolution(long n, long inputs, long outputs, long height, long width) =>
        HasWinogradConvolutionOp.CallInteger(n, inputs, outputs, height, width) != 0;

    /// <summary>
    /// One half of a residual block in one operator: conv(silu(norm(x + shift) · (1 + scale) + offset)) + residual. On a processor it keeps x
    /// alone for the way back; second derivatives go through libtorch's own operators.
    /// </summary>
    /// <param name="x">[N, C, H, W].</param>
    /// <param name="groups">Of the norm.</param>
    /// <param name="normWeight">[C].</param>
    /// <param name="normBias">[C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="weight">[K, C, 3, 3]; stride 1, zeros at the edges.</param>
    /// <param name="bias">[K], or none.</param>
    /// <param name="shift">[N, C], added before the norm, or none.</param>
    /// <param name="scale">[N, C], together with <paramref name="offset"/>, or none.</param>
    /// <param name="offset">[N, C].</param>
    /// <param name="residual">[N, K, H, W], or none.</param>
    /// <exception cref="TorchException">The channels do not fall into the groups, or what is for each picture and channel has another shape.</exception>
    public static Tensor NormSiluConv3x3(
        Tensor x, long groups, Tensor normWeight, Tensor normBias, double epsilon, Tensor weight, Tensor? bias, Tensor? shift = null, Tensor? scale = null,
        Tensor? offset = null, Tensor? residual = null) =>
        NormSiluConv3x3Op.Call(x, shift, groups, normWeight, normBias, epsilon, scale, offset, weight, bias, residual);

    /// <summary>The same with the parameters of two layers; the convolution is 3 x 3, with stride and padding 1.</summary>
    public static Tensor NormSiluConv3x3(
        Tensor x, GroupNorm norm, Conv2d convolution, Tensor? shift = null, Tensor? scale = null, Tensor? offset = null, Tensor? residual = null) =>
        NormSiluConv3x3(x, norm.Groups, norm.Weight, norm.Bias!, norm.Epsilon, convolution.WholeWeight, convolution.Bias, shift, scale, offset, residual);

    /// <summary>x · weightᵀ + bias. x [..., I], weight [O, I], bias [O].</summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias) => LinearOp.Call(x, weight, bias);

    /// <summary>Group normalisation (Wu &amp; He 2018) over groups of channels. x [N, C, ...].</summary>
    public static Tensor GroupNorm(Tensor x, long groups, Tensor? weight, Tensor? bias, double epsilon) =>
        GroupNormOp.Call(x, groups, weight, bias, epsilon);

    /// <summary>Layer normalisation (Ba et al. 2016) over the last dimension.</summary>
    public static Tensor LayerNorm(Tensor x, Tensor? weight, Tensor? bias, double epsilon) =>
        LayerNormOp.Call(x, new[] { x.Size(-1) }, weight, bias, epsilon);

    /// <summary>x · sigmoid(x).</summary>
    public static Tensor Silu(Tensor x) => SiluOp.Call(x);

    /// <summary>
    /// x · Φ(x). Written out: the gradient of libtorch 1.13's own operator holds memory that was never set where what flows back to it is
    /// not in row-major order.
    /// </summary>
    public static Tensor Gelu(Tensor x) => x * ((ErfOp.Call(x * Math.Sqrt(0.5)) + 1.0) * 0.5);

    /// <summary>
    /// weight [K, C] times <see cref="Gelu"/> of x [N, C, L]. By libtorch's own operator, several times faster: the product is what makes
    /// it safe, since the gradient of a batch of products, which flows back to the activation, is always in row-major order.
    /// </summary>
    public static Tensor MixedGelu(Tensor x, Tensor weight) =>
        BatchMatMul(weight.Unsqueeze(0).Expand(x.Size(0), -1, -1), GeluOp.Call(x.Contiguous(), "none"));

    /// <summary>max(x, 0).</summary>
    public static Tensor Relu(Tensor x) => ReluOp.Call(x);

    /// <summary>x · tanh(softplus(x)).</summary>
    public static Tensor Mish(Tensor x) => MishOp.Call(x);

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    public static Tensor Sigmoid(Tensor x) => SigmoidOp.Call(x);

    /// <summary>log(1 / (1 + e⁻ˣ)), finite however far below 0.</summary>
    public static Tensor LogSigmoid(Tensor x) => LogSigmoidOp.Call(x);

    /// <summary>Softmax along a dimension, computed in <paramref name="type"/> if given.</summary>
    public static Tensor Softmax(Tensor x, long dim, DType? type = null) => SoftmaxOp.Call(x, dim, type);

    /// <summary>Logarithm of the softmax along a dimension, without overflow, computed in <paramref name="type"/> if given.</summary>
    public static Tensor LogSoftmax(Tensor x, long dim, DType? type = null) => LogSoftmaxOp.Call(x, dim, type);

    /// <summary>Rows of <paramref name="weight"/> [V, D] by <paramref name="index"/> (int64).</summary>
    public static Tensor Embedding(Tensor weight, Tensor index) => EmbeddingOp.Call(weight, index);

    /// <summary>Nearest-neighbour resize of x [N, C, H, W].</summary>
    public static Tensor UpsampleNearest(Tensor x, long height, long width) =>
        UpsampleOp.Call(x, new[] { height, width }, Argument.None, Argument.None);

    /// <summary>Mean over windows of <paramref name="size"/>².</summary>
    public static Tensor AveragePool(Tensor x, long size) => AvgPoolOp.Call(x, size, size);

    /// <summary>Mean of squared differences over all elements.</summary>
    public static Tensor MeanSquaredError(Tensor a, Tensor b) => MseOp.Call(a, b);

    /// <summary>
    /// Mean cross-entropy of logits [N, classes] with labels int64 [N], by PyTorch's definition: <paramref name="labelSmoothing"/> of
    /// the wanted probability is spread evenly over all classes.
    /// </summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor labels, double labelSmoothing = 0) =>
        CrossEntropyOp.Call(logits, labels, Argument.None, MeanReduction, IgnoredLabel, labelSmoothing);

    /// <summary>Products of matrices in a batch: a [B, N, K], b [B, K, M].</summary>
    public static Tensor BatchMatMul(Tensor a, Tensor b) => BmmOp.Call(a, b);

    /// <summary>scale · a·b in one pass: a [B, N, K], b [B, K, M].</summary>
    public static Tensor ScaledBatchMatMul(Tensor a, Tensor b, double scale) =>
        // Zeros and beta 1, not beta 0: there libtorch 1.13 multiplies memory that was never set by 0, and NaN stays NaN
        // (pytorch issue 96037).
        BaddbmmOp.Call(Tensor.Zeros([1, 1, 1], a.Type, a.Device), a, b, 1.0, scale);

    /// <summary>
    /// Attention of positions to each other, softmax(scale · qᵀ·k)·vᵀ of each head. On a processor it keeps no scores; second derivatives go through
    /// libtorch's own operators.
    /// </summary>
    /// <param name="qkv">[N, 3C, H, W]: queries, keys and values, of each the channels of every head in turn.</param>
    /// <param name="heads">How many; C is a multiple.</param>
    /// <param name="scale">Of the products.</param>
    /// <returns>[N, C, H, W].</returns>
    public static Tensor SelfAttention(Tensor qkv, long heads, double scale)
    {
        using var region = OperatorProfile.Region(AttentionRegion);
        return SelfAttentionOp.Call(qkv, heads, scale);
    }

    /// <summary>
    /// softmax(scale · q·kᵀ + mask)·v. q [B, N, d], k and v [B, M, d]; the mask, if given, [N, M] or a batch of these (−∞: not seen); the softmax
    /// runs in <paramref name="softmaxType"/> if given.
    /// </summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, double scale, DType? softmaxType = null, Tensor? mask = null)
    {
        using var region = OperatorProfile.Region(AttentionRegion);
        // The scale goes into q, the smaller tensor: one pass less over the scores, forwards and backwards.
        var scores = BatchMatMul(q * scale, k.Transpose(-1, -2));
        var weights = Softmax(mask is null ? scores : scores + mask, -1, softmaxType);
        return BatchMatMul(weights.Type == v.Type ? weights : weights.To(v.Type), v);
    }
}
