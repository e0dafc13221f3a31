using Graft.Torch;

namespace Graft.Networks.Clip;

/// <summary>The non-linear function of a CLIP transformer's feed-forward part (<c>hidden_act</c>).</summary>
public enum ClipActivation
{
    /// <summary><c>quick_gelu</c>: x · sigmoid(1.702 x), of openai's published weights.</summary>
    QuickGelu,

    /// <summary><c>gelu</c>: x · Φ(x), of most weights that others trained.</summary>
    Gelu,

    /// <summary><c>gelu_new</c> and <c>gelu_pytorch_tanh</c>: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).</summary>
    GeluTanh,
}

/// <summary>The functions and their names.</summary>
internal static class ClipActivations
{
    private const double QuickScale = 1.702;
    private const double CubeScale = 0.044715;

    private static readonly (string Name, ClipActivation Value)[] Names =
    [
        ("quick_gelu", ClipActivation.QuickGelu),
        ("gelu", ClipActivation.Gelu),
        ("gelu_new", ClipActivation.GeluTanh),
        ("gelu_pytorch_tanh", ClipActivation.GeluTanh),
    ];

    /// <summary>All names, for messages.</summary>
    public static string Known => string.Join(", ", Names.Select(n => n.Name));

    public static ClipActivation? Find(string name) => Names.Where(n => n.Name == name).Select(n => (ClipActivation?)n.Value).FirstOrDefault();

    public static string Name(ClipActivation activation) => Names.First(n => n.Value == activation).Name;

    /// <summary>Applies the function to every number. None of them is libtorch's own GELU, whose gradient 1.13 gets wrong (see <see cref="Functional.Gelu"/>).</summary>
    public static Tensor Apply(ClipActivation activation, Tensor x) => activation switch
    {
        ClipActivation.QuickGelu => x * Functional.Sigmoid(x * QuickScale),
        ClipActivation.Gelu => Functional.Gelu(x),
        ClipActivation.GeluTanh => x * ((Functional.Tanh((x + (x * x.Square() * CubeScale)) * Math.Sqrt(2 / Math.PI)) + 1.0) * 0.5),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "no such function"),
    };
}
