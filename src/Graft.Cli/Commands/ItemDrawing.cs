using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Sampling;

namespace Graft.Cli.Commands;

/// <summary>What <c>graft sample</c> does with a model that makes no pictures: a file of its items and, of points in the plane, a plot.</summary>
internal sealed record ItemDrawing(
    DiffusionModel Model, int Count, Sampler Sampler, long Seed, int[] Labels, int? BatchSize, string? Ending, string? Target, string Out, CancellationToken Token)
{
    private const int UsualBatch = 1024;

    /// <summary>Draws and writes.</summary>
    /// <returns>What came of it, in a line for people.</returns>
    internal string Run()
    {
        var ending = Ending ?? (Model.ItemShape.Rank == 1 ? ".csv" : ".safetensors");
        if (ending is not (".csv" or ".safetensors") || (ending == ".csv" && Model.ItemShape.Rank > 1))
            throw new InputException($"The model {Model.Origin} makes items of {Model.ItemShape}, which are no pictures: give --format {(Model.ItemShape.Rank == 1 ? "csv or " : "")}safetensors.");
        var density = Target is null ? null : DensityOf(Target, Model);
        var items = ProgressDisplay.Sample("sampling", progress => Model.SampleValues(
            Count, Sampler, Seed, Labels.Length == 0 ? null : Labels, BatchSize ?? UsualBatch, progress, Token));
        var file = Path.Combine(Out, "samples" + ending);
        SampleFile.Write(file, items);
        if (!PointPlots.Fits(items))
            return $"{items.Count} items of {items.ItemShape} are in {file}.";
        var plot = Path.Combine(Out, "samples.png");
        AtomicFile.Write(plot, stream => stream.Write(ImageCodec.EncodePng(PointPlots.Samples(items, density))));
        return $"{items.Count} points are in {file}, and on {plot}.";
    }

    private static GaussianMixture DensityOf(string target, DiffusionModel model)
    {
        var density = DataReference.Of(target).Data.Mixture?.Create()
            ?? throw new InputException($"--target {target} names no mixture, whose density could be drawn: give a recipe whose target or data is a mixture.");
        return new ItemShape(density.Dimensions) == model.ItemShape
            ? density
            : throw new InputException($"--target {target} is {density} in {density.Dimensions} dimensions, and the model {model.Origin} makes items of {model.ItemShape}.");
    }
}
