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
                CommonOptions.PrintPlan(Recipe.Describe(plan with { Runs = plan.Trainings }));
                return Task.FromResult(0);
            }

            var again = CommandLine(parsed.GetRequiredValue(recipe), parsed.GetValue(size), parsed.GetRequiredValue(set));
            try
            {
                if (!parsed.GetValue(report))
                {
                    ProgressDisplay.Train(progress =>
                    {
                        using var run = new ComparisonRun(plan, new TrainingRun { Progress = progress, Logger = Terminal.Logger, CancellationToken = token });
                        run.Run(() => Table(plan, again).Write());
                        return 0;
                    });
                }
            }
            finally
            {
                Report(plan, again);
            }

            return Task.FromResult(0);
        });
        return command;
    }

    private static void Report(CompareRecipe plan, string again)
    {
        var table = Table(plan, again);
        if (table.Progress.Done == 0)
            return;
        table.Write();
        Terminal.Result($"{table.Progress.Done} of {table.Progress.Of} cells: {ComparisonPage.Write(table)}, and results.md and results.json beside it.");
    }

    private static ComparisonTable Table(CompareRecipe plan, string again) => new(plan) { Command = again };

    /// <summary>The command that a reader of the table can paste into a shell.</summary>
    private static string CommandLine(string recipe, string? size, string[] set)
    {
        string[] words = ["graft", "compare", recipe, .. size is null ? (string[])[] : ["--size", size], .. set.SelectMany(s => (string[])["--set", s])];
        return string.Join(' ', words.Select(w => w.All(c => char.IsAsciiLetterOrDigit(c) || "-_./=:,".Contains(c, StringComparison.Ordinal)) ? w : $"'{w.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
    }
}
