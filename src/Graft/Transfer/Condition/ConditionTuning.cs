using System.Text.Json.Serialization;
using Graft.Conditions;
using Graft.Data;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer.ConditionParts;

namespace Graft.Transfer;

/// <summary>
/// ANL, condition tuning (You and Zhao: "Transferring Pretrained Diffusion Probabilistic Models", 2022; docs/methods/anl.md says what is
/// known of it and what is ours): the source U-Net stays frozen, and modules inserted behind its residual blocks, fed by the CLIP embedding of
/// the training picture itself, are trained with L_simple. Samples are drawn from the embeddings of the target's pictures.
/// </summary>
public sealed record ConditionTuning : TransferMethod
{
    internal const string MethodName = "anl";

    /// <summary>Makes the method with settings of its own: batches of 32 and 4,000 steps as in the paper's figure 1, AdamW without averages.</summary>
    public ConditionTuning() => Training = new TrainingOptions { Steps = 4000, BatchSize = 32, LearningRate = 1e-4 };

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>The module.</summary>
    public AnlVariant Variant { get; init; }

    /// <summary>Behind which residual blocks it stands.</summary>
    public AnlPlaces Places { get; init; }

    /// <summary>Of the variant existing: whether the source's transformers start from new weights, with outputs of zero, and not from their own.</summary>
    public bool Restart { get; init; }

    /// <summary>Only on the way up: what lies before it then runs without gradients.</summary>
    public bool DecoderOnly { get; init; }

    /// <summary>Whether the modules see conditions; false is the paper's ablation, in which attention falls back to the tokens themselves.</summary>
    public bool Conditional { get; init; } = true;

    /// <summary>Where the encoder of condition pictures lies: a folder or file of CLIP, a hub id, or a folder of a classifier of Graft's.</summary>
    public string? Encoder { get; init; }

    /// <summary>A file that keeps the embeddings of pictures for the next run; null: nothing is kept.</summary>
    public string? EncoderCache { get; init; }

    /// <summary>The encoder itself, in place of <see cref="Encoder"/>; the caller disposes it.</summary>
    [JsonIgnore]
    public IConditionEncoder? ConditionEncoder { get; init; }

    /// <summary>Share of draws whose condition is dropped (to zeros), for classifier-free guidance. Not known of the paper; 0 leaves it out.</summary>
    public double ConditionDropout { get; init; }

    /// <summary>Heads of the full module's attentions; latent diffusion's ImageNet model has 1.</summary>
    public long Heads { get; init; } = 1;

    /// <summary>Hidden channels of the lean module's map, in multiples of the block's.</summary>
    public long Expansion { get; init; } = 1;

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        if (Heads is < 1 or > AnlLayout.LargestHeads)
            throw new InputException($"The option heads is {Heads}: give 1 to {AnlLayout.LargestHeads}.");
        if (Expansion is < 1 or > AnlLayout.LargestExpansion)
            throw new InputException($"The option expansion is {Expansion}: give 1 to {AnlLayout.LargestExpansion}.");
        if (!(ConditionDropout >= 0 && ConditionDropout < 1))
            throw new InputException(FormattableString.Invariant($"The option condition_dropout is {ConditionDropout}: give 0 to below 1."));
        if (Restart && Variant != AnlVariant.Existing)
            throw new InputException("The option restart is for variant existing: the modules of the others are new anyway.");
        if (!Conditional && Variant == AnlVariant.Existing)
            throw new InputException("The source's own transformers look at a context: with variant existing, conditional must be true.");
        if (!Conditional && (Encoder is not null || ConditionEncoder is not null || ConditionDropout > 0))
            throw new InputException("With conditional false there are no conditions: leave out encoder and condition_dropout.");
        var encoder = !Conditional ? null : ConditionEncoder ?? ConditionEncoders.Load(Encoder, source.Device);
        var model = source.Clone();
        try
        {
            var attachment = TorchRuntime.Run(() =>
            {
                var made = new AnlAttachment(model.Network, new AnlLayout(Variant, Places, DecoderOnly, encoder?.Dimension ?? 0, Heads, Expansion));
                made.Start(Seed, Restart);
                return made;
            });
            model.Attach(attachment);
            var stage = DenoisingStage.Create(
                Name, model, target, Training, [.. attachment.Parameters()], encoder is null ? null : items => ConditionsOf(encoder, items, attachment), attachment.ReplacesClasses);
            return new Adaptation(model, [stage]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
        finally
        {
            if (ConditionEncoder is null)
                encoder?.Dispose();
        }

        ConditionTable Table(IConditionEncoder encoder, ISampleSource items) => ConditionTable.Encode(encoder, items, Encoder, EncoderCache);

        ItemConditions ConditionsOf(IConditionEncoder encoder, ISampleSource items, AnlAttachment attachment)
        {
            // The stage asks for what is trained on first; held-out items are none to draw from.
            var own = Table(encoder, items);
            attachment.Conditions ??= own;
            var mirrored = Training.Flip ? Table(encoder, new MirroredImages(items.Pictures("The training option flip mirrors"))) : null;
            return new ItemConditions(own, mirrored, ConditionDropout, Seed);
        }
    }
}
