using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;
using Graft.Formats;

namespace Graft.Networks;

/// <content>What a model needs to know of any network.</content>
public sealed partial record UNet2DOptions
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override long Classes => NumClassEmbeds ?? 0;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool MakesPictures => true;

    /// <inheritdoc/>
    public override (long Input, long Output) Channels() => (InChannels, OutChannels);

    /// <inheritdoc/>
    public override DenoisingNetwork Build() => new UNet2D(this);

    /// <inheritdoc/>
    public override ItemShape ShapeOf(string origin)
    {
        try
        {
            var (height, width) = SampleSize switch
            {
                JsonArray { Count: 2 } pair when pair[0] is { } h && pair[1] is { } w => ((int)h, (int)w),
                JsonValue one => ((int)one, (int)one),
                null => throw new InputException($"The network configuration of {origin} has no sample_size: add the edge of its pictures."),
                _ => throw new FormatException("neither a number nor a pair of them"),
            };
            // Each level but the last halves the picture, and the way up doubles it again: both must meet.
            var unit = 1 << (BlockOutChannels.Length - 1);
            if (height < 1 || width < 1 || InChannels * height * width > int.MaxValue)
                throw new InputException($"The network configuration of {origin} has sample_size {FileFault.Shorten(SampleSize.ToJsonString())}, which is no size of pictures.");
            if (height % unit != 0 || width % unit != 0)
                throw new InputException($"The network configuration of {origin} has sample_size {FileFault.Shorten(SampleSize.ToJsonString())}: a network of {BlockOutChannels.Length} levels takes multiples of {unit}.");
            return new ImageShape((int)InChannels, height, width);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or ArgumentException or OverflowException)
        {
            throw new InputException($"The network configuration of {origin} has sample_size {FileFault.Shorten(SampleSize?.ToJsonString() ?? "null")}, which is no size of pictures: give the edge, or [height, width].", e);
        }
    }
}
