using Graft.Networks;
using Graft.Planning;
using Graft.Torch;

namespace Graft.Tests.Planning;

/// <summary>Operations against counts by hand, parameters against networks that are built.</summary>
public sealed class NetworkCostTests
{
    [Fact]
    public void A_layer_counts_two_for_each_multiply_add()
    {
        // 5 outputs at each of 4 x 6 places, each a sum of 3 channels x 3 x 3 products.
        NetworkCost.Conv2d(3, 5, 3, 4, 6).ShouldBe(2 * 5 * 24 * 27);
        NetworkCost.Linear(7, 11).ShouldBe(2 * 77);
        // Four projections of 9 tokens, then 9 x 9 scores of 8 products and 9 x 8 mixtures of 9.
        NetworkCost.Attention(8, 9).ShouldBe((4 * 2 * 9 * 64) + (2 * 81 * 8) + (2 * 72 * 9));
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
        NetworkCost.Of(options, 4, 4).Operations.ShouldBe(2 * (ends + time + down + middle + up));

        static long Block(long inputs, long outputs, long places) =>
            (inputs * outputs * 9 * places) + (16 * outputs) + (outputs * outputs * 9 * places) + (inputs == outputs ? 0 : inputs * outputs * places);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"layers_per_block": 2, "resnet_time_scale_shift": "scale_shift", "out_channels": 2}""")]
    [InlineData("""{"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 4, "downsample_type": "resnet", "upsample_type": "resnet"}""")]
    [InlineData("""{"down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D"], "up_block_types": ["UpBlock2D", "ResnetUpsampleBlock2D"]}""")]
    [InlineData("""{"num_class_embeds": 5, "add_attention": false}""")]
    [InlineData("""{"class_embed_type": "timestep", "conv_resample": false}""")]
    [InlineData("""{"num_class_embeds": 3, "time_embedding_channels": 6}""")]
    [InlineData("""{"time_embedding_type": "fourier"}""")]
    [InlineData("""{"time_embedding_type": "learned", "num_train_timesteps": 50}""")]
    public void Parameters_are_those_of_the_network_that_is_built(string keys)
    {
        var json = TinyModel.Network.ToJson();
        foreach (var (key, value) in System.Text.Json.Nodes.JsonNode.Parse(keys)!.AsObject())
            json[key] = value?.DeepClone();
        var options = UNet2DOptions.FromJson(json, "of the test");
        var built = TorchRuntime.Run(() =>
        {
            using var network = new UNet2D(options);
            return network.ParameterCount;
        });
        NetworkCost.Of(options, 8, 8).Parameters.ShouldBe(built);
    }

    [Fact]
    public void The_paper_s_network_has_openai_s_number_of_parameters()
    {
        // 256x256_diffusion_uncond.pt holds 552,814,086: the settings of DDPM-PA's networks but for drop-out.
        var json = Graft.Recipes.Recipe.Read(Path.Combine(SharedFiles.Repository, "recipes/paper/ffhq-256.yaml"))["network"]!.AsObject();
        NetworkCost.Of(UNet2DOptions.FromJson(json, "of the test"), 256, 256).Parameters.ShouldBe(552_814_086);
    }
}
