using Graft.Data.Ecg;
using Graft.Tests.Parity;

namespace Graft.Tests.Data.Ecg;

public class LeadTests
{
    [Theory]
    [InlineData("i", "I")]
    [InlineData("AVR", "aVR")]
    [InlineData("lead avf", "aVF")]
    [InlineData(" ECG Lead v3 ", "V3")]
    [InlineData("MLII", "MLII")]
    public void Names_are_spelt_as_usual(string name, string usual) => EcgLeads.Canonical(name).ShouldBe(usual);

    [Fact]
    public void Any_two_limb_leads_give_the_others()
    {
        // Einthoven's triangle from I and II, then back from every pair.
        var (one, two) = (new[] { 0.3, -1.2, 5 }, new[] { 0.7, 0.1, -2 });
        var limbs = new[]
        {
            one, two, [.. one.Zip(two, (i, ii) => ii - i)], [.. one.Zip(two, (i, ii) => -(i + ii) / 2)], [.. one.Zip(two, (i, ii) => i - (ii / 2))], [.. one.Zip(two, (i, ii) => ii - (i / 2))],
        };
        for (var a = 0; a < 6; a++)
        {
            for (var b = 0; b < 6; b++)
            {
                if (a == b)
                    continue;
                var found = EcgLeads.Select([limbs[a], limbs[b]], [EcgLeads.Limb[a], EcgLeads.Limb[b]], EcgLeads.Limb);
                for (var lead = 0; lead < 6; lead++)
                    found[lead].Zip(limbs[lead], (x, y) => Math.Abs(x - y)).Max().ShouldBeLessThan(1e-12, $"{EcgLeads.Limb[lead]} of {EcgLeads.Limb[a]} and {EcgLeads.Limb[b]}");
            }
        }
    }

    [Fact]
    public void Eight_leads_become_twelve_as_in_sssd()
    {
        var file = new ReferenceTensors(Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ecg", "leads.safetensors"));
        var (input, output) = (file.Names.Single(n => file.Shape(n)[^2] == 8), file.Names.Single(n => file.Shape(n)[^2] == 12));
        var length = (int)file.Shape(input)[^1];
        var (given, wanted) = (file.Floats(input), file.Floats(output));
        for (var record = 0; record < given.Length / (8 * length); record++)
        {
            double[] Row(float[] values, int leads, int lead) => Array.ConvertAll(values[(((record * leads) + lead) * length)..(((record * leads) + lead + 1) * length)], v => (double)v);
            var twelve = EcgLeads.Select([.. Enumerable.Range(0, 8).Select(lead => Row(given, 8, lead))], EcgLeads.Independent, EcgLeads.Sssd);
            for (var lead = 0; lead < 12; lead++)
                twelve[lead].Zip(Row(wanted, 12, lead), (x, y) => Math.Abs(x - y)).Max().ShouldBeLessThan(1e-6);
        }
    }

    [Fact]
    public void Leads_of_the_chest_follow_from_nothing()
    {
        Should.Throw<InputException>(() => EcgLeads.Select([[1], [2]], ["I", "II"], ["V1"])).Message.ShouldContain("'V1' is not among I, II");
        Should.Throw<InputException>(() => EcgLeads.Select([[1], [2]], ["I", "V1"], ["III"])).Message.ShouldContain("does not follow");
    }

    [Fact]
    public void Scales_of_limb_leads_are_found_again()
    {
        double[] lost = [0.3, 1.7, 0.9, 2.2, 0.5, 1.1];
        var limbs = Limbs(500);
        LimbScales.Residual(limbs).ShouldBeLessThan(1e-15);
        var scaled = limbs.Select((lead, i) => Array.ConvertAll(lead, v => (lost[i] * v) + i)).ToArray();
        LimbScales.Residual(scaled).ShouldBeGreaterThan(0.02);
        var (scales, residual) = LimbScales.Fit(scaled);
        residual.ShouldBeLessThan(1e-12);
        Math.Sqrt(scales.Average(s => s * s)).ShouldBe(1, 1e-12);
        var ratios = scales.Zip(lost, (s, l) => s * l).ToArray();
        ratios.ShouldAllBe(r => Math.Abs((r / ratios[0]) - 1) < 1e-6);
    }

    [Fact]
    public void A_lead_that_does_not_change_keeps_its_scale()
    {
        var limbs = Limbs(300);
        limbs[2] = new double[300]; // I = II, so that III is 0
        limbs[1] = [.. limbs[0]];
        (limbs[3], limbs[4], limbs[5]) = ([.. limbs[0].Select(v => -v)], [.. limbs[0].Select(v => v / 2)], [.. limbs[0].Select(v => v / 2)]);
        var (scales, residual) = LimbScales.Fit(limbs);
        scales[2].ShouldBe(1);
        residual.ShouldBeLessThan(1e-12);
        LimbScales.Fit(Enumerable.Repeat(new double[10], 6).ToArray()).Scales.ShouldAllBe(s => s == 1);
    }

    private static double[][] Limbs(int samples) =>
        [.. Enumerable.Range(0, 6).Select(lead => Enumerable.Range(0, samples).Select(t => CraftedEcg.Beat(lead, t / 100.0, [0.5, 1.2, 2.1, 3.0, 3.8])).ToArray())];
}
