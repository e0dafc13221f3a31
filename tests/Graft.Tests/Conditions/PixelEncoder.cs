using Graft.Conditions;
using Graft.Torch;

namespace Graft.Tests.Conditions;

/// <summary>The first ten pixels are the condition.</summary>
internal sealed class PixelEncoder : IConditionEncoder
{
    public int Dimension => 10;

    public string Name => "first pixels";

    public string Hash => "f1";

    public Tensor Encode(Tensor images) => images.Flatten(1).Slice(1, 0, Dimension);

    public void Dispose()
    {
        // Nothing is held.
    }
}
