using System.Numerics;
using Graft.Torch;

namespace Graft.Networks.SssdParts;

/// <summary>
/// The initial state matrix of S4: HiPPO-LegS as a normal matrix plus one of rank one, A = Λ − P·Qᵀ in the basis of eigenvectors, of which
/// one of each pair of conjugates is kept (Gu, Goel, Ré: "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022,
/// appendix C.1). And its discretisation, for changes of the kernel's length.
/// </summary>
internal static class HippoStates
{
    /// <summary>Λ, P and B of a state of N numbers: N/2 complex ones each. Q begins as conj(P).</summary>
    internal static (Complex[] Lambda, Complex[] P, Complex[] B) Create(int states)
    {
        using var scope = new TensorScope();
        // A + P·Pᵀ = −I/2 + K with P_n = √(n + 1/2), and K skew-symmetric: −i·K is hermitian, and K = V·(i·λ)·Vᴴ.
        var hermitian = new Complex[states * states];
        for (var n = 0; n < states; n++)
        {
            for (var k = 0; k < n; k++)
            {
                var half = Math.Sqrt((2 * n) + 1) * Math.Sqrt((2 * k) + 1) / 2;
                hermitian[(n * states) + k] = new Complex(0, half);
                hermitian[(k * states) + n] = new Complex(0, -half);
            }
        }

        var (values, vectors) = LinearAlgebra.SymmetricEigen(Tensor.From(hermitian, states, states));
        var (lambda, v) = (values.ToArray<double>(), vectors.ToArray<Complex>());
        var kept = states / 2; // ascending: those below 0, whose conjugates are above
        var (w, p, b) = (new Complex[kept], new Complex[kept], new Complex[kept]);
        for (var i = 0; i < kept; i++)
        {
            w[i] = new Complex(-0.5, lambda[i]);
            for (var n = 0; n < states; n++)
            {
                var conjugate = Complex.Conjugate(v[(n * states) + i]);
                p[i] += conjugate * Math.Sqrt(n + 0.5);
                b[i] += conjugate * Math.Sqrt((2 * n) + 1);
            }
        }

        return (w, p, b);
    }

    /// <summary>
    /// Ā^L, complex128 [H, N, N], of A = Λ − P·Qᵀ over both halves of the conjugates, discretised by the bilinear transform,
    /// Ā = (I − Δ/2·A)⁻¹(I + Δ/2·A).
    /// </summary>
    /// <param name="lambda">Λ, one of each pair, [H, N/2] row-major.</param>
    /// <param name="p">P, likewise.</param>
    /// <param name="q">Q, likewise.</param>
    /// <param name="step">Δ, [H].</param>
    /// <param name="exponent">L.</param>
    internal static Tensor Power(Complex[] lambda, Complex[] p, Complex[] q, double[] step, long exponent)
    {
        var (channels, half) = (step.Length, lambda.Length / step.Length);
        var states = 2 * half;
        var (left, right) = (new Complex[channels * states * states], new Complex[channels * states * states]);
        for (var h = 0; h < channels; h++)
        {
            Complex Of(Complex[] from, int n) => n < half ? from[(h * half) + n] : Complex.Conjugate(from[(h * half) + n - half]);
            for (var n = 0; n < states; n++)
            {
                for (var k = 0; k < states; k++)
                {
                    var a = (n == k ? Of(lambda, n) : 0) - (Of(p, n) * Of(q, k));
                    var at = (((h * states) + n) * states) + k;
                    left[at] = (n == k ? 1 : 0) - (a * step[h] / 2);
                    right[at] = (n == k ? 1 : 0) + (a * step[h] / 2);
                }
            }
        }

        return ComplexTensor.Power(ComplexTensor.Solve(Tensor.From(left, channels, states, states), Tensor.From(right, channels, states, states)), exponent);
    }
}
