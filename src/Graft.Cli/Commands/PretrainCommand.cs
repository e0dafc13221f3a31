using System.CommandLine;
using Graft.Recipes;
using Graft.Torch;
using Graft.Training;

namespace Graft.Cli.Commands;

/// <summary><c>graft pretrain RECIPE.yaml</c>.</summary>
internal static class PretrainCommand
{
    internal static Command Create()
    {
        var recipe = new Argument<string>("RECIPE") { Description = "A YAML file: data, network, schedule, training; or of another kind, as classifier, ecg_classifier, contrastive, fixmatch (see recipes/)." };
        var size = new Option<string?>("--size") { Description = "One of the recipe's sizes, as ci, small or full; without it, the recipe as it stands." };
        var (set, dryRun, resume) = (CommonOptions.Set(), CommonOptions.DryRun(), CommonOptions.Resume());
        var tensorboard = CommonOptions.Tensorboard();
        var command = new Command("pretrain", "Train a source model, a classifier or a pair of image and text towers from nothing, as a recipe says.") { recipe, size, set, tensorboard, dryRun, resume };
        command.SetAction((parsed, token) =>
        {
            var json = Recipe.Read(parsed.GetRequiredValue(recipe));
            CommonOptions.Override(json, parsed.GetValue(size), parsed.GetRequiredValue(set));
            if (parsed.GetValue(tensorboard))
                Recipe.Set(json, "training.tensorboard=true");
            var plan = PretrainRecipes.Bind(json);
            plan.Check();
            if (parsed.GetValue(dryRun))
            {
                CommonOptions.PrintPlan(Recipe.Describe(plan));
                return Task.FromResult(0);
            }

            using var group = Join(ref plan);
            var result = ProgressDisplay.Train(progress => plan.Train(
                new TrainingRun { Group = group, Resume = parsed.GetValue(resume), Progress = progress, Logger = Processes.LoggerOf(group), CancellationToken = token }));
            if (group is null or { Rank: 0 })
                Terminal.Result(result);
            return Task.FromResult(0);
        });
        return command;
    }

    /// <summary>Meets the other processes, where there are some; each computes on its own device.</summary>
    private static ProcessGroup? Join(ref IPretrainRecipe plan)
    {
        if (ProcessPlace.FromEnvironment() is null)
            return null;
        var denoiser = plan as PretrainRecipe ?? throw new InputException("Only recipes of kind denoiser are trained by several processes: run this one in one process.");
        var (group, device) = Processes.Join(denoiser.Device);
        plan = denoiser with { Device = device };
        return group;
    }
}
