namespace Graft.Torch;

/// <summary>A module with a weight and, maybe, a bias.</summary>
public abstract class WeightedModule : Module
{
    /// <summary>Creates the parameters <c>weight</c> and <c>bias</c>.</summary>
    protected WeightedModule(long[] weight, long? bias)
    {
        Weight = AddParameter("weight", weight);
        Bias = bias is null ? null : AddParameter("bias", bias.Value);
    }

    /// <summary>The weight.</summary>
    public Tensor Weight { get; private set; }

    /// <summary>The bias, or none.</summary>
    public Tensor? Bias { get; private set; }

    /// <inheritdoc/>
    protected override void OnReplaced(Tensor old, Tensor replacement)
    {
        if (old == Weight)
            Weight = replacement;
        if (old == Bias)
            Bias = replacement;
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser) => initialiser.FanIn(Weight, Bias);
}

/// <summary>Something small beside a layer that stays frozen, and that adds what a change of the layer's weight would.</summary>
public interface IWeightChange
{
    /// <summary>What is added to the layer's output, of its shape.</summary>
    /// <param name="x">The layer's input.</param>
    Tensor Forward(Tensor x);

    /// <summary>What would be added to its weight, of its shape; gradients flow through it.</summary>
    Tensor Weight();
}

/// <summary>A layer that something small may stand beside.</summary>
public abstract class ChangeableModule : WeightedModule
{
    private protected ChangeableModule(long[] weight, long? bias)
        : base(weight, bias)
    {
    }

    /// <summary>What stands beside it; it is not one of the layer's children.</summary>
    public IWeightChange? Change { get; set; }

    /// <summary>The weight with its change, where there is one.</summary>
    public Tensor WholeWeight => Change is null ? Weight : Weight + Change.Weight();
}

/// <summary><c>nn.Linear</c>: weight [out, in], bias [out].</summary>
public sealed class Linear(long inputs, long outputs, bool bias = true) : ChangeableModule([outputs, inputs], bias ? outputs : null)
{
    /// <summary>x [..., in] to [..., out].</summary>
    public Tensor Forward(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return Change is null ? Functional.Linear(x, Weight, Bias) : Functional.Linear(x, Weight, Bias) + Change.Forward(x);
    }
}

/// <summary><c>nn.Conv2d</c>: weight [out, in, k, k], bias [out].</summary>
public sealed class Conv2d(long inputs, long outputs, long kernel, long stride = 1, long padding = 0, bool bias = true)
    : ChangeableModule([outputs, inputs, kernel, kernel], bias ? outputs : null)
{
    /// <summary>Distance of the places that the kernel is laid on.</summary>
    public long Stride => stride;

    /// <summary>Zeros added at each edge.</summary>
    public long Padding => padding;

    /// <summary>x [N, in, H, W] to [N, out, H', W'].</summary>
    public Tensor Forward(Tensor x)
    {
        // Over a picture's many positions the sum of both weights is cheaper than a second convolution.
        using var region = OperatorProfile.Region(this);
        return (kernel, stride, padding) switch
        {
            (1, 1, 0) => Functional.Conv1x1(x, WholeWeight, Bias),
            (3, 1, 1) => Functional.Conv3x3(x, WholeWeight, Bias),
            _ => Functional.Conv2d(x, WholeWeight, Bias, stride, padding),
        };
    }

    /// <summary>Of x at twice its height and width, each place repeated: [N, in, H, W] to [N, out, 2 H, 2 W]. For a kernel of 3, stride and padding 1.</summary>
    public Tensor ForwardDoubled(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return Functional.DoubledConv3x3(x, WholeWeight, Bias);
    }
}

