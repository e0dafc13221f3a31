using Graft.Formats.Images;
using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Training;

/// <summary>
/// Batches of pictures and the names that they have, of several sets. Each set goes through its pictures in epochs of its own, so that a batch
/// smaller than a set with a name for each picture has every name of it once, but where two epochs meet. Everything is a function of (seed,
/// draw number).
/// </summary>
public sealed class ContrastiveBatches : IBatchSource
{
    private readonly CaptionedImages[] _sets;
    private readonly NameTokenizer _tokenizer;
    private readonly ClipImageProcessor _processor;
    private readonly int _longest;
    private readonly EpochOrder[] _orders;
    private readonly Augmentation[] _augmentations;
    private readonly KeyedRandom _templates;
    private readonly (int Set, int Place)[] _cycle;

    /// <summary>Prepares batches.</summary>
    /// <param name="sets">At least one.</param>
    /// <param name="tokenizer">How texts become tokens.</param>
    /// <param name="processor">How pictures are prepared, after they were varied.</param>
    /// <param name="longest">Most tokens of a text.</param>
    /// <param name="options">The seed.</param>
    /// <exception cref="InputException">A picture has no name, or a value is out of range.</exception>
    public ContrastiveBatches(IReadOnlyList<CaptionedImages> sets, NameTokenizer tokenizer, ClipImageProcessor processor, int longest, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(sets);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfZero(sets.Count, nameof(sets));
        foreach (var set in sets)
            set.Validate();
        _sets = [.. sets];
        (_tokenizer, _processor, _longest) = (tokenizer, processor, longest);
        // Of each set its own seed, so that two sets of one size do not go in step.
        _orders = [.. _sets.Select((s, i) => new EpochOrder(s.Images.Count, Seed(i)))];
        _augmentations = [.. _sets.Select((s, i) => new Augmentation(s.Augmentation, s.Images.Shape, s.Flip, Seed(i)))];
        _templates = new KeyedRandom(options.Seed, "contrastive/templates");
        _cycle = [.. _sets.SelectMany((s, i) => Enumerable.Range(0, s.Share).Select(place => (i, place)))];

        long Seed(int set) => unchecked(options.Seed + (set * 0x9E3779B9L));
    }

    /// <inheritdoc/>
    public string Description => string.Join("; ", _sets.Select(s => $"{s.Images.Description}, {s.Names.Count} names"));

    /// <summary>
    /// The pictures of these draws, as the network takes them (not in [-1, 1]), and of each the number of its name among the batch's names in
    /// <see cref="Batch.ClassLabels"/>.
    /// </summary>
    /// <inheritdoc/>
    public Batch Read(long step, long[] items)
    {
        ArgumentNullException.ThrowIfNull(items);
        var pictures = new Picture[items.Length];
        for (var k = 0; k < items.Length; k++)
        {
            var (set, index, draw) = Find(items[k]);
            var shape = _sets[set].Images.Shape;
            var bytes = new byte[shape.Elements];
            _augmentations[set].Apply(_sets[set].Images[index], draw, bytes);
            pictures[k] = Picture.FromPlanes(bytes, shape.Channels, shape.Height, shape.Width);
        }

        var labels = Names(items).Labels;
        return new Batch(
            step, items, _processor.Prepare(pictures), Tensor.Zeros([items.Length], DType.Int64), Tensor.Empty([0]), Tensor.From(labels, items.Length));
    }

    /// <summary>
    /// Tokens of the different names among these draws, in the order in which they first come, each in a template of the set that it first comes
    /// from: int64 [M, L]. Names that are equal are one, whichever sets they are of.
    /// </summary>
    public Tensor Texts(long[] items)
    {
        var texts = Names(items).Texts;
        var (tokens, length) = _tokenizer.EncodeAll(texts, _longest);
        return Tensor.From(tokens, texts.Count, length);
    }

    /// <summary>The different names as texts, and which of them each draw has.</summary>
    internal (IReadOnlyList<string> Texts, long[] Labels) Names(long[] items)
    {
        var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
        var (texts, labels) = (new List<string>(), new long[items.Length]);
        for (var k = 0; k < items.Length; k++)
        {
            var (set, index, _) = Find(items[k]);
            var captions = _sets[set];
            var name = captions.Names[captions.Images.Label(index)!.Value];
            if (!numbers.TryGetValue(name, out labels[k]))
            {
                labels[k] = numbers[name] = texts.Count;
                texts.Add(captions.Text(name, _templates.Integer(0, items[k], 0, captions.Templates.Count)));
            }
        }

        return (texts, labels);
    }

    /// <summary>Which set a draw is of, which picture of it, and its number among the draws of that set.</summary>
    private (int Set, int Index, long Draw) Find(long item)
    {
        var (set, place) = _cycle[item % _cycle.Length];
        var draw = (item / _cycle.Length * _sets[set].Share) + place;
        return (set, _orders[set].IndexOf(draw), draw);
    }
}
