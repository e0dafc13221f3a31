using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Cli.Commands;

/// <summary><c>graft augment</c>.</summary>
internal static class AugmentCommand
{
    internal static Command Create()
    {
        var recipe = new Argument<string?>("RECIPE")
        {
            Description = "A YAML file with the same keys as the options, which override it; may be left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var source = new Option<string?>("--source") { Description = "The pretrained model: a diffusers folder." };
        var target = new Option<string?>("--target") { Description = "A folder of pictures with a sub-folder for each class; with --labels any folder of pictures." };
        var labels = new Option<string?>("--labels") { Description = "A CSV file with the columns file_name and label: the class of each picture of --target." };
        var method = new Option<string?>("--method") { Description = $"The method: anl is adapted once for all classes, any other ({string.Join(", ", TransferMethods.All.Select(m => m.Name).Where(n => n != "anl"))}) to each class alone." };
        var output = new Option<string?>("--out") { Description = "Where pictures, labels.csv, augmentation.json, grid.png and the runs go." };
        var count = new Option<int?>("--count", "-n") { Description = "Pictures of each class; without it 100." };
        var steps = new Option<long?>("--steps") { Description = "Optimiser steps of an adaptation; without it the method's default." };
        var seed = new Option<long?>("--seed") { Description = "Seed of the adaptations; without it 0." };
        var sampler = new Option<string?>("--sampler") { Description = $"How to draw: {string.Join(" or ", Sampler.Names)}; without it ddim." };
        var sampleSteps = new Option<int?>("--sample-steps") { Description = "Network evaluations for each picture; without it 50." };
        var sampleSeed = new Option<long?>("--sample-seed") { Description = "Which pictures; without it 0." };
        var judge = new Option<string?>("--judge") { Description = "A classifier's folder: say how many of the pictures it takes for what they are labelled as." };
        var device = CommonOptions.Device();
        var size = new Option<string?>("--size") { Description = "One of the recipe's sizes, as ci, small or full." };
        var (set, dryRun) = (CommonOptions.Set(), CommonOptions.DryRun());
        var command = new Command("augment", "Draw more labelled pictures from a few: adapt a model to them and sample each class; what is finished is not run again.")
        {
            recipe, source, target, labels, method, output, count, steps, seed, sampler, sampleSteps, sampleSeed, judge, device, size, set, dryRun,
        };
        command.SetAction((parsed, token) =>
        {
            var json = parsed.GetValue(recipe) is { } file ? Recipe.Read(file) : [];
            CommonOptions.Override(json, parsed.GetValue(size), []);
            Put(json, "source", parsed.GetValue(source));
            if (parsed.GetValue(target) is { } folder)
                json["target"] = new JsonObject { ["folder"] = folder, ["labels_from_folders"] = parsed.GetValue(labels) is null };
            if (parsed.GetValue(labels) is { } csv)
                Recipe.Set(json, $"target.labels_csv={JsonSerializer.Serialize(csv)}");
            Put(json, "method", parsed.GetValue(method));
            Put(json, "out", parsed.GetValue(output));
            Put(json, "samples_per_class", parsed.GetValue(count));
            Put(json, "sampler", parsed.GetValue(sampler));
            Put(json, "sample_steps", parsed.GetValue(sampleSteps));
            Put(json, "sample_seed", parsed.GetValue(sampleSeed));
            Put(json, "judge", parsed.GetValue(judge));
            if (parsed.GetResult(device) is { Implicit: false })
                json["device"] = parsed.GetRequiredValue(device);
            if (parsed.GetValue(steps) is { } number)
                Recipe.Set(json, $"training.steps={number}");
            if (parsed.GetValue(seed) is { } drawn)
                Recipe.Set(json, $"training.seed={drawn}");
            CommonOptions.Override(json, null, parsed.GetRequiredValue(set));
            foreach (var needed in (string[])["source", "target", "method", "out"])
            {
                if (json[needed] is null)
                    throw new InputException($"--{needed} is missing: `graft augment --help` shows what there is.");
            }

            var plan = Recipe.Bind<AugmentRecipe>(json, "recipe");
            var (prepared, _) = plan.Resolve();
            if (parsed.GetValue(dryRun))
            {
                CommonOptions.PrintPlan(Recipe.Describe(plan with
                {
                    MethodOptions = Recipe.Describe(prepared),
                    Training = Recipe.Describe(prepared.Training),
                }));
                return Task.FromResult(0);
            }

            var record = ProgressDisplay.Train(progress => plan.Run(new TrainingRun { Progress = progress, Logger = Terminal.Logger, CancellationToken = token }));
            var classes = ((JsonArray)record.Json["classes"]!).Count;
            Terminal.Result($"{classes * plan.SamplesPerClass} pictures of {classes} classes are in {Path.Combine(plan.Out, "pictures")}, their labels in {Path.Combine(plan.Out, "labels.csv")}, a sheet in {Path.Combine(plan.Out, "grid.png")}; augmentation.json says where each comes from.");
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Put(JsonObject json, string key, JsonNode? value)
    {
        if (value is not null)
            json[key] = value;
    }
}
