using System.CommandLine;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Networks;

namespace Graft.Cli.Commands;

/// <summary><c>graft convert</c>: model files to other model files.</summary>
internal static class ConvertCommand
{
    /// <summary>The one option whose value is made of options.</summary>
    internal const string ModelFlags = "--model-flags";

    private const int LabelWidth = 10;

    internal static Command Create()
    {
        var input = new Argument<string>("INPUT") { Description = "guided-diffusion weights (.pt, .safetensors), a diffusers folder, bare weights under diffusers' names, or a checkpoint of SSSD-ECG." };
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
            var (from, to) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(output));
            if (SssdCheckpoint.Is(from))
            {
                if (parsed.GetValue(flags) is not null || parsed.GetValue(config) is not null || parsed.GetValue(names) is not null || parsed.GetValue(order) is not null)
                    throw new InputException($"{from} is a checkpoint of SSSD-ECG, whose shapes say all: leave out --model-flags, --config, --names and --attention-order.");
                return Ecg(from, to, parsed.GetValue(force), parsed.GetValue(dryRun));
            }

            var conversion = ModelConversion.Plan(from, to, new ConversionOptions
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

    /// <summary>A checkpoint of SSSD-ECG into a model's folder.</summary>
    private static int Ecg(string input, string output, bool force, bool dryRun)
    {
        if (output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            throw new InputException($"A checkpoint of SSSD-ECG becomes a model's folder: give a folder instead of {output}.");
        if (!force && Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any())
            throw new InputException($"There is something at {output} already: give another folder, or --force.");
        using var model = DiffusionModel.LoadSssd(input);
        var options = (SssdDenoiserOptions)model.Network.Options;
        Terminal.Result($"  {"network".PadRight(LabelWidth)}  SSSD-ECG: {options.NumResLayers} residual blocks, {options.ResChannels} channels, {options.InChannels} leads of {options.SampleLength} samples, {options.LabelEmbedClasses} labels");
        Terminal.Result($"  {"schedule".PadRight(LabelWidth)}  T {model.Schedule.Count}, linear, as published (the file does not say): change scheduler/scheduler_config.json where it was another");
        if (dryRun)
            return 0;
        model.Save(output);
        Terminal.Result($"The model is in {output}.");
        return 0;
    }
}
