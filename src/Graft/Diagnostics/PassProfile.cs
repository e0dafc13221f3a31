using Graft.Torch;

namespace Graft.Diagnostics;

/// <summary>What all operators of a kind took in one pass.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Calls">How many there were; of convolutions, products and attention those that compute, without the operators around them.</param>
/// <param name="Seconds">Spent in them.</param>
/// <param name="Operations">Of convolutions and products of matrices, 2 for each multiply-add, as <see cref="Planning.NetworkCost"/> counts; else 0.</param>
/// <param name="Bytes">That they allocated.</param>
public sealed record KindCost(OperatorKind Kind, long Calls, double Seconds, double Operations, long Bytes);

/// <summary>What one operator took in one pass, over all its calls.</summary>
/// <param name="Name">libtorch's name, or that of one of our own.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="Backward">Whether it was part of the backward pass.</param>
/// <param name="Calls">How many there were.</param>
/// <param name="Seconds">Spent in it, less what it called.</param>
/// <param name="Operations">As in <see cref="KindCost"/>.</param>
/// <param name="Bytes">That it allocated.</param>
public sealed record OperatorCost(string Name, OperatorKind Kind, bool Backward, long Calls, double Seconds, double Operations, long Bytes);

/// <summary>What a part of the network took in one pass: the operators of its forward pass, and the backward functions that these made.</summary>
/// <param name="Name">The module's, as <c>down_blocks.0</c>; empty: what is in none (the loss, skip connections, activations between modules).</param>
/// <param name="ForwardSeconds">Spent in operators forwards.</param>
/// <param name="BackwardSeconds">The same backwards; 0 without gradients.</param>
/// <param name="Operations">As in <see cref="KindCost"/>.</param>
/// <param name="Bytes">That it allocated.</param>
/// <param name="Held">Of these, still there when its forward pass ended: its output and what gradients need. 0 for what is in no module.</param>
/// <param name="Peak">The most that the whole pass held at once while this part ran, either way.</param>
public sealed record BlockCost(string Name, double ForwardSeconds, double BackwardSeconds, double Operations, long Bytes, long Held, long Peak);

/// <summary>
/// Where the time and memory of one pass went. Times are medians over the rounds, operator by operator: what else the machine does falls on few operators
/// of a round, and on others in the next. So they add up to <see cref="Seconds"/>, which may be less than any round took.
/// </summary>
public sealed record PassProfile
{
    /// <summary>Seconds of each round without the profile.</summary>
    public required IReadOnlyList<double> Plain { get; init; }

    /// <summary>Seconds of each round with it, in the same order.</summary>
    public required IReadOnlyList<double> Profiled { get; init; }

    /// <summary>Between the operators, a median: calls from .NET, the profile itself.</summary>
    public required double OutsideSeconds { get; init; }

    /// <summary>The most that was held at once beside weights and input, bytes.</summary>
    public required long Peak { get; init; }

    /// <summary>By operator, the longest first.</summary>
    public required IReadOnlyList<OperatorCost> Operators { get; init; }

    /// <summary>By kind, the longest first.</summary>
    public required IReadOnlyList<KindCost> Kinds { get; init; }

    /// <summary>By part of the network, in the order in which they ran first; what is in none last.</summary>
    public required IReadOnlyList<BlockCost> Blocks { get; init; }

    /// <summary>Of the whole pass: the operators' and what lies between them.</summary>
    public double Seconds => Operators.Sum(o => o.Seconds) + OutsideSeconds;

    /// <summary>Operations of the pass.</summary>
    public double Operations => Operators.Sum(o => o.Operations);

    /// <summary>Makes the tables of what was observed.</summary>
    /// <param name="rounds">Profiles that have ended, of the same pass, and what each took in all; at least one.</param>
    /// <param name="plain">What the pass took without a profile.</param>
    internal static PassProfile Of(IReadOnlyList<(OperatorProfile Profile, double Seconds)> rounds, IReadOnlyList<double> plain)
    {
        var profile = rounds[^1].Profile;
        var places = Places(profile.Regions);
        var seconds = rounds.SelectMany(r => r.Profile.Operators).ToLookup(o => (o.Name, o.Region, o.Backward), o => o.Seconds);
        var rows = profile.Operators.Select(o =>
        {
            var name = OperatorKinds.Readable(o.Name);
            var kind = places[o.Region].Attention ? OperatorKind.Attention : OperatorKinds.Of(name);
            return (Cost: new OperatorCost(name, kind, o.Backward, o.Calls, Median(seconds[(o.Name, o.Region, o.Backward)]), o.Operations, o.Bytes), places[o.Region].Block);
        }).ToList();
        return new PassProfile
        {
            Plain = plain,
            Profiled = [.. rounds.Select(r => r.Seconds)],
            OutsideSeconds = Median(rounds.Select(r => r.Seconds - r.Profile.Operators.Sum(o => o.Seconds))),
            Peak = rounds.Max(r => r.Profile.Peak),
            Operators = [.. rows.Select(r => r.Cost).GroupBy(o => (o.Name, o.Kind, o.Backward)).Select(g => new OperatorCost(
                g.Key.Name, g.Key.Kind, g.Key.Backward, g.Sum(o => o.Calls), g.Sum(o => o.Seconds), g.Sum(o => o.Operations), g.Sum(o => o.Bytes))).OrderByDescending(o => o.Seconds)],
            Kinds = [.. rows.Select(r => r.Cost).GroupBy(o => o.Kind).Select(g => new KindCost(
                g.Key, Calls(g), g.Sum(o => o.Seconds), g.Sum(o => o.Operations), g.Sum(o => o.Bytes))).OrderByDescending(k => k.Seconds)],
            Blocks = [.. places.Select(p => p.Block).Distinct().OrderBy(b => b == 0).Select(block =>
            {
                var own = rows.Where(r => r.Block == block).Select(r => r.Cost).ToList();
                var regions = Enumerable.Range(0, places.Count).Where(i => places[i].Block == block).Select(i => profile.Regions[i]);
                return new BlockCost(
                    profile.Regions[block].Label, own.Where(o => !o.Backward).Sum(o => o.Seconds), own.Where(o => o.Backward).Sum(o => o.Seconds), own.Sum(o => o.Operations),
                    own.Sum(o => o.Bytes), block == 0 ? 0 : profile.Regions[block].Held, regions.Max(r => Math.Max(r.Peak, r.BackwardPeak)));
            })],
        };
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static long Calls(IEnumerable<OperatorCost> operators) =>
        operators.Any(o => o.Operations > 0) ? operators.Where(o => o.Operations > 0).Sum(o => o.Calls) : operators.Sum(o => o.Calls);

    /// <summary>Of each region the outermost module that it lies in (0: none), and whether it lies in attention. Parents stand before their children.</summary>
    private static List<(int Block, bool Attention)> Places(IReadOnlyList<ProfiledRegion> regions)
    {
        var places = new List<(int Block, bool Attention)> { (0, false) };
        for (var i = 1; i < regions.Count; i++)
        {
            var (block, attention) = places[regions[i].Parent];
            var isAttention = regions[i].Label == Functional.AttentionRegion;
            places.Add((block == 0 && !isAttention ? i : block, attention || isAttention));
        }

        return places;
    }
}
