using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;

namespace Graft.Transfer.GuidedParts;

/// <summary>
/// The labels that a source was trained on, of networks that take sets of labels. A target's may be others: what a source makes of a label that it
/// never saw hangs on the numbers that its row was begun with, and a guided source stays as it is. So it is not told of these.
/// </summary>
/// <param name="places">Places in the source's classes.</param>
/// <param name="classes">How many classes there are.</param>
internal sealed class LearntLabels(IReadOnlyList<int> places, int classes)
{
    private const string Key = "source_labels";

    /// <summary>Those of a source; null where it saw all of its labels, or nothing says which.</summary>
    internal static LearntLabels? Of(DiffusionModel source)
    {
        if (!source.Network.Options.TakesLabelSets || source.Ecg is not { LabelSets.Count: > 0 } record || record.Card.Classes.Count != source.Classes)
            return null;
        int[] seen = [.. record.LabelSets.SelectMany(s => s.Labels).Distinct().Order()];
        return seen.Length == source.Classes ? null : new LearntLabels(seen, (int)source.Classes);
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null where there is nothing.</summary>
    /// <exception cref="InputException">It is no list of classes.</exception>
    internal static LearntLabels? Read(JsonObject configuration, DenoisingNetwork network, string where)
    {
        if (!configuration.TryGetPropertyValue(Key, out var node))
            return null;
        var classes = network.Options.TakesLabelSets ? network.Options.Classes : 0;
        var places = (node as JsonArray)?.Select(p => p is JsonValue v && v.TryGetValue<int>(out var place) ? place : -1).ToArray();
        return places is not null && places.All(p => p >= 0 && p < classes)
            ? new LearntLabels(places, (int)classes)
            : throw new InputException($"The adapter's configuration {where} cannot be read: {Key} is no list of the source's classes, 0 to {classes - 1}.");
    }

    /// <summary>Into an adapter's configuration.</summary>
    internal void Write(JsonObject configuration) => configuration[Key] = new JsonArray([.. places.Select(p => (JsonNode)JsonValue.Create(p))]);

    /// <summary>Sets of labels [N, classes] without those that the source never saw.</summary>
    internal Tensor Of(Tensor labels)
    {
        var known = new float[classes];
        foreach (var place in places)
            known[place] = 1;
        return labels * Tensor.From(known, [1, classes]).To(labels.Device).To(labels.Type);
    }

    /// <summary>A set of labels, as places, without those that the source never saw.</summary>
    internal IReadOnlyList<int> Of(IReadOnlyList<int> labels) => [.. labels.Where(places.Contains)];

    /// <summary>A source that is asked without them.</summary>
    internal IDenoiser Around(IDenoiser source) => new Denoiser(source, this);

    private sealed class Denoiser(IDenoiser source, LearntLabels labels) : IDenoiser
    {
        public Tensor Predict(Tensor x, Tensor t, Condition? condition = null) =>
            source.Predict(x, t, condition is { ClassLabels: { } all } ? condition with { ClassLabels = labels.Of(all) } : condition);
    }
}
