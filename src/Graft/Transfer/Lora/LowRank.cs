using Graft.Torch;

namespace Graft.Transfer.LoraParts;

/// <summary>
/// A change of rank r beside a layer: (α/r)·B·A·x, with B zero at first (Hu et al. 2021, section 4.1). A convolution's A has the
/// layer's kernel, stride and padding and r output channels, its B is 1x1, as in PEFT.
/// </summary>
internal sealed class LowRank : Module, IWeightChange
{
    private readonly ChangeableModule _layer;
    private readonly WeightedModule _a;
    private readonly WeightedModule _b;
    private readonly double _scale;

    internal LowRank(ChangeableModule layer, long rank, double alpha)
    {
        (_layer, _scale) = (layer, alpha / rank);
        var shape = layer.Weight.Shape;
        (_a, _b) = layer is Conv2d convolution
            ? (new Conv2d(shape[1], rank, shape[2], convolution.Stride, convolution.Padding, bias: false), new Conv2d(rank, shape[0], 1, bias: false))
            : ((WeightedModule)new Linear(shape[1], rank, bias: false), (WeightedModule)new Linear(rank, shape[0], bias: false));
        Add("lora_A", _a);
        Add("lora_B", _b);
    }

    /// <inheritdoc/>
    public Tensor Forward(Tensor x) => Apply(_b, Apply(_a, x)) * _scale;

    /// <summary>(α/r)·B·A, of the layer's shape.</summary>
    public Tensor Weight() => (_b.Weight.Flatten(1).MatMul(_a.Weight.Flatten(1)) * _scale).Reshape(_layer.Weight.Shape.ToArray());

    /// <summary>Puts it beside its layer.</summary>
    internal void Connect() => _layer.Change = this;

    /// <summary>A keeps PyTorch's default values, B is zero: the first pass computes what the frozen layer does.</summary>
    internal void ClearOutput() => _b.Weight.Fill(0);

    private static Tensor Apply(WeightedModule layer, Tensor x) => layer is Conv2d convolution ? convolution.Forward(x) : ((Linear)layer).Forward(x);
}