/// <summary><c>nn.Conv1d</c> with zeros around, so that only the stride shortens: weight [out, in, k], bias [out].</summary>
/// <param name="inputs">Channels in.</param>
/// <param name="outputs">Channels out.</param>
/// <param name="kernel">k, odd.</param>
/// <param name="stride">Distance of the places that the kernel is laid on.</param>
/// <param name="startsAtZero">Whether its first output is 0, as of the last layer of a branch or a network.</param>
public sealed class Conv1d(long inputs, long outputs, long kernel, long stride = 1, bool startsAtZero = false)
    : WeightedModule([outputs, inputs, kernel], outputs)
{
    /// <summary>x [N, in, L] to [N, out, ⌈L / stride⌉].</summary>
    public Tensor Forward(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return Functional.Conv1d(x, Weight, Bias, stride, kernel / 2);
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        if (!startsAtZero)
        {
            base.Reset(initialiser);
            return;
        }

        Weight.Fill(0);
        Bias!.Fill(0);
    }
}

/// <summary><c>nn.GroupNorm</c>: weight and bias [channels].</summary>
public sealed class GroupNorm(long groups, long channels, double epsilon = 1e-5) : WeightedModule([channels], channels)
{
    /// <summary>How many groups the channels fall into.</summary>
    public long Groups => groups;

    /// <summary>What is added to the variance.</summary>
    public double Epsilon => epsilon;

    /// <summary>x [N, channels, ...], same shape out.</summary>
    public Tensor Forward(Tensor x)
    {
        using var region = OperatorProfile.Region(this);
        return Functional.GroupNorm(x, groups, Weight, Bias, epsilon);
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        Weight.Fill(1);
        Bias!.Fill(0);
    }
}

/// <summary><c>nn.LayerNorm</c> over the last dimension: weight and bias [channels].</summary>
public sealed class LayerNorm(long channels, double epsilon = 1e-5) : WeightedModule([channels], channels)
{
    /// <summary>x [..., channels], same shape out.</summary>
    public Tensor Forward(Tensor x) => Functional.LayerNorm(x, Weight, Bias, epsilon);

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser)
    {
        Weight.Fill(1);
        Bias!.Fill(0);
    }
}

/// <summary><c>nn.Embedding</c>: weight [entries, size].</summary>
public sealed class Embedding(long entries, long size) : WeightedModule([entries, size], null)
{
    /// <summary>index int64 [...] to [..., size].</summary>
    public Tensor Forward(Tensor index)
    {
        using var region = OperatorProfile.Region(this);
        return Functional.Embedding(Weight, index);
    }

    /// <inheritdoc/>
    protected override void Reset(Initialiser initialiser) => initialiser.Normal(Weight, "weight", 1);
}

/// <summary>
/// <c>nn.Dropout</c> with keyed masks: what is dropped is a function of (seed, layer, step, item), so that a resumed run drops the same.
/// The loop says which items a batch holds by <see cref="Module.BeginBatch"/>.
/// </summary>
public sealed class Dropout(double rate) : Module
{
    private readonly double _rate = rate is >= 0 and <= 1
        ? rate
        : throw new ArgumentOutOfRangeException(nameof(rate), rate, "The rate of drop-out is from 0 to 1.");

    private KeyedRandom? _random;
    private long _step;
    private long[] _items = [];

    /// <summary>Whether a pass now would change anything.</summary>
    public bool IsActive => IsTraining && _rate > 0;

    /// <summary>x [N, ...], same shape out; itself outside training or at rate 0.</summary>
    /// <exception cref="InvalidOperationException">A training pass before <see cref="Module.BeginBatch"/>, or with another batch size.</exception>
    public Tensor Forward(Tensor x)
    {
        if (!IsActive)
            return x;
        if (_rate == 1)
            return x * 0.0;
        if (_random is null || _items.Length != x.Size(0))
            throw new InvalidOperationException("Drop-out needs to know its items: call BeginBatch before a training pass.");
        var uniform = _random.Uniform(_step, _items, x.Shape[1..]);
        var mask = (uniform.IsGreater(_rate).To(x.Type) * (1 / (1 - _rate))).To(x.Device);
        return x * mask;
    }

    internal void Key(long seed, string name, long step, ReadOnlySpan<long> items)
    {
        _random = new KeyedRandom(seed, $"dropout/{name}");
        _step = step;
        _items = items.ToArray();
    }
}
