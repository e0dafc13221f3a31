using Graft.Torch;

namespace Graft.Tests.Parity;

/// <summary>Gradients against central differences, in double precision.</summary>
internal static class DoubleDifferences
{
    /// <summary>Checks some elements of every parameter.</summary>
    /// <param name="parameters">float64 leaves that require gradients.</param>
    /// <param name="loss">A scalar of them, the same each time.</param>
    /// <param name="each">Elements of each parameter.</param>
    /// <param name="tolerance">Of the difference, relative to 1 and the derivative.</param>
    public static void Check(IEnumerable<NamedTensor> parameters, Func<Tensor> loss, int each, double tolerance)
    {
        Autograd.Backward(loss());
        var random = new SplitMix(6);
        var moved = 0.0;
        foreach (var (name, value) in parameters)
        {
            var gradient = value.Grad?.ToArray<double>() ?? new double[value.Count]; // none: the loss does not depend on it
            var values = value.Detach().ToArray<double>();
            for (var i = 0; i < each; i++)
            {
                var k = random.Next(values.Length);
                double At(double by)
                {
                    using var inner = new TensorScope();
                    var copy = (double[])values.Clone();
                    copy[k] += by;
                    value.CopyFrom(Tensor.From(copy, value.Shape));
                    return loss().Item(); // recorded: the loss may hold a gradient itself
                }

                const double Step = 1e-5;
                var difference = (At(Step) - At(-Step)) / (2 * Step);
                value.CopyFrom(Tensor.From(values, value.Shape));
                gradient[k].ShouldBe(difference, tolerance * (1 + Math.Abs(difference)), $"{name}[{k}]");
                moved += Math.Abs(difference);
            }
        }

        moved.ShouldBeGreaterThan(0);
    }
}
