using Graft.Data;
using Graft.Networks.Clip;

namespace Graft.Training;

/// <summary>Pictures whose classes have names, and how both are shown in contrastive training.</summary>
public sealed record CaptionedImages
{
    /// <summary>The pictures; each has a label.</summary>
    public required IImageSource Images { get; init; }

    /// <summary>The name of each class, by its label.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>Texts with <c>{}</c> in the name's place, one of which is drawn each time.</summary>
    public IReadOnlyList<string> Templates { get; init; } = ["{}"];

    /// <summary>So many of <c>share</c> draws of all sets are of this one.</summary>
    public int Share { get; init; } = 1;

    /// <summary>How pictures are varied.</summary>
    public AugmentationOptions Augmentation { get; init; } = new();

    /// <summary>Whether they are mirrored at random.</summary>
    public bool Flip { get; init; }

    /// <summary>Checks that every picture has a name, and every template a place for it.</summary>
    /// <exception cref="InputException">One has not.</exception>
    internal void Validate()
    {
        if (Share < 1)
            throw new InputException($"A set's share is {Share}: give 1 or more.");
        if (Templates.Count == 0 || Templates.FirstOrDefault(t => !t.Contains("{}", StringComparison.Ordinal)) is not null)
            throw new InputException("Every template has {} in the name's place, and there is one or more: as 'a photo of a {}'.");
        for (var i = 0; i < Images.Count; i++)
        {
            if (Images.Label(i) is not { } label || label < 0 || label >= Names.Count)
                throw new InputException($"The picture {Images.Name(i)} is of class {Images.Label(i)?.ToString() ?? "none"}, and {Names.Count} classes have names, from 0: give labels, and classes (or a column of names).");
        }
    }

    /// <summary>The text of a name.</summary>
    internal string Text(string name, long draw) => ImageTextModel.Fill(Templates[(int)draw], name);
}
