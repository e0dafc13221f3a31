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
        var command = new Command("demo", "Adapt the shipped model of clothes to ten pictures of bags, and draw before and after side by side.")
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

        using var source = DiffusionModel.Load(model, Device.Parse("auto"));
        var target = ImageFolder.Open(targetFolder, source.Shape, null, Terminal.Warning, token);
        var sampler = Sampler.Ddim(SamplingSteps);
        var before = ProgressDisplay.Sample("drawing from the source", p => source.Sample(Pictures, sampler, seed, progress: p, cancellationToken: token));

        // Run again, the demo goes on where it stopped, or shows again what is finished.
        var method = new Finetune { Steps = steps, Seed = seed };
        var run = new TrainingRun { Folder = output, Resume = Directory.Exists(output), Logger = Terminal.Logger, CancellationToken = token };
        using var adapted = ProgressDisplay.Train(p => method.Adapt(source, target, run with { Progress = p }));
        var after = ProgressDisplay.Sample("drawing from the adapted model", p => adapted.Sample(Pictures, sampler, seed, progress: p, cancellationToken: token));

        var sheet = PictureGrid.Stack(
        [
            PictureGrid.WithTitle(before.ToGrid(Columns), "before: the source model", scale: 2),
            PictureGrid.WithTitle(after.ToGrid(Columns), "after: the same noise, adapted", scale: 2),
            PictureGrid.WithTitle(target.ToGrid(Columns), "the ten training pictures", scale: 2),
        ]);
        var picture = Path.Combine(output, "demo.png");
        ImageCodec.SavePng(picture, sheet);
        Explain(picture, output, before, after, target);
    }

    private static void Explain(string picture, string output, IImageSource before, IImageSource after, IImageSource target)
    {
        var meter = new MemorisationMeter(target);
        var (near, nearer) = (meter.Measure(before), meter.Measure(after));
        Terminal.Result("");
        Terminal.Result($"Look at        {picture}: before, after and the training pictures, the same noise in the same place.");
        Terminal.Result($"The model      {output}: a folder that `graft sample` and Hugging Face diffusers open.");
        Terminal.Result("");
        Terminal.Result("Median distance to the nearest of the ten training pictures (root mean square of pixels in 0..1):");
        Terminal.Result($"  before       {Number(near.MedianDistance)}   samples of the source model");
        Terminal.Result($"  after        {Number(nearer.MedianDistance)}   lower: the samples have moved to the new domain");
        Terminal.Result($"  among them   {Number(nearer.MedianLeaveOneOut!.Value)}   how far the training pictures lie from each other");
        Terminal.Result($"Copies         {nearer.Memorised} of the samples lie nearer to a training picture than half of that last number.");
        Terminal.Result("Plain fine-tuning is the baseline: the longer it runs, the more it copies. See --steps 1000 --out runs/demo-1000.");
    }

    private static string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
