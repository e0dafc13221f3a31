using System.CommandLine;
using System.Text.Json.Nodes;
using Graft.Recipes;

namespace Graft.Cli.Commands;

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    internal static Option<string> Device() => new("--device")
    {
        Description = "Where to compute: auto (a GPU if libtorch sees one), cpu, cuda or cuda:N.",
        DefaultValueFactory = _ => "auto",
    };

    internal static Option<string?> Source() => new("--source")
    {
        Description = "Where an adapter's source model lies, if not where the adapter's folder says.",
    };

    internal static Option<string[]> Set() => new("--set")
    {
        Description = "Override any value of the recipe: key=value, as training.steps=500; may be repeated.",
        DefaultValueFactory = _ => [],
    };

    internal static Option<bool> DryRun() => new("--dry-run")
    {
        Description = "Print the resolved plan and do nothing (default: no).",
        DefaultValueFactory = _ => false,
    };

    internal static Option<bool> Resume() => new("--resume")
    {
        Description = "Go on from the newest checkpoint of the output folder (default: no).",
        DefaultValueFactory = _ => false,
    };

    internal static Option<bool> Tensorboard() => new("--tensorboard")
    {
        Description = "Write TensorBoard events beside the log: `tensorboard --logdir` shows the terms and the sample grids (default: no).",
        DefaultValueFactory = _ => false,
    };

    /// <summary>Applies the overrides of a size (<c>sizes.NAME</c> of the recipe), then those of the command line.</summary>
    internal static void Override(JsonObject recipe, string? size, IEnumerable<string> assignments)
    {
        Recipe.ApplySize(recipe, size);
        foreach (var assignment in assignments)
            Recipe.Set(recipe, assignment);
    }

    /// <summary>Prints a plan as JSON, which is YAML too: it can be saved and run.</summary>
    internal static void PrintPlan(JsonObject plan) => Terminal.Result(plan.ToJsonString(PlanStyle));

    private static System.Text.Json.JsonSerializerOptions PlanStyle { get; } = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
