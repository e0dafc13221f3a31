using System.Text.Json.Nodes;
using Graft.Torch;

namespace Graft.Tests.Parity;

/// <summary>The kit's rule: |a - b| ≤ abs + rel · |b|, or rel · max|b| where the tolerance is relative to the tensor.</summary>
internal static class Tolerance
{
    public static void ShouldMatch(this Tensor actual, Tensor expected, JsonNode tolerance, string what)
    {
        actual.Shape.ToArray().ShouldBe(expected.Shape.ToArray(), what);
        var absolute = (double?)tolerance["abs"] ?? 0;
        var relative = (double?)tolerance["rel"] ?? 0;
        var b = expected.To(DType.Float64).ToArray<double>();
        var a = actual.Detach().To(DType.Float64).ToArray<double>();
        var scale = (string?)tolerance["relative_to"] == "max abs of the tensor" ? b.Max(Math.Abs) : double.NaN;
        for (var i = 0; i < a.Length; i++)
        {
            var bound = absolute + (relative * (double.IsNaN(scale) ? Math.Abs(b[i]) : scale));
            if (!(Math.Abs(a[i] - b[i]) <= bound))
                throw new Xunit.Sdk.XunitException($"{what}[{i}] is {a[i]:R} where {b[i]:R} ± {bound:R} is due");
        }
    }
}
