using System.CommandLine;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Formats.LatentDiffusion;
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
        var input = new Argument<string>("INPUT") { Description = "guided-diffusion weights (.pt, .safetensors), a diffusers folder, bare weights under diffusers' names, or a checkpoint of SSSD-ECG or of CompVis' latent diffusion." };
        var output = new Argument<string>("OUTPUT") { Description = "A file that ends in .safetensors: bare weights; anything else: a diffusers folder." };
        var flags = new Option<string>(ModelFlags)
        {
            Description = "The flags that guided-diffusion weights were trained with, as \"--image_size 256 --num_head_channels 64 ...\" (default: those that a file written by Graft carries).",
        };
        var config = new Option<string>("--config") { Description = "For bare weights under diffusers' names: config.json, scheduler_config.json, or a folder with both. For latent diffusion: its yaml." };
        var firstStage = new Option<string>("--first-stage") { Description = "For latent diffusion: the file with the autoencoder, where it is another." };
        var names = new Option<string>("--names") { Description = "Names of bare weights: diffusers or guided-diffusion (default: diffusers)." };
        names.AcceptOnlyFromAmong("diffusers", "guided-diffusion");
        var order = new Option<string>("--attention-order") { Description = "With --names guided-diffusion: how queries, keys and values lie, legacy or new (default: legacy)." };
        order.AcceptOnlyFromAmong("legacy", "new");
        var force = new Option<bool>("--force") { Description = "Replace what is at OUTPUT (default: no).", DefaultValueFactory = _ => false };
        var dryRun = CommonOptions.DryRun();
        var command = new Command("convert", "Convert between guided-diffusion weights, diffusers folders and bare safetensors.")
        {
            input, output, flags, config, firstStage, names, order, force, dryRun,
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

            if (LatentDiffusionFile.Is(from))
            {
                if (parsed.GetValue(flags) is not null || parsed.GetValue(names) is not null || parsed.GetValue(order) is not null)
                    throw new InputException($"{from} is a checkpoint of latent diffusion: leave out --model-flags, --names and --attention-order; its yaml goes to --config.");
                return Latent(from, to, parsed.GetValue(config), parsed.GetValue(firstStage), parsed.GetValue(force), parsed.GetValue(dryRun));
            }

            if (parsed.GetValue(firstStage) is not null)
                throw new InputException($"{from} is no checkpoint of latent diffusion: leave out --first-stage.");
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

    /// <summary>A checkpoint of latent diffusion into a model's folder.</summary>
    private static int Latent(string input, string output, string? config, string? firstStage, bool force, bool dryRun)
    {
        CheckFolder(output, "latent diffusion", force);
        var options = config is null ? null : LatentDiffusionOptions.FromYaml(config);
        LatentDiffusionModel found;
        ScheduleOptions schedule;
        using (var file = LatentDiffusionFile.Open(input))
        {
            found = file.Describe(options);
            schedule = file.Schedule(found);
        }

        var network = found.Network;
        Line("network", $"{network.BlockOutChannels.Length} levels of {network.LayersPerBlock} residual blocks, channels {string.Join(", ", network.BlockOutChannels)}, "
            + (network.CrossAttentionDim is { } width ? $"spatial transformers over a context of width {width}" : "plain attention")
            + (network.NumClassEmbeds is { } classes ? $", {classes} classes" : "") + $", latents of {network.SampleSize} x {network.SampleSize}");
        Line("decoder", found.FirstStage is { } stage ? $"a codebook of {stage.NumVqEmbeddings} vectors of {stage.VqEmbedDim}, pictures {stage.Factor} times as high and wide as latents"
            : firstStage is null ? "none in the file: name the one that has it with --first-stage" : $"in {firstStage}");
        Line("schedule", $"T {schedule.NumTrainTimesteps}, {schedule.BetaSchedule}, predicts {schedule.PredictionType}");
        foreach (var note in found.Notes)
            Line("note", note);
        if (dryRun)
            return 0;
        using var model = DiffusionModel.LoadLatentDiffusion(input, options, firstStage);
        model.Save(output);
        Terminal.Result($"The model is in {output}.");
        return 0;
    }

    private static void Line(string label, string text) => Terminal.Result($"  {label.PadRight(LabelWidth)}  {text}");

    private static void CheckFolder(string output, string what, bool force)
    {
        if (output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            throw new InputException($"A checkpoint of {what} becomes a model's folder: give a folder instead of {output}.");
        if (!force && Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any())
            throw new InputException($"There is something at {output} already: give another folder, or --force.");
    }

    /// <summary>A checkpoint of SSSD-ECG into a model's folder.</summary>
    private static int Ecg(string input, string output, bool force, bool dryRun)
    {
        CheckFolder(output, "SSSD-ECG", force);
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
