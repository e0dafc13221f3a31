using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Diagnostics;
using Graft.Recipes;
using Graft.Torch;

namespace Graft.Cli.Commands;

/// <summary>
/// <c>graft profile MODEL</c>: where a training and a sampling step go (<see cref="ModelProfileReport"/>); <c>graft profile RECIPE</c>: what a training
/// step of each method of a comparison costs, side by side.
/// </summary>
internal static class ProfileCommand
{
    private const double Mebi = 1 << 20;
    private static readonly string[] RecipeFiles = [".yaml", ".yml", ".json"];

    internal static Command Create()
    {
        var what = new Argument<string>("MODEL|RECIPE") { Description = "A model's folder, or the hub id of one that was pulled; or a recipe of `graft compare`, whose source, methods and training settings are taken." };
        var rounds = new Option<int>("--rounds") { Description = "Steps of each pass, or method, that are timed, in turn.", DefaultValueFactory = _ => 10 };
        var batch = new Option<int>("--batch") { Description = "Of a model: items at once.", DefaultValueFactory = _ => 16 };
        var training = new Option<bool>("--training") { Description = "Of a model: the training step alone (default: both steps).", DefaultValueFactory = _ => false };
        var sampling = new Option<bool>("--sampling") { Description = "Of a model: the sampling step alone (default: both steps).", DefaultValueFactory = _ => false };
        var target = new Option<string?>("--target") { Description = "Of a recipe: which of its targets is trained on; without it the first." };
        var size = new Option<string?>("--size") { Description = "One of the recipe's sizes." };
        var json = new Option<bool>("--json") { Description = "Print JSON instead of tables (default: no).", DefaultValueFactory = _ => false };
        var set = CommonOptions.Set();
        var command = new Command("profile", "Measure where a model's training and sampling steps go: time and memory by operator and block. Of a recipe: what a training step of each method costs, side by side.")
        {
            what, rounds, batch, training, sampling, target, size, set, json,
        };
        Option[] ofModels = [batch, training, sampling], ofRecipes = [target, size, set];
        command.SetAction((parsed, token) =>
        {
            if (parsed.GetValue(rounds) < 1)
                throw new InputException("--rounds must be at least 1.");
            var path = parsed.GetRequiredValue(what);
            var isRecipe = RecipeFiles.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) && !Directory.Exists(path);
            if ((isRecipe ? ofModels : ofRecipes).FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } foreign)
                throw new InputException($"{foreign.Name} is for {(isRecipe ? "models, and this is a recipe" : "recipes, and this is no recipe (.yaml)")}: leave it out.");
            if (!isRecipe)
            {
                var (items, trained, drawn) = (parsed.GetValue(batch), parsed.GetValue(training), parsed.GetValue(sampling));
                if (items < 1)
                    throw new InputException("--batch must be at least 1.");
                using var model = DiffusionModel.Load(path);
                var profile = ProgressDisplay.Sample(
                    "profiling", progress => ModelProfile.Measure(model, items, parsed.GetValue(rounds), trained || !drawn, drawn || !trained, progress, token));
                if (parsed.GetValue(json))
                    CommonOptions.PrintPlan(ModelProfileReport.Describe(path, profile));
                else
                    ModelProfileReport.Print(profile);
                return Task.FromResult(0);
            }

            var read = Recipe.Read(path);
            CommonOptions.Override(read, parsed.GetValue(size), parsed.GetRequiredValue(set));
            var plan = Recipe.Bind<CompareRecipe>(read, "recipe");
            plan.Check();
            var name = parsed.GetValue(target) ?? plan.Targets.Keys.First();
            var costs = ProgressDisplay.Sample("profiling", progress => StepCost.Measure(plan, name, parsed.GetValue(rounds), Terminal.Warning, progress, token));
            var reference = costs.FirstOrDefault(c => c.Method == plan.Baseline) ?? costs[0];
            if (parsed.GetValue(json))
                CommonOptions.PrintPlan(Describe(plan, name, costs, reference));
            else
                Print(costs, reference);
            return Task.FromResult(0);
        });
        return command;
    }

    /// <summary>As Markdown, which goes into a document as it is.</summary>
    private static void Print(IReadOnlyList<StepCost> costs, StepCost reference)
    {
        var width = costs.Max(c => c.Method.Length);
        Terminal.Result($"| {"method".PadRight(width)} |    trained | of model | weights MiB | optimiser MiB | step MiB | ms a step | of {reference.Method} |");
        Terminal.Result($"|{new string('-', width + 2)}|-----------:|---------:|------------:|--------------:|---------:|----------:|---:|");
        foreach (var c in costs)
        {
            Terminal.Result(string.Create(
                CultureInfo.InvariantCulture,
                $"| {c.Method.PadRight(width)} | {c.Trained,10:N0} | {(double)c.Trained / c.Parameters,8:P1} | {c.WeightBytes / Mebi,11:0.0} | {c.OptimiserBytes / Mebi,13:0.0} | {c.StepBytes / Mebi,8:0.0} | {c.MedianSeconds * 1000,9:0.0} | {c.MedianSeconds / reference.MedianSeconds:0.00} |"));
        }
    }

    private static JsonObject Describe(CompareRecipe plan, string target, IReadOnlyList<StepCost> costs, StepCost reference) => new()
    {
        ["comparison"] = plan.Name,
        ["target"] = target,
        ["threads"] = TorchRuntime.Threads,
        ["reference"] = reference.Method,
        ["methods"] = new JsonArray([.. costs.Select(c => new JsonObject
        {
            ["method"] = c.Method, ["trained"] = c.Trained, ["parameters"] = c.Parameters, ["weight_bytes"] = c.WeightBytes, ["optimiser_bytes"] = c.OptimiserBytes,
            ["step_bytes"] = c.StepBytes, ["median_seconds"] = c.MedianSeconds, ["ratio"] = c.MedianSeconds / reference.MedianSeconds,
            ["seconds"] = new JsonArray([.. c.Seconds.Select(s => (JsonNode)s)]),
        })]),
    };
}
