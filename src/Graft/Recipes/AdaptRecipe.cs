using System.Text.Json.Nodes;
using Graft.Training;
using Graft.Transfer;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>An adaptation: source, target, method and training. The command line's options are overrides of these.</summary>
public sealed record AdaptRecipe
{
    /// <summary>A short name.</summary>
    public string Name { get; init; } = "adapt";

    /// <summary>What it shows, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The pretrained model: a folder.</summary>
    public required string Source { get; init; }

    /// <summary>The few samples of the new domain.</summary>
    public required DataOptions Target { get; init; }

    /// <summary>The method's name.</summary>
    public required string Method { get; init; }

    /// <summary>The method's own options.</summary>
    public JsonObject MethodOptions { get; init; } = [];

    /// <summary>The training loop's settings, over the method's defaults.</summary>
    public JsonObject Training { get; init; } = [];

    /// <summary>The run's folder, which becomes the adapted model.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The method with its options and training settings.</summary>
    /// <exception cref="InputException">One is unknown or out of range.</exception>
    public TransferMethod CreateMethod()
    {
        var method = TransferMethods.Create(Method, MethodOptions);
        var training = Recipe.Describe(method.Training);
        foreach (var (key, value) in Training)
            training[key] = value?.DeepClone();
        method = method with { Training = Recipe.Bind<TrainingOptions>(training, "training") };
        method.Training.Validate();
        return method;
    }

    /// <summary>Adapts. At the end the run's folder is the adapted model.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <returns>The adapted model; the caller disposes it.</returns>
    /// <exception cref="InputException">Source, data or options cannot be used.</exception>
    public DiffusionModel Run(TrainingRun run)
    {
        var method = CreateMethod();
        using var source = DiffusionModel.Load(Source, Torch.Device.Parse(Device));
        if (source.Schedule.Warning is { } warning)
            run.Logger.LogWarning("{Warning}", warning);
        var target = Target.OpenFor(source, text => run.Logger.LogWarning("{Warning}", text), run.CancellationToken);
        run.Logger.LogInformation("{Method}: {Data}", method.Name, target.Description);
        return method.Adapt(source, target, run.In(Out));
    }
}
