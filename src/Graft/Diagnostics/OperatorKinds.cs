using System.Text.RegularExpressions;

namespace Graft.Diagnostics;

/// <summary>What an operator is for.</summary>
public enum OperatorKind
{
    /// <summary>Convolutions and their gradients.</summary>
    Convolution,

    /// <summary>Products of matrices outside of attention: linear layers, and their gradients.</summary>
    MatrixProduct,

    /// <summary>Everything from queries, keys and values to what they mix: two products, the softmax and the scale, and their gradients.</summary>
    Attention,

    /// <summary>Norms, activations, softmax outside of attention, and their gradients.</summary>
    NormalisationAndActivation,

    /// <summary>Arithmetic element by element, and sums.</summary>
    Elementwise,

    /// <summary>Fourier transforms, and S4's filter that consists of them.</summary>
    FourierTransform,

    /// <summary>What moves values and computes none: copies, Cat, padding, nearest-neighbour resizing, rows of tables.</summary>
    Copy,

    /// <summary>The rest: views, allocation, the autograd engine.</summary>
    Other,
}

/// <summary>Sorts libtorch's operators by what they are for.</summary>
internal static partial class OperatorKinds
{
    private const string Aten = "aten::";

    private static readonly Dictionary<string, OperatorKind> Known = Table(
        (OperatorKind.Convolution, "conv1d conv2d conv3d conv_transpose1d conv_transpose2d convolution convolution_backward convolution_double_backward mkldnn_convolution"),
        (OperatorKind.MatrixProduct, "linear matmul mm bmm addmm baddbmm addbmm mv addmv dot vdot einsum"),
        (OperatorKind.NormalisationAndActivation,
            "group_norm native_group_norm native_group_norm_backward layer_norm native_layer_norm native_layer_norm_backward batch_norm native_batch_norm native_batch_norm_backward "
            + "silu silu_backward gelu gelu_backward relu threshold_backward mish mish_backward sigmoid sigmoid_backward tanh tanh_backward log_sigmoid log_sigmoid_forward "
            + "log_sigmoid_backward softmax softmax_backward_data log_softmax log_softmax_backward_data"),
        (OperatorKind.Elementwise,
            "add sub rsub mul div neg abs sign pow square sqrt rsqrt reciprocal exp log log1p sin cos erf erfinv clamp clamp_min clamp_max maximum minimum where floor round lerp addcmul addcdiv "
            + "sum mean var std max min amax amin cumsum norm linalg_vector_norm mse_loss mse_loss_backward gt ge lt le eq ne logical_and logical_not logical_or fill zero "
            + "avg_pool2d avg_pool2d_backward upsample_nearest2d_backward real imag conj angle sgn"),
        (OperatorKind.FourierTransform, "fft_rfft fft_irfft fft_fft fft_ifft fft_r2c fft_c2r fft_c2c"),
        (OperatorKind.Copy,
            "copy clone contiguous cat stack to to_copy constant_pad_nd pad upsample_nearest2d embedding embedding_backward embedding_dense_backward index index_select index_put index_add gather scatter "
            + "scatter_add flip roll repeat slice_backward select_backward"));

    internal static OperatorKind Of(string name) => name switch
    {
        _ when name.StartsWith("graft::norm_silu_conv3x3", StringComparison.Ordinal) => OperatorKind.NormalisationAndActivation,
        _ when name.StartsWith("graft::conv", StringComparison.Ordinal) => OperatorKind.Convolution,
        _ when name.StartsWith("graft::attention", StringComparison.Ordinal) => OperatorKind.Attention,
        _ when name.StartsWith("graft::spectral_filter", StringComparison.Ordinal) => OperatorKind.FourierTransform,
        _ when name.StartsWith(Aten, StringComparison.Ordinal) => Known.GetValueOrDefault(name[Aten.Length..].Trim('_'), OperatorKind.Other),
        _ => OperatorKind.Other,
    };

    /// <summary>A name for people: C++'s names of our own backward functions become the operators'.</summary>
    internal static string Readable(string name)
    {
        if (name.Length == 0)
            return "(outside of operators)";
        var own = OwnFunction().Match(name);
        return own.Success ? $"graft::{Humps().Replace(own.Groups[1].Value, "_$0").ToLowerInvariant()} backward" : name.Replace("struct ", "", StringComparison.Ordinal);
    }

    private static Dictionary<string, OperatorKind> Table(params ReadOnlySpan<(OperatorKind Kind, string Names)> kinds)
    {
        var table = new Dictionary<string, OperatorKind>(StringComparer.Ordinal);
        foreach (var (kind, names) in kinds)
        {
            foreach (var name in names.Split(' '))
                table.Add(name, kind);
        }

        return table;
    }

    [GeneratedRegex(@"graft::.*?(\w+)>$")]
    private static partial Regex OwnFunction();

    [GeneratedRegex("(?<=[a-z])[A-Z]")]
    private static partial Regex Humps();
}
