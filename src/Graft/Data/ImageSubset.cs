using Graft.Torch;

namespace Graft.Data;

/// <summary>Some pictures of a set, in the order given. No copy.</summary>
public sealed class ImageSubset : IImageSource
{
    private readonly IImageSource _images;
    private readonly int[] _indices;

    /// <summary>Picks pictures.</summary>
    /// <param name="images">The set.</param>
    /// <param name="indices">Which, at least one, 0 to the set's count - 1.</param>
    public ImageSubset(IImageSource images, IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(indices);
        ArgumentOutOfRangeException.ThrowIfZero(indices.Count, nameof(indices));
        foreach (var index in indices)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(indices));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, images.Count, nameof(indices));
        }

        _images = images;
        _indices = [.. indices];
    }

    /// <summary>How they were chosen, for the description: empty, or as <c> (4 a class, seed 1)</c>.</summary>
    internal string Choice { get; init; } = "";

    /// <summary>The indices in the whole set.</summary>
    public IReadOnlyList<int> Indices => _indices;

    /// <inheritdoc/>
    public int Count => _indices.Length;

    /// <inheritdoc/>
    public ImageShape Shape => _images.Shape;

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => _images.Classes;

    /// <inheritdoc/>
    public string Description => $"{Count}{Choice} of {_images.Description}";

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => _images[_indices[index]];

    /// <inheritdoc/>
    public string Name(int index) => _images.Name(_indices[index]);

    /// <inheritdoc/>
    public int? Label(int index) => _images.Label(_indices[index]);

    /// <summary>Which pictures to take where there are too many: a choice by the seed, in rising order; all where they are few enough.</summary>
    /// <param name="count">Pictures of the set.</param>
    /// <param name="most">At most so many, at least 1.</param>
    /// <param name="seed">Which.</param>
    /// <param name="purpose">What for: different purposes choose independently.</param>
    internal static int[] Choose(int count, int most, long seed, string purpose) => count <= most
        ? [.. Enumerable.Range(0, count)]
        : [.. new KeyedRandom(seed, purpose).Permutation(0, count).Take(most).Order()];
}
