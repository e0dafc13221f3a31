using System.CommandLine;
using System.Globalization;
using Graft.Formats.Diffusers;
using Graft.Inspection;

namespace Graft.Cli.Commands;

/// <summary><c>graft inspect</c>: what a model is, without running it.</summary>
internal static class InspectCommand
{
    private const int LabelWidth = 12;

    internal static Command Create()
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "A model's folder (diffusers, adapter, classifier), or a weight file (.safetensors, .safetensors.index.json, .bin, .pt, .pth, .ckpt, .pkl); or ECGs: a WFDB header (.hea), a challenge's MATLAB file (.mat), a folder (PTB-XL, LUDB, CinC-2021, CPSC-2018).",
        };
        var parameters = new Option<bool>("--parameters")
        {
            Description = "List the name, type and shape of every tensor (default: no).",
            DefaultValueFactory = _ => false,
        };
        var json = new Option<bool>("--json")
        {
            Description = "Print one JSON object instead of text (default: no).",
            DefaultValueFactory = _ => false,
        };
        var plot = new Option<string?>("--plot") { Description = "ECGs: draw the (first) record as ECG paper to this PNG file." };
        var record = new Option<string?>("--record") { Description = "ECGs: the record of a folder that is meant, by name (default: the first 200)." };
        var command = new Command("inspect", "Say what a model or a weight file is; nothing in it is executed.") { model, parameters, json, plot, record };
        command.SetAction(parsed =>
        {
            if (EcgInspection.Is(parsed.GetValue(model)!))
            {
                EcgReport.Show(parsed.GetValue(model)!, parsed.GetValue(record), parsed.GetValue(plot), parsed.GetValue(json));
                return 0;
            }

            if (parsed.GetValue(plot) is not null || parsed.GetValue(record) is not null)
                throw new InputException($"There are no ECGs in {parsed.GetValue(model)} that are known; leave --plot and --record out, or check the path.");
            var inspection = ModelInspection.Of(parsed.GetValue(model)!);
            if (parsed.GetValue(json))
                Terminal.Result(inspection.ToJson(parsed.GetValue(parameters)));
            else
                Print(inspection, parsed.GetValue(parameters));
            return 0;
        });
        return command;
    }

    private static void Print(ModelInspection model, bool parameters)
    {
        Line(model.Path, "");
        Line("what", model.Description);
        if (model.Prefix.Length > 0)
            Line("prefix", $"the network's names begin with '{model.Prefix}'");
        if (model.PictureShape.Count == 3)
            Line("pictures", string.Join(" x ", model.PictureShape.Select(s => s == 0 ? "?" : s.ToString())) + (model.PictureShape[1] == 0 ? " (height and width unknown)" : ""));
        if (model.Architecture is { } architecture)
            PrintArchitecture(model, architecture);
        if (model.AttentionNames is { } names)
            Line("attention", names == AttentionNames.Old
                ? "names query, key, value, proj_attn (diffusers to 0.14; later versions read them too)"
                : "names to_q, to_k, to_v, to_out.0 (diffusers from 0.15)");
        if (model.Schedule is { } schedule)
        {
            Line("schedule", $"T {schedule.NumTrainTimesteps}, {schedule.BetaSchedule}, beta {Number(schedule.BetaFirst)} to {Number(schedule.BetaLast)}, "
                + $"predicts {schedule.PredictionType}, variance {schedule.VarianceType}, terminal SNR {Number(schedule.TerminalSnr)}");
        }

        if (model.Weights is not null)
        {
            Line("weights", $"{Grouped(model.ParameterCount)} parameters in {model.TensorCount} tensors, {Bytes(model.SizeOnDisk)}, "
                + $"{string.Join(", ", model.ElementTypes.Select(t => model.ElementTypes.Count == 1 ? t.Key : $"{t.Value} {t.Key}"))}, {model.Format}");
        }

        Lines("unknown keys", model.UnknownKeys, "kept, but they mean nothing here");
        Lines("defaults", model.DefaultedKeys, "absent, so diffusers' defaults hold");
        Lines("inferred", model.Inferred, "inferred from tensor shapes and names");
        Lines("unknown", model.NotInferable, "not in the file: it must be given");
        foreach (var note in model.Notes)
            Line("note", note);
        foreach (var warning in model.Warnings)
            Line("warning", warning);
        if (parameters)
            PrintTensors(model.Tensors);
        else if (model.Architecture is null && model.Prefixes.Count > 0)
            PrintPrefixes(model);
    }

    private static void PrintArchitecture(ModelInspection model, UNetArchitecture unet)
    {
        Line("network", $"{unet.Levels.Count} levels of {unet.LayersPerBlock} residual blocks, channels {string.Join(", ", unet.Levels.Select(l => l.Channels))}, "
            + $"resampling by {(unet.Resampling == "none" ? "nothing that has parameters" : unet.Resampling)}");
        var attending = unet.Levels.Select((l, i) => l switch
        {
            { AttentionDown: true, AttentionUp: true } => $"level {i}",
            { AttentionDown: true } => $"level {i} (down only)",
            { AttentionUp: true } => $"level {i} (up only)",
            _ => "",
        }).Where(w => w.Length > 0).ToList();
        var middle = unet is { MiddleAttention: true, ContextWidth: not null } ? "the middle" : unet.MiddleAttention ? $"the middle ({(unet.MiddleAttentionNorm ? "with" : "without")} group norm)" : "not in the middle";
        var heads = model.Configuration switch
        {
            null => "",
            { AttentionHeads: { } fixedHeads, AttentionHeadsUpsample: var up } => $", {fixedHeads} heads" + (up is null ? "" : $" ({up} on the way up)"),
            { AttentionHeadDim: { } size } => $", heads of {size} channels",
            _ => ", one head",
        };
        Line("attends", (attending.Count == 0 ? "at no level" : "at " + string.Join(", ", attending)) + "; " + middle + heads);
        if (unet.ContextWidth is { } context)
            Line("context", $"of width {context}, by spatial transformers of {unet.TransformerDepth} {(unet.TransformerDepth == 1 ? "block" : "blocks")}");
        Line("variance", unet.LearnsVariance ? $"learned: {unet.OutChannels} output channels for {unet.InChannels}" : $"not learned: {unet.OutChannels} output channels");
        var embedding = model.Configuration is { TimeEmbeddingType: "positional" } o
            ? $"positional embedding ({(o.FlipSinToCos ? "cos before sin" : "sin before cos")}, shift {Number(o.FreqShift)})"
            : unet.TimeEmbedding + " embedding";
        Line("time", $"{embedding}, {(unet.ScaleShift ? "scale and shift" : "added")}");
        var embedded = model.Configuration?.ClassEmbedType is { } type ? $"by {type} embedding" : "none";
        Line("classes", unet.Classes is { } classes ? classes.ToString() : embedded);
        if (model.Configuration is { } options)
        {
            Line("details", $"{options.NormNumGroups} groups, eps {Number(options.NormEps)}, {options.ActFn}, dropout {Number(options.Dropout)}, "
                + $"downsample padding {options.DownsamplePadding}, middle scale factor {Number(options.MidBlockScaleFactor)}"
                + (options.CenterInputSample ? ", input mapped to 2x - 1" : ""));
        }
    }

    private static void PrintPrefixes(ModelInspection model)
    {
        const int Shown = 24;
        var width = model.Prefixes.Take(Shown).Max(p => p.Prefix.Length);
        Terminal.Result("");
        Terminal.Result($"  {"names".PadRight(width)}  {"tensors",8}  {"elements",14}");
        foreach (var prefix in model.Prefixes.Take(Shown))
            Terminal.Result($"  {prefix.Prefix.PadRight(width)}  {prefix.Tensors,8}  {Grouped(prefix.Elements),14}");
        if (model.Prefixes.Count > Shown)
            Terminal.Result($"  and {model.Prefixes.Count - Shown} more: --parameters lists every tensor");
    }

    private static void PrintTensors(IReadOnlyList<InspectedTensor> tensors)
    {
        var width = tensors.Count == 0 ? 0 : tensors.Max(t => t.Name.Length);
        Terminal.Result("");
        foreach (var tensor in tensors)
            Terminal.Result($"  {tensor.Name.PadRight(width)}  {tensor.Type.ToString().ToLowerInvariant(),-8}  [{string.Join(", ", tensor.Shape)}]");
    }

    private static void Lines(string label, IReadOnlyList<string> items, string meaning)
    {
        if (items.Count > 0)
            Line(label, $"{string.Join(", ", items)} ({meaning})");
    }

    private static void Line(string label, string text) =>
        Terminal.Result(text.Length == 0 ? label : $"  {label.PadRight(LabelWidth)}  {text}");

    private static string Grouped(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    private static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):0.0} GiB",
        >= 1 << 20 => $"{bytes / (double)(1 << 20):0.0} MiB",
        >= 1 << 10 => $"{bytes / (double)(1 << 10):0.0} KiB",
        _ => $"{bytes} bytes",
    };
}
