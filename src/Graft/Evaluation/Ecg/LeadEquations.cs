using Graft.Data.Ecg;

namespace Graft.Evaluation.Ecg;

/// <summary>
/// Whether records obey the equations between the limb leads: generated ECGs that model twelve leads need not, real ones do.
/// </summary>
/// <param name="AsTheyAre">Of each record: the share of the limb leads' variance that does not obey the equations, 0 to 1.</param>
/// <param name="Refitted">The same after each record's scales were fitted (<see cref="LimbScales"/>), which z-scored leads need.</param>
public sealed record LeadEquations(IReadOnlyList<double> AsTheyAre, IReadOnlyList<double> Refitted)
{
    /// <summary>Measures every record of a set.</summary>
    /// <param name="set">With all six limb leads.</param>
    /// <exception cref="InputException">A limb lead is missing.</exception>
    public static LeadEquations Of(EcgSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var places = EcgLeads.Limb.Select(set.LeadIndex).ToArray();
        var (plain, refitted) = (new double[set.Count], new double[set.Count]);
        for (var i = 0; i < set.Count; i++)
        {
            var record = set[i];
            var limbs = places.Select(p => Array.ConvertAll(record.Lead(p).ToArray(), v => (double)v)).ToArray();
            plain[i] = LimbScales.Residual(limbs);
            refitted[i] = LimbScales.Fit(limbs).Residual;
        }

        return new LeadEquations(plain, refitted);
    }
}
