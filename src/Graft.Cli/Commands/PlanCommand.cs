using System.CommandLine;
using System.Globalization;
using Graft.Data;
using Graft.Formats;
using Graft.Planning;
using Graft.Recipes;
using Graft.Torch;
using Graft.Transfer;

namespace Graft.Cli.Commands;

/// <summary><c>graft plan</c>: which method, steps, batch, memory and time to expect, and why.</summary>
internal static class PlanCommand
{
    internal static Command Create()
    {
        var source = new Option<string?>("--source") { Description = "The pretrained model: a diffusers folder, or the hub id of a model that was pulled." };
        var target = new Option<string?>("--target") { Description = "The folder of your pictures." };
        var images = new Option<int?>("--images") { Description = "How many pictures there will be, where it is not all of --target; without --target, how many to plan for." };
        var method = new Option<string?>("--method") { Description = $"Plan for this method ({string.Join(", ", TransferMethods.All.Select(m => m.Name))}); without it for the one that measurements rank first." };
        var batch = new Option<int?>("--batch-size", "--batch") { Description = "Pictures of a step; without it as measured." };
        var copies = new Option<double>("--copies") { Description = "Largest share of copies among the samples that you put up with, 0 to 1.", DefaultValueFactory = _ => MethodChoice.UsualBar };
        var probe = new Option<bool>("--probe") { Description = $"Time {Probe.Steps} real steps on this machine; --probe false does without, and without libtorch.", DefaultValueFactory = _ => true };
        var table = new Option<string?>("--table") { Description = "A table that --distil wrote, in place of the project's own." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object instead of text (default: no).", DefaultValueFactory = _ => false };
        var distil = new Option<string[]>("--distil") { Description = "Plan nothing: make a table of the finished cells of these comparisons' recipes; may be repeated.", DefaultValueFactory = _ => [] };
        var size = new Option<string?>("--size") { Description = "With --distil: the size that was run, as ci, small or full." };
        var output = new Option<string?>("--out") { Description = "With --distil: the file it goes to; without it, it is printed." };
        var (set, device) = (CommonOptions.Set(), CommonOptions.Device());
        var command = new Command("plan", "Say which method, how many steps, which batch, memory and time to expect for your pictures, and why.")
        {
            source, target, images, method, batch, copies, probe, table, json, device, distil, size, set, output,
        };
        command.SetAction((parsed, token) =>
        {
            if (parsed.GetRequiredValue(distil) is { Length: > 0 } recipes)
            {
                Distil(recipes, parsed.GetValue(size), parsed.GetRequiredValue(set), parsed.GetValue(output));
                return Task.FromResult(0);
            }

            if (parsed.GetValue(source) is not { } path)
                throw new InputException("--source is missing: `graft plan --help` shows what there is.");
            if (parsed.GetValue(target) is null && parsed.GetValue(images) is null)
                throw new InputException("--target is missing: name the folder of your pictures, or say with --images how many to plan for.");
            if (parsed.GetValue(images) is < 1)
                throw new InputException("--images must be at least 1.");
            var known = parsed.GetValue(table) is { } file ? MeasuredTable.Read(file) : MeasuredTable.Own();
            var looked = PlanSource.Of(path);
            var folder = parsed.GetValue(target);
            IImageSource? pictures = folder is null
                ? null
                : new DataOptions { Folder = folder, MaxCount = parsed.GetValue(images) ?? 0 }.Open(looked.Shape, Terminal.Warning, token);
            var count = parsed.GetValue(images) is { } asked && (pictures is null || asked < pictures.Count) ? asked : pictures!.Count;
            var plan = Planner.Make(
                new PlanRequest
                {
                    Source = looked,
                    Pictures = count,
                    Method = parsed.GetValue(method),
                    BatchSize = parsed.GetValue(batch),
                    Bar = parsed.GetValue(copies),
                    Memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
                    OwnConvolutions = Functional.HasOwnConvolutions && !parsed.GetRequiredValue(device).StartsWith("cuda", StringComparison.Ordinal),
                },
                known);
            if (pictures is not null)
                plan = plan with { Warnings = [.. plan.Warnings, .. TargetCheck.Of(pictures, folder!, looked)] };
            if (parsed.GetValue(probe))
                plan = Timed(plan, looked, pictures, parsed.GetRequiredValue(device), token);
            if (parsed.GetValue(json))
                CommonOptions.PrintPlan(plan.ToJson(path, folder ?? "FOLDER"));
            else
                Print(plan, looked, pictures?.Description ?? $"{count} pictures, not looked at", folder ?? "FOLDER");
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Distil(string[] recipes, string? size, string[] set, string? output)
    {
        var table = new MeasuredTable
        {
            Comparisons = [.. recipes.Select(path =>
            {
                var json = Recipe.Read(path);
                CommonOptions.Override(json, size, set);
                return Distillation.Of(Recipe.Bind<CompareRecipe>(json, "recipe"), $"graft plan --distil {path}{(size is null ? "" : $" --size {size}")}{string.Concat(set.Select(s => $" --set {s}"))}");
            })],
        };
        if (output is null)
        {
            Terminal.Result(table.ToJsonText().TrimEnd());
            return;
        }

        AtomicFile.WriteText(output, table.ToJsonText());
        Terminal.Result($"The table is in {output}: {string.Join(", ", table.Comparisons.Select(c => $"{c.Cells[0]} of {c.Cells[1]} cells of {c.Name}"))}.");
    }

    private static Plan Timed(Plan plan, PlanSource source, IImageSource? pictures, string device, CancellationToken token)
    {
        var operations = source.Cost.Operations / 1e9 * NetworkCost.Training * plan.Method.Training.BatchSize;
        if (pictures is null || source.Options.IsClassConditional)
            return plan with { SecondsFrom = $"{plan.SecondsFrom} (no probe: {(pictures is null ? "there are no pictures" : "the source wants classes")})" };
        if (Device.Parse(device).Type == DeviceType.Cpu && operations > Probe.LargestStep)
            return plan with { SecondsFrom = string.Create(CultureInfo.InvariantCulture, $"{plan.SecondsFrom} (no probe: a step of {operations:0} GFLOP takes a processor minutes)") };
        Terminal.Note($"Timing {Probe.Steps} steps of {plan.Method.Name} on this machine (--probe false does without) …");
        using var model = DiffusionModel.Load(source.Path, Device.Parse(device));
        var result = Probe.Run(model, pictures, plan.Method, token);
        return plan with
        {
            Seconds = result.SecondsPerStep * plan.Method.Training.Steps,
            SecondsFrom = string.Create(CultureInfo.InvariantCulture, $"{result.SecondsPerStep:0.###} s a step, the median of {result.Steps} on this machine just now, {result.Threads} thread{(result.Threads == 1 ? "" : "s")}"),
        };
    }

    private static void Print(Plan plan, PlanSource source, string pictures, string folder)
    {
        var training = plan.Method.Training;
        Line("source", $"{source.Path}: {source.Shape.Height} x {source.Shape.Width} x {source.Shape.Channels}, {source.Cost.Parameters.ToString("#,0", CultureInfo.InvariantCulture)} parameters, {Number(source.Cost.Operations / 1e9)} GFLOP a picture");
        Line("target", pictures);
        Line("method", plan.Method.Name);
        Line("steps", $"{training.Steps} of {training.BatchSize} pictures{(training.Accumulation > 1 ? $", worked through in {training.Accumulation} parts" : "")}");
        Line("memory", $"about {Number(plan.Memory.Total / 1e9)} GB ({Number(plan.Memory.Weights / 1e9)} weights, {Number(plan.Memory.Training / 1e9)} optimiser and average, {Number(plan.Memory.Activations / 1e9)} activations), give or take {MemoryEstimate.Error * 100:0} %, beside 0.2 GB for the program");
        Line("time", plan.Seconds is { } seconds ? $"about {Time(seconds)} of training: {plan.SecondsFrom}" : plan.SecondsFrom);
        foreach (var reason in plan.Reasons)
            Line("why", reason);
        foreach (var warning in plan.Warnings)
            Line("mind", warning);
        if (plan.Measured is { } measured)
            Line("measured", $"{measured.Name}: {measured.Cells[0]} of {measured.Cells[1]} cells, seeds {string.Join(", ", measured.Seeds)}, source {measured.SourceSha256[..16]}{(measured.Versions.Count == 0 ? "" : $", graft {string.Join(", ", measured.Versions.Select(v => v[..Math.Min(v.Length, 14)]))}")}");
        Terminal.Result("");
        Terminal.Result(plan.Command(source.Path, folder));
    }

    private static void Line(string label, string text) => Terminal.Result($"{label,-9} {text}");

    private static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);

    private static string Time(double seconds) => seconds switch
    {
        < 90 => $"{seconds:0} seconds",
        < 5400 => $"{seconds / 60:0} minutes",
        < 172_800 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0.#} hours"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 86_400:0.#} days"),
    };
}
