namespace Graft.Data;

/// <summary>Two sets of pictures of one shape as one, the second after the first. No copy; labels are the sets' own numbers.</summary>
public sealed class JoinedImages : IImageSource
{
    private readonly IImageSource _first;
    private readonly IImageSource _second;

    /// <summary>Joins.</summary>
    /// <param name="first">The first set.</param>
    /// <param name="second">The second.</param>
    /// <exception cref="InputException">The shapes differ.</exception>
    public JoinedImages(IImageSource first, IImageSource second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Shape != second.Shape)
            throw new InputException($"{first.Description} and {second.Description} are of different shapes: they must be the same.");
        (_first, _second) = (first, second);
    }

    /// <inheritdoc/>
    public int Count => checked(_first.Count + _second.Count);

    /// <inheritdoc/>
    public ImageShape Shape => _first.Shape;

    /// <inheritdoc/>
    public IReadOnlyList<string> Classes => _first.Classes;

    /// <inheritdoc/>
    public bool IsForJudging => _first.IsForJudging || _second.IsForJudging;

    /// <inheritdoc/>
    public string Description => $"{_first.Description}, and {_second.Description}";

    /// <inheritdoc/>
    public ReadOnlySpan<byte> this[int index] => index < _first.Count ? _first[index] : _second[index - _first.Count];

    /// <inheritdoc/>
    public string Name(int index) => index < _first.Count ? _first.Name(index) : _second.Name(index - _first.Count);

    /// <inheritdoc/>
    public int? Label(int index) => index < _first.Count ? _first.Label(index) : _second.Label(index - _first.Count);
}
