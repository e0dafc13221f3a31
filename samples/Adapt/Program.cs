// Adapt the shipped model to ten pictures and draw from it, as a library user would write it:
//   dotnet run --project samples/Adapt -c Release      (from the project's folder, after ./graft has run once)
using Graft;
using Graft.Data;
using Graft.Evaluation;
using Graft.Sampling;
using Graft.Transfer;

using var source = DiffusionModel.Load("models/fashion-28");
var target = ImageFolder.Open("samples/targets/bag", source.Shape);
using var adapted = new Finetune { Steps = 100, Seed = 1 }.Adapt(source, target);
adapted.Save("runs/sample-adapt");

var pictures = adapted.Sample(16, Sampler.Ddim(steps: 25), seed: 1);
pictures.SaveGrid("runs/sample-adapt/grid.png");
Console.WriteLine($"Median distance to the nearest training picture: {new MemorisationMeter(target).Measure(pictures).MedianDistance:0.000}");
