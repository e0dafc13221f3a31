using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Recipes;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Cli.Commands;

/// <summary><c>graft adapt</c>.</summary>
internal static class AdaptCommand
{
    internal static Command Create()
    {
        var methods = string.Join("; ", TransferMethods.All.Select(m => $"{m.Name}: {m.Summary}"));
        var recipe = new Argument<string?>("RECIPE")
        {
            Description = "A YAML file with the same keys as the options, which override it; may be left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var source = new Option<string?>("--source") { Description = "The pretrained model: a diffusers folder." };
        var target = new Option<string?>("--target") { Description = "A folder of pictures of the new domain, of any sizes; for a model of points, a CSV or safetensors file." };
        var labels = new Option<string?>("--labels") { Description = "A CSV file with the columns file_name and label: the class of each picture of --target." };
        var method = new Option<string?>("--method") { Description = $"The method ({methods})." };
        var output = new Option<string?>("--out") { Description = "The run's folder, which becomes the adapted model." };
        var steps = new Option<long?>("--steps") { Description = "Optimiser steps; without it the method's default." };
        var seed = new Option<long?>("--seed") { Description = "Seed of everything that is drawn; without it 0." };
        var device = CommonOptions.Device();
        var size = new Option<string?>("--size") { Description = "One of the recipe's sizes, as ci, small or full." };
        var (set, dryRun, resume) = (CommonOptions.Set(), CommonOptions.DryRun(), CommonOptions.Resume());
        var tensorboard = CommonOptions.Tensorboard();
        var command = new Command("adapt", "Adapt a pretrained model to a few pictures of a new domain.")
        {
            recipe, source, target, labels, method, output, steps, seed, device, size, set, tensorboard, dryRun, resume,
        };
        command.SetAction((parsed, token) =>
        {
            var json = parsed.GetValue(recipe) is { } file ? Recipe.Read(file) : [];
            CommonOptions.Override(json, parsed.GetValue(size), []);
            Put(json, "source", parsed.GetValue(source));
            Put(json, "target", parsed.GetValue(target) is { } folder ? new JsonObject { [SampleFile.Is(folder) && !Directory.Exists(folder) ? "points" : "folder"] = folder } : null);
            if (parsed.GetValue(labels) is { } csv)
                Recipe.Set(json, $"target.labels_csv={JsonSerializer.Serialize(csv)}");
            Put(json, "method", parsed.GetValue(method));
            Put(json, "out", parsed.GetValue(output));
            if (parsed.GetResult(device) is { Implicit: false })
                json["device"] = parsed.GetRequiredValue(device);
            if (parsed.GetValue(steps) is { } number)
                Recipe.Set(json, $"training.steps={number}");
            if (parsed.GetValue(seed) is { } drawn)
                Recipe.Set(json, $"training.seed={drawn}");
            if (parsed.GetValue(tensorboard))
                Recipe.Set(json, "training.tensorboard=true");
            CommonOptions.Override(json, null, parsed.GetRequiredValue(set));
            foreach (var needed in (string[])["source", "target", "method", "out"])
            {
                if (json[needed] is null)
                    throw new InputException($"--{needed} is missing: `graft adapt --help` shows what there is.");
            }

            var plan = Recipe.Bind<AdaptRecipe>(json, "recipe");
            var prepared = plan.CreateMethod();
            if (parsed.GetValue(dryRun))
            {
                CommonOptions.PrintPlan(Recipe.Describe(plan with
                {
                    MethodOptions = Recipe.Describe(prepared),
                    Training = Recipe.Describe(prepared.Training),
                }));
                return Task.FromResult(0);
            }

            var (processes, own) = Processes.Join(plan.Device);
            using var group = processes;
            using var adapted = ProgressDisplay.Train(progress => (plan with { Device = own }).Run(
                new TrainingRun { Group = group, Resume = parsed.GetValue(resume), Progress = progress, Logger = Processes.LoggerOf(group), CancellationToken = token }));
            if (group is null or { Rank: 0 })
                Terminal.Result($"The adapted model is in {plan.Out}: `graft sample {plan.Out} -n 16 --out {Path.Combine(plan.Out, "pictures")}` draws from it.");
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
