using System.CommandLine;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;

namespace Graft.Cli.Commands;

/// <summary><c>graft convert</c>: model files to other model files.</summary>
internal static class ConvertCommand
{
    /// <summary>The one option whose value is made of options.</summary>
    internal const string ModelFlags = "--model-flags";

    private const int LabelWidth = 10;

    internal static Command Create()
    {
        var input = new Argument<string>("INPUT") { Description = "guided-diffusion weights (.pt, .safetensors), a diffusers folder, or bare weights under diffusers' names." };
        var output = new Argument<string>("OUTPUT") { Description = "A file that ends in .safetensors: bare weights; anything else: a diffusers folder." };
        var flags = new Option<string>(ModelFlags)
        {
            Description = "The flags that guided-diffusion weights were trained with, as \"--image_size 256 --num_head_channels 64 ...\" (default: those that a file written by Graft carries).",
        };
        var config = new Option<string>("--config") { Description = "For bare weights under diffusers' names: config.json, scheduler_config.json, or a folder with both." };
        var names = new Option<string>("--names") { Description = "Names of bare weights: diffusers or guided-diffusion (default: diffusers)." };
        names.AcceptOnlyFromAmong("diffusers", "guided-diffusion");
        var order = new Option<string>("--attention-order") { Description = "With --names guided-diffusion: how queries, keys and values lie, legacy or new (default: legacy)." };
        order.AcceptOnlyFromAmong("legacy", "new");
        var force = new Option<bool>("--force") { Description = "Replace what is at OUTPUT (default: no).", DefaultValueFactory = _ => false };
        var dryRun = CommonOptions.DryRun();
        var command = new Command("convert", "Convert between guided-diffusion weights, diffusers folders and bare safetensors.")
        {
            input, output, flags, config, names, order, force, dryRun,
        };
        command.SetAction(parsed =>
        {
            var conversion = ModelConversion.Plan(parsed.GetRequiredValue(input), parsed.GetRequiredValue(output), new ConversionOptions
            {
                ModelFlags = parsed.GetValue(flags) is { } text ? GuidedDiffusionFlags.Parse(text) : null,
                Configuration = parsed.GetValue(config),
                Names = parsed.GetValue(names) switch { null => null, "diffusers" => WeightNames.Diffusers, _ => WeightNames.GuidedDiffusion },
                AttentionOrder = parsed.GetValue(order) switch { null => null, "new" => AttentionOrder.New, _ => AttentionOrder.Legacy },
                Force = parsed.GetValue(force),
            });
            foreach (var (label, line) in conversion.Lines)
                Terminal.Result($"  {label.PadRight(LabelWidth)}  {line}");
            foreach (var note in conversion.Notes)
                Terminal.Result($"  {"note".PadRight(LabelWidth)}  {note}");
            if (parsed.GetValue(dryRun))
                return 0;
            conversion.Run();
            Terminal.Result($"The {(conversion.IsFolder ? "model is in" : "weights are")} {conversion.Output}.");
            return 0;
        });
        return command;
    }
}
