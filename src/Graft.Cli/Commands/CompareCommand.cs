using System.CommandLine;
using Graft.Comparison;
using Graft.Recipes;
using Graft.Training;

namespace Graft.Cli.Commands;

/// <summary><c>graft compare RECIPE.yaml</c>.</summary>
internal static class CompareCommand
{
    internal static Command Create()
    {
        var recipe = new Argument<string>("RECIPE") { Description = "A YAML file: source, targets, methods, seeds, steps to measure at (see recipes/)." };
        var size = new Option<string?>("--size") { Description = "One of the recipe's sizes, as ci, small or full; without it, the recipe as it stands." };
        var (set, dryRun) = (CommonOptions.Set(), CommonOptions.DryRun());
        var report = new Option<bool>("--report-only") { Description = "Write the report of what is finished, and run nothing (default: no).", DefaultValueFactory = _ => false };
        var command = new Command("compare", "Run several methods side by side and report; what is finished is not run again.") { recipe, size, set, dryRun, report };
        command.SetAction((parsed, token) =>
        {
            var json = Recipe.Read(parsed.GetRequiredValue(recipe));
            CommonOptions.Override(json, parsed.GetValue(size), parsed.GetRequiredValue(set));
            var plan = Recipe.Bind<CompareRecipe>(json, "recipe");
            plan.Check();
            if (parsed.GetValue(dryRun))
            {
                CommonOptions.PrintPlan(Recipe.Describe(plan));
                return Task.FromResult(0);
            }

            try
            {
                if (!parsed.GetValue(report))
                {
                    ProgressDisplay.Train(progress =>
                    {
                        using var run = new ComparisonRun(plan, new TrainingRun { Progress = progress, Logger = Terminal.Logger, CancellationToken = token });
                        run.Run();
                        return 0;
                    });
                }
            }
            finally
            {
                Report(plan);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static void Report(CompareRecipe plan)
    {
        var table = new ComparisonTable(plan);
        if (table.Progress.Done == 0)
            return;
        table.Write();
        Terminal.Result($"{table.Progress.Done} of {table.Progress.Of} cells: {ComparisonPage.Write(table)}, and results.md and results.json beside it.");
    }
}
