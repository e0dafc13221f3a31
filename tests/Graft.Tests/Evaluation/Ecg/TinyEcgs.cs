using Graft.Data.Ecg;
using Graft.Tests.Data.Ecg;
using Graft.Torch;

namespace Graft.Tests.Evaluation.Ecg;

/// <summary>ECGs of 5 s and twelve leads by a formula: FAST ones beat 120 times a minute, the others 60 times; beginnings and heights are keyed.</summary>
internal static class TinyEcgs
{
    public static EcgCard Card { get; } = CraftedEcg.Card() with { Name = "tiny", Classes = ["FAST"] };

    public static EcgSet Set(int count, EcgSplit split, long seed = 1, string prefix = "r", Func<int, bool>? isFast = null)
    {
        var random = new KeyedRandom(seed, "tiny ecgs");
        return new EcgSet(Card with { Name = $"tiny {prefix}" }, [.. Enumerable.Range(0, count).Select(i =>
        {
            var fast = i % 2 == 0;
            var (period, start) = (fast ? 0.5 : 1.0, random.Uniform(0, i));
            double[] beats = [.. Enumerable.Range(-1, 14).Select(b => start + (b * period * (0.97 + (0.06 * random.Uniform(1, i)))))];
            var height = 0.8 + (0.4 * random.Uniform(2, i));
            float[] samples = [.. Enumerable.Range(0, 12 * 500).Select(k => (float)((height * CraftedEcg.Beat(k / 500, k % 500 / 100.0, beats)) + (0.02 * (random.Uniform(3, i, k) - 0.5))))];
            return new EcgRecord($"{prefix}{i}", samples, 12, split) { Statements = isFast?.Invoke(i) ?? fast ? ["FAST"] : [] };
        })]);
    }
}
