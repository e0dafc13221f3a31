using System.CommandLine;
using Graft.Formats.Images;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Cli.Commands;

/// <summary><c>graft sample MODEL</c>.</summary>
internal static class SampleCommand
{
    internal static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model: a diffusers folder." };
        var count = new Option<int>("--count", "-n") { Description = "How many pictures, or other items.", DefaultValueFactory = _ => 16 };
        var sampler = new Option<string>("--sampler") { Description = $"How to draw: {string.Join(" or ", Sampler.Names)}.", DefaultValueFactory = _ => "ddim" };
        var steps = new Option<int>("--steps") { Description = "Network evaluations for each picture.", DefaultValueFactory = _ => 50 };
        var timesteps = new Option<string?>("--timesteps") { Description = "Training steps to visit, in place of --steps: 250 (evenly), 10,15,20 (so many in each third) or ddim25 (a whole stride)." };
        var eta = new Option<double>("--eta") { Description = "DDIM's noise: 0 (none) to 1 (as DDPM).", DefaultValueFactory = _ => 0 };
        var seed = new Option<long>("--seed") { Description = "Which pictures: the same seed draws the same.", DefaultValueFactory = _ => 0 };
        var clip = new Option<bool>("--clip") { Description = "Clip predicted pictures to [-1, 1] on the way; without these three as the model's configuration says." };
        var noClip = new Option<bool>("--no-clip") { Description = "Do not clip predicted pictures." };
        var threshold = new Option<double?>("--threshold") { Description = "Dynamic thresholding: clip to this quantile of each predicted picture, as 0.995, and scale it back." };
        var labels = new Option<int[]>("--label") { Description = "Class to draw, for a class-conditional model or one with condition pictures of classes; repeated in turn; without it all in turn.", DefaultValueFactory = _ => [] };
        var sets = new Option<string[]>("--labels") { Description = "For a model of ECGs, labels that an item has together, as AFIB,LVH (- for none); repeated in turn; without it sets are drawn as the training data have them.", DefaultValueFactory = _ => [] };
        var batch = new Option<int>("--batch-size") { Description = "Pictures at a time; changes the memory needed, not the pictures.", DefaultValueFactory = _ => 64 };
        var output = new Option<string>("--out") { Description = "Folder for the pictures and a sheet of them, grid.png (or .jpg); for points samples.csv, for ECGs samples.safetensors, and samples.png.", Required = true };
        var format = new Option<string>("--format") { Description = "Of the files: png (keeps every pixel) or jpg; of points, csv or safetensors (other items: safetensors).", DefaultValueFactory = _ => "png" };
        var target = new Option<string?>("--target") { Description = "A recipe whose mixture is drawn behind points, or whose ECGs beside the model's; nothing is without it." };
        var quality = new Option<int>("--quality") { Description = "Of JPEG files: 1 (smallest) to 100 (best).", DefaultValueFactory = _ => 95 };
        var (device, source) = (CommonOptions.Device(), CommonOptions.Source());
        var command = new Command("sample", "Draw pictures from a model: PNG or JPEG files and a sheet; or points: a CSV file and a plot.")
        {
            model, count, sampler, steps, timesteps, eta, clip, noClip, threshold, seed, labels, sets, batch, source, target, output, format, quality, device,
        };
        var conditions = new ConditionFlags();
        conditions.AddTo(command);
        var reuse = new ReuseFlags();
        reuse.AddTo(command);
        command.SetAction((parsed, token) =>
        {
            var number = parsed.GetValue(count);
            if (number < 1 || parsed.GetValue(batch) < 1)
                throw new InputException("--count and --batch-size must be at least 1.");
            var ending = parsed.GetRequiredValue(format).ToLowerInvariant() switch
            {
                "png" => ".png",
                "jpg" or "jpeg" => ".jpg",
                "csv" => ".csv",
                "safetensors" => ".safetensors",
                var other => throw new InputException($"Pictures cannot be written as '{other}': give --format png or jpg."),
            };
            if (parsed.GetValue(quality) is < 1 or > 100)
                throw new InputException("--quality must be from 1 to 100.");
            if (ending == ".png" && parsed.GetResult(quality) is { Implicit: false })
                throw new InputException("--quality is JPEG's, and PNG keeps every pixel: add --format jpg, or leave --quality out.");
            var how = Sampler.Parse(parsed.GetRequiredValue(sampler), parsed.GetValue(steps), parsed.GetValue(eta)) with
            {
                Clipping = ClippingOf(parsed.GetValue(clip), parsed.GetValue(noClip), parsed.GetValue(threshold)),
            };
            var (processes, own) = Processes.Join(parsed.GetRequiredValue(device));
            using var group = processes;
            using var loaded = DiffusionModel.Load(parsed.GetRequiredValue(model), Device.Parse(own), parsed.GetValue(source));
            loaded.Processes = group;
            conditions.Apply(parsed, loaded, token);
            reuse.Apply(parsed, loaded);
            if (parsed.GetValue(timesteps) is { } spec)
            {
                var visited = loaded.Schedule.Timesteps(spec);
                how = how with { Timesteps = visited, Steps = visited.Length };
            }

            var classes = parsed.GetRequiredValue(labels);
            if (!loaded.MakesPictures)
            {
                var plan = new ItemDrawing(
                    loaded, number, how, parsed.GetValue(seed), classes, parsed.GetResult(batch) is { Implicit: false } ? parsed.GetValue(batch) : null,
                    parsed.GetResult(format) is { Implicit: false } ? ending : null, parsed.GetValue(target), parsed.GetRequiredValue(output), token)
                {
                    LabelSets = parsed.GetRequiredValue(sets),
                };
                if (plan.Run() is { } said)
                    Terminal.Result(said);
                return Task.FromResult(0);
            }

            if (parsed.GetRequiredValue(sets).Length > 0)
                throw new InputException($"--labels is for models of ECGs, and the model {loaded.Origin} makes pictures: give --label.");
            if (ending is ".csv" or ".safetensors")
                throw new InputException($"The model {loaded.Origin} makes pictures, which are written with --format png or jpg.");
            if (parsed.GetValue(target) is not null)
                throw new InputException($"--target is drawn behind points, and the model {loaded.Origin} makes pictures: leave it out.");
            var samples = Draw("sampling", number);
            var error = ReuseFlags.Error(samples, n => Draw("the same exactly", n), loaded);
            if (group is { Rank: > 0 })
                return Task.FromResult(0);
            var folder = parsed.GetRequiredValue(output);
            samples.Save(folder, ending == ".png" ? ImageFormat.Png : ImageFormat.Jpeg, parsed.GetValue(quality));
            var grid = Path.Combine(folder, "grid" + ending);
            samples.SaveGrid(grid, quality: parsed.GetValue(quality));
            Terminal.Result($"{samples.Count} pictures are in {folder}, all of them on {grid}.");
            if (error is not null)
                Terminal.Result(error);
            return Task.FromResult(0);

            Samples Draw(string what, int n) => ProgressDisplay.Sample(what, progress => loaded.Sample(
                n, how, parsed.GetValue(seed), classes.Length == 0 ? null : classes, parsed.GetValue(batch), progress, token));
        });
        return command;
    }

    /// <summary>What the three options say of clipping; null where none is given.</summary>
    private static Clipping? ClippingOf(bool clip, bool noClip, double? threshold)
    {
        if ((clip ? 1 : 0) + (noClip ? 1 : 0) + (threshold is null ? 0 : 1) > 1)
            throw new InputException("--clip, --no-clip and --threshold exclude each other: give one of them.");
        if (threshold is { } ratio)
            return Clipping.Dynamic(ratio);
        return clip ? Clipping.To() : noClip ? Clipping.None : null;
    }
}
