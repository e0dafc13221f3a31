namespace Graft.Torch;

/// <summary>Initial values of one module's parameters, keyed by the seed and the parameter's full name.</summary>
/// <param name="seed">The run's seed.</param>
/// <param name="module">The module's dotted name.</param>
public sealed class Initialiser(long seed, string module)
{
    /// <summary>Uniform numbers in (-bound, bound).</summary>
    public void Uniform(Tensor parameter, string name, double bound) =>
        Draw(parameter, name, (random, shape) => (random.Uniform(0, [0], shape) * (2 * bound)) - bound);

    /// <summary>Normal numbers of mean 0.</summary>
    public void Normal(Tensor parameter, string name, double deviation) =>
        Draw(parameter, name, (random, shape) => random.Normal(0, [0], shape) * deviation);

    /// <summary>
    /// PyTorch's default for convolutions and linear layers: U(±1/√fan_in) for weight and bias,
    /// which is <c>kaiming_uniform_(a=√5)</c> (He et al. 2015).
    /// </summary>
    public void FanIn(Tensor weight, Tensor? bias)
    {
        var fanIn = weight.Count / weight.Size(0);
        var bound = 1 / Math.Sqrt(fanIn);
        Uniform(weight, "weight", bound);
        if (bias is not null)
            Uniform(bias, "bias", bound);
    }

    private void Draw(Tensor parameter, string name, Func<KeyedRandom, long[], Tensor> draw)
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(seed, $"initialise/{module}.{name}");
        parameter.CopyFrom(draw(random, parameter.Shape.ToArray()).Reshape(parameter.Shape.ToArray()));
    }
}
