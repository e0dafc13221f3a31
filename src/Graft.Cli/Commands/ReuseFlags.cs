using System.CommandLine;
using System.Globalization;
using Graft.Sampling;

namespace Graft.Cli.Commands;

/// <summary>The options of drawing with deep features that evaluations share, for every command that draws pictures.</summary>
internal sealed class ReuseFlags
{
    /// <summary>Pictures that are drawn a second time, exactly.</summary>
    private const int Compared = 4;

    private readonly Option<int?> _every = new("--reuse-features")
    {
        Description = "Compute the U-Net's deep layers at every so many-th step only and take them from there in between (DeepCache): faster and not exact; 2 or more.",
    };

    private readonly Option<int?> _connections = new("--fresh-connections") { Description = "With --reuse-features: how many skip connections each step computes anew, from the first (default: 1)." };

    internal void AddTo(Command command)
    {
        command.Add(_every);
        command.Add(_connections);
    }

    /// <summary>Whether any was given.</summary>
    internal bool AreGiven(ParseResult parsed) => parsed.GetValue(_every) is not null || parsed.GetValue(_connections) is not null;

    /// <summary>Tells a model what was asked for.</summary>
    /// <exception cref="InputException">The network has no such features, or a number is out of range.</exception>
    internal void Apply(ParseResult parsed, DiffusionModel model)
    {
        var connections = parsed.GetValue(_connections);
        if (parsed.GetValue(_every) is { } every)
            model.FeatureReuse = new FeatureReuse { Every = every, Connections = connections ?? 1 };
        else if (connections is not null)
            throw new InputException("--fresh-connections says what --reuse-features leaves out, which is missing.");
    }

    /// <summary>What reuse changed: the same pictures without it, and how far apart they are.</summary>
    /// <param name="drawn">Pictures that were drawn with reuse.</param>
    /// <param name="draw">Draws so many of them, the first, with the model as it now is.</param>
    /// <param name="model">The model; reuse is off when this returns.</param>
    internal static string? Error(Samples drawn, Func<int, Samples> draw, DiffusionModel model)
    {
        if (model.FeatureReuse is null)
            return null;
        model.FeatureReuse = null;
        var exact = draw(Math.Min(drawn.Count, Compared));
        var squares = 0.0;
        for (var i = 0; i < exact.Count; i++)
        {
            var a = exact[i];
            var b = drawn[i];
            for (var k = 0; k < a.Length; k++)
                squares += (a[k] - b[k]) * (a[k] - b[k]);
        }

        return string.Create(CultureInfo.InvariantCulture,
            $"Reuse changed the first {exact.Count} of them by {Math.Sqrt(squares / exact.Count / exact.Shape.Elements):0.0} of 255 levels (root mean square), held against the same drawn exactly.");
    }
}
