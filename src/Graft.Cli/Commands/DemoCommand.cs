using System.CommandLine;
using System.Globalization;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats.Images;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Cli.Commands;

/// <summary><c>graft demo</c>: the shipped model adapted to ten pictures, with a picture to look at.</summary>
internal static class DemoCommand
{
    private const int Pictures = 32;
    private const int Columns = 8;
    private const int SamplingSteps = 50;

    internal static Command Create()
    {
        var steps = new Option<long>("--steps") { Description = "Optimiser steps.", DefaultValueFactory = _ => 250 };
        var seed = new Option<long>("--seed") { Description = "Seed of everything that is drawn.", DefaultValueFactory = _ => 1 };
        var target = new Option<string>("--target") { Description = "One of the shipped target sets: bag, dress or ankle-boot.", DefaultValueFactory = _ => "bag" };
        var output = new Option<string>("--out") { Description = "The run's folder.", DefaultValueFactory = _ => Path.Combine("runs", "demo") };
        var command = new Command("demo", "Adapt the shipped model of clothes to ten pictures of bags, by fine-tuning and by DDPM-PA, and draw all side by side.")
        {
            steps, seed, target, output,
        };
        command.SetAction((parsed, token) =>
        {
            Run(parsed.GetValue(steps), parsed.GetValue(seed), parsed.GetRequiredValue(target), parsed.GetRequiredValue(output), token);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Run(long steps, long seed, string targetName, string output, CancellationToken token)
    {
        var model = Shipped.Path("models", "fashion-28");
        var targetFolder = Shipped.Path("samples", "targets", targetName);
        Terminal.Note($"source  {model}: clothes and shoes of Fashion-MNIST, without bags, dresses and ankle boots");
        Terminal.Note($"target  {targetFolder}: ten pictures that the source never saw");

        var device = Device.Parse("auto");
        using var source = DiffusionModel.Load(model, device);
        using var features = new FeatureSpaces([Shipped.Path("models", "fashion-features")], device);
        var target = ImageFolder.Open(targetFolder, source.Shape, null, Terminal.Warning, token);
        var sampler = Sampler.Ddim(SamplingSteps);
        var drawn = new List<(string Name, string Title, IImageSource Samples)> { ("source", "the source model", Draw("the source", source)) };

        // Run again, the demo goes on where it stopped, or shows again what is finished.
        foreach (var (method, title) in new (TransferMethod, string)[] { (new Finetune(), "plain fine-tuning"), (new PairwiseAdaptation(), "DDPM-PA") })
        {
            Terminal.Note($"adapting by {title}");
            var folder = Path.Combine(output, method.Name);
            var run = new TrainingRun { Folder = folder, Resume = Directory.Exists(folder), Logger = Terminal.Logger, CancellationToken = token };
            using var adapted = ProgressDisplay.Train(p => (method with { Steps = steps, Seed = seed }).Adapt(source, target, run with { Progress = p }));
            drawn.Add((method.Name, title, Draw(title, adapted)));
        }

        var sheet = PictureGrid.Stack(
        [
            .. drawn.Select((d, i) => PictureGrid.WithTitle(d.Samples.ToGrid(Columns), i == 0 ? $"before: {d.Title}" : $"after {steps} steps of {d.Title}: the same noise", scale: 2)),
            PictureGrid.WithTitle(target.ToGrid(Columns), "the ten training pictures", scale: 2),
        ]);
        var picture = Path.Combine(output, "demo.png");
        ImageCodec.SavePng(picture, sheet);
        Explain(picture, output, [.. drawn.Select(d => (d.Name, Measure(d.Samples)))]);

        Samples Draw(string title, DiffusionModel from) =>
            ProgressDisplay.Sample($"drawing from {title}", p => from.Sample(Pictures, sampler, seed, progress: p, cancellationToken: token));

        Measured Measure(IImageSource samples)
        {
            var report = EvaluationReport.Of(
                new EvaluationInput { Samples = samples, Target = target, Training = target, Seed = seed },
                metrics: [.. EvaluationReport.Metrics, .. features.Metrics()], cancellationToken: token);
            return new Measured(Value("median_distance_ratio"), Value("memorised_share"), Value("intra_distance"));

            // The last report that has it is the feature network's; pixels come first.
            double Value(string name) => report.Reports.SelectMany(r => r.Values).Last(v => v.Name == name).Value ?? double.NaN;
        }
    }

    private static void Explain(string picture, string output, IReadOnlyList<(string Name, Measured Values)> rows)
    {
        Terminal.Result("");
        Terminal.Result($"Look at     {picture}: the same noise in the same place, before and after.");
        Terminal.Result($"The models  {Path.Combine(output, rows[^1].Name)}, and {rows[^2].Name} beside it: folders that `graft sample` and Hugging Face diffusers open.");
        Terminal.Result("");
        Terminal.Result($"Seen through models/fashion-features, {Pictures} samples each:");
        Terminal.Result("              distance   copies   diversity");
        foreach (var (name, values) in rows)
            Terminal.Result(string.Create(CultureInfo.InvariantCulture, $"  {name,-10}  {values.Distance,8:0.00}   {values.Copies,6:0%}   {values.Diversity,9:0.00}"));
        Terminal.Result("");
        Terminal.Result("distance    to the nearest training picture; 1 is as far as these lie from each other. Falling: the samples move to the new domain.");
        Terminal.Result("copies      share of samples nearer than half of that.");
        Terminal.Result("diversity   how far samples lie apart that resemble the same training picture. 0: all copies.");
        Terminal.Result("Fine-tuning moves fastest and copies soonest. docs/results/fashion-few-shot says which method is better where; try --target dress.");
    }

    private sealed record Measured(double Distance, double Copies, double Diversity);
}
