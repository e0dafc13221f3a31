using Graft.Benchmarks;
using Graft.Networks;

namespace Graft.Tests.Benchmarks;

/// <summary>The operations that GFLOP/s are computed from, against counts by hand.</summary>
public sealed class FlopCountTests
{
    [Fact]
    public void A_layer_counts_two_for_each_multiply_add()
    {
        // 5 outputs at each of 4 x 6 places, each a sum of 3 channels x 3 x 3 products.
        FlopCount.Conv2d(3, 5, 3, 4, 6).ShouldBe(2 * 5 * 24 * 27);
        FlopCount.Linear(7, 11).ShouldBe(2 * 77);
        // Four projections of 9 tokens, then 9 x 9 scores of 8 products and 9 x 8 mixtures of 9.
        FlopCount.Attention(8, 9).ShouldBe((4 * 2 * 9 * 64) + (2 * 81 * 8) + (2 * 72 * 9));
    }

    [Fact]
    public void A_network_counts_all_of_its_layers()
    {
        var options = new UNet2DOptions
        {
            InChannels = 1,
            OutChannels = 2,
            BlockOutChannels = [4, 8],
            LayersPerBlock = 1,
            DownBlockTypes = ["DownBlock2D", "AttnDownBlock2D"],
            UpBlockTypes = ["AttnUpBlock2D", "UpBlock2D"],
            NormNumGroups = 2,
            AttentionHeadDim = 4,
        };

        // Multiply-adds at 4 x 4 (16 places) and 2 x 2 (4 places); time embeddings are 16 wide.
        long ends = (1 * 4 * 9 * 16) + (4 * 2 * 9 * 16); // conv_in, conv_out
        long time = (4 * 16) + (16 * 16);
        long attention = (4 * 8 * 8 * 4) + (2 * 4 * 4 * 8); // four projections, scores and mixing
        var down = Block(4, 4, 16) + (4 * 4 * 9 * 4) + Block(4, 8, 4) + attention; // with the halving convolution
        var middle = (2 * Block(8, 8, 4)) + attention;
        var up = Block(8 + 8, 8, 4) + attention + Block(8 + 4, 8, 4) + attention // takes what conv_in's level gave last
            + (8 * 8 * 9 * 16) + Block(8 + 4, 4, 16) + Block(4 + 4, 4, 16);
        FlopCount.Forward(options, 4, 4).ShouldBe(2 * (ends + time + down + middle + up));

        static long Block(long inputs, long outputs, long places) =>
            (inputs * outputs * 9 * places) + (16 * outputs) + (outputs * outputs * 9 * places) + (inputs == outputs ? 0 : inputs * outputs * places);
    }

    [Fact]
    public void A_network_with_parts_that_are_not_counted_is_refused() =>
        Should.Throw<NotSupportedException>(() => FlopCount.Forward(new UNet2DOptions { NumClassEmbeds = 3 }, 32, 32));
}
