using Graft.Torch;

namespace Graft.Tests;

/// <summary>First and second derivatives against central differences in float64.</summary>
internal static class GradientCheck
{
    private const double Step = 1e-5;

    /// <summary>
    /// Checks f's derivatives by all inputs. The loss is a weighted sum of f's squares, so that second derivatives
    /// are not zero where f is linear.
    /// </summary>
    public static void Verify(Func<Tensor[], Tensor> f, params long[][] shapes)
    {
        using var scope = new TensorScope();
        var random = new KeyedRandom(7, "gradient check");
        var inputs = shapes.Select((s, i) => Leaf(random.Normal(0, [i], s, DType.Float64).Reshape(s))).ToArray();
        var directions = shapes.Select((s, i) => random.Normal(1, [i], s, DType.Float64).Reshape(s)).ToArray();
        using var mode = Autograd.WithGrad();

        var gradients = Autograd.Gradients(Loss(f, inputs), inputs, createGraph: true);
        Compare(inputs, gradients, xs => Loss(f, xs).Item(), "first");

        var second = Autograd.Gradients(Along(gradients, directions), inputs);
        Compare(inputs, second, xs => Along(Autograd.Gradients(Loss(f, xs), xs), directions).Item(), "second");
    }

    private static Tensor Loss(Func<Tensor[], Tensor> f, Tensor[] inputs)
    {
        var y = f(inputs);
        var weights = Tensor.Arange(1, y.Count + 1, type: DType.Float64).Cos() + 1.5;
        return (y * y * weights.Reshape(y.Shape.ToArray())).Sum();
    }

    private static Tensor Along(Tensor[] gradients, Tensor[] directions)
    {
        var sum = (gradients[0] * directions[0]).Sum();
        for (var i = 1; i < gradients.Length; i++)
            sum += (gradients[i] * directions[i]).Sum();
        return sum;
    }

    private static void Compare(Tensor[] inputs, Tensor[] gradients, Func<Tensor[], double> value, string order)
    {
        for (var i = 0; i < inputs.Length; i++)
        {
            var exact = gradients[i].ToArray<double>();
            var x = inputs[i].ToArray<double>();
            var scale = exact.Max(Math.Abs) + 1;
            for (var k = 0; k < x.Length; k++)
            {
                var difference = (At(x[k] + Step) - At(x[k] - Step)) / (2 * Step);
                exact[k].ShouldBe(difference, 1e-6 * scale, $"the {order} derivative by input {i}, element {k}");

                double At(double element)
                {
                    using var scope = new TensorScope();
                    var changed = (double[])x.Clone();
                    changed[k] = element;
                    var others = inputs.Select(t => Leaf(t.Detach().Clone())).ToArray();
                    others[i] = Leaf(Tensor.From(changed, inputs[i].Shape));
                    return value(others);
                }
            }
        }
    }

    private static Tensor Leaf(Tensor x)
    {
        x.RequiresGrad = true;
        return x;
    }
}
