using Graft.Charts;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Sampling;

namespace Graft.Cli.Commands;

/// <summary>What <c>graft sample</c> does with a model that makes no pictures: a file of its items and, of points in the plane and of ECGs, a picture.</summary>
internal sealed record ItemDrawing(
    DiffusionModel Model, int Count, Sampler Sampler, long Seed, int[] Labels, int? BatchSize, string? Ending, string? Target, string Out, CancellationToken Token)
{
    private const int UsualBatch = 1024;
    private const int UsualEcgs = 32;

    /// <summary>Sets of labels, as names or numbers with commas between; empty: as the model's training set has them.</summary>
    internal string[] LabelSets { get; init; } = [];

    /// <summary>Draws and writes.</summary>
    /// <returns>What came of it, in a line for people; null where another process writes.</returns>
    internal string? Run()
    {
        var ending = Ending ?? (Model.ItemShape.Rank == 1 ? ".csv" : ".safetensors");
        if (ending is not (".csv" or ".safetensors") || (ending == ".csv" && Model.ItemShape.Rank > 1))
            throw new InputException($"The model {Model.Origin} makes items of {Model.ItemShape}, which are no pictures: give --format {(Model.ItemShape.Rank == 1 ? "csv or " : "")}safetensors.");
        var real = Target is not null && Model.Ecg is not null ? RealOf(Target, Model) : null;
        var density = Target is null || real is not null ? null : DensityOf(Target, Model);
        var batch = BatchSize ?? (Model.ItemShape.Rank == 1 ? UsualBatch : UsualEcgs);
        if (LabelSets.Length > 0 && Labels.Length > 0)
            throw new InputException("--label and --labels exclude each other: give one of them.");
        var sets = Array.ConvertAll(LabelSets, SetOf);
        var items = ProgressDisplay.Sample("sampling", progress => sets.Length > 0
            ? Model.SampleLabelled(Count, Sampler, Seed, sets, batch, progress, Token)
            : Model.SampleValues(Count, Sampler, Seed, Labels.Length == 0 ? null : Labels, batch, progress, Token));
        if (Model.Processes is { Rank: > 0 })
            return null;
        var file = Path.Combine(Out, "samples" + ending);
        SampleFile.Write(file, items);
        if (items.Ecg is not null)
        {
            var sheet = Path.Combine(Out, "samples.png");
            AtomicFile.Write(sheet, stream => stream.Write(ImageCodec.EncodePng(EcgSheet.Draw(items, real?.Set))));
            return $"{items.Count} ECGs are in {file}, the first of them on {sheet}{(real is null ? "" : " beside real ones")}.";
        }

        if (!PointPlots.Fits(items))
            return $"{items.Count} items of {items.ItemShape} are in {file}.";
        var plot = Path.Combine(Out, "samples.png");
        AtomicFile.Write(plot, stream => stream.Write(ImageCodec.EncodePng(PointPlots.Samples(items, density))));
        return $"{items.Count} points are in {file}, and on {plot}.";
    }

    private static EcgItems RealOf(string target, DiffusionModel model)
    {
        var items = DataReference.Of(target).Data.Ecg?.Open()
            ?? throw new InputException($"--target {target} names no ECGs, which could be drawn beside the model's: give a recipe whose target or data is ecg.");
        return items.ItemShape == model.ItemShape
            ? items
            : throw new InputException($"--target {target} holds ECGs of {items.ItemShape}, and the model {model.Origin} makes {model.ItemShape}.");
    }

    /// <summary>A set of labels by names or numbers; a dash is the empty set.</summary>
    private IReadOnlyList<int> SetOf(string text) => text == "-" ? [] :
    [
        .. text.Split(',', StringSplitOptions.TrimEntries).Select(part =>
        {
            var at = Model.Ecg?.Card.Classes.ToList().IndexOf(part) ?? -1;
            return at >= 0 ? at : int.TryParse(part, System.Globalization.NumberStyles.None, null, out var number)
                ? number
                : throw new InputException($"--labels says '{part}', which is no class of the model {Model.Origin}{(Model.Ecg is { Card.Classes.Count: > 0 } known ? $": {string.Join(", ", known.Card.Classes)}" : ", and no number of one")}.");
        }),
    ];

    private static GaussianMixture DensityOf(string target, DiffusionModel model)
    {
        var density = DataReference.Of(target).Data.Mixture?.Create()
            ?? throw new InputException($"--target {target} names no mixture, whose density could be drawn: give a recipe whose target or data is a mixture.");
        return new ItemShape(density.Dimensions) == model.ItemShape
            ? density
            : throw new InputException($"--target {target} is {density} in {density.Dimensions} dimensions, and the model {model.Origin} makes items of {model.ItemShape}.");
    }
}
