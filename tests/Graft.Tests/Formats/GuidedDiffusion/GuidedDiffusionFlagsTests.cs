using Graft.Formats.GuidedDiffusion;

namespace Graft.Tests.Formats.GuidedDiffusion;

public class GuidedDiffusionFlagsTests
{
    [Fact]
    public void Flags_are_read_as_openai_s_readme_shows_them()
    {
        var flags = GuidedDiffusionFlags.Parse("""
            --attention_resolutions 32,16,8 --class_cond False --diffusion_steps 1000 --image_size 256 --learn_sigma True \
              --noise_schedule=linear --num_channels 256 --num_head_channels 64 --num_heads_upsample -1 --num_res_blocks 2 --dropout 0.1
              --channel_mult "1,1,2,2,4,4" --resblock_updown yes --use_fp16 True --use_scale_shift_norm t --timestep_respacing 250
            """);
        flags.AttentionResolutions!.Value.ShouldBe([32, 16, 8]);
        flags.ChannelMult!.Value.ShouldBe([1, 1, 2, 2, 4, 4]);
        (flags.ImageSize, flags.NumChannels, flags.NumResBlocks, flags.NumHeadChannels).ShouldBe((256, 256, 2, 64));
        (flags.NumHeads, flags.NumHeadsUpsample).ShouldBe((null, null));
        (flags.ClassCond, flags.LearnSigma, flags.ResblockUpdown, flags.UseScaleShiftNorm, flags.UseNewAttentionOrder).ShouldBe((false, true, true, true, null));
        (flags.Dropout, flags.NoiseSchedule, flags.DiffusionSteps).ShouldBe((0.1, "linear", 1000));
        flags.Notes.Length.ShouldBe(2);
        flags.Notes.ShouldContain(n => n.Contains("--timestep_respacing 250 is not used"));
        flags.Notes.ShouldContain(n => n.Contains("--use_fp16 is ignored"));
    }

    [Fact]
    public void Flags_are_written_so_that_they_are_read_again()
    {
        const string Text = "--image_size 64 --num_channels 32 --num_res_blocks 3 --channel_mult 0.5,1,2 --attention_resolutions 16,8 --num_heads 4 "
            + "--num_heads_upsample 2 --num_head_channels 16 --use_new_attention_order True --class_cond False --use_scale_shift_norm True --resblock_updown False "
            + "--dropout 0.25 --learn_sigma True --sigma_small False --predict_xstart True --diffusion_steps 4000 --noise_schedule cosine "
            + "--rescale_timesteps True --classifier_width 128 --classifier_depth 2 --classifier_attention_resolutions 32,16,8 "
            + "--classifier_use_scale_shift_norm True --classifier_resblock_updown True --classifier_pool spatial_v2";
        GuidedDiffusionFlags.Parse(Text).ToString().ShouldBe(Text);
        GuidedDiffusionFlags.Parse("").ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("--image_size", "has no value")]
    [InlineData("--image_size --class_cond True", "has no value")]
    [InlineData("--image_size 0", "it must be a whole number from 1")]
    [InlineData("--image_size 1e3", "it must be a whole number")]
    [InlineData("256", "where a flag is due")]
    [InlineData("--speed 3", "'--speed' is unknown")]
    [InlineData("--class_cond maybe", "it must be True or False")]
    [InlineData("--noise_schedule sigmoid", "it must be linear or cosine")]
    [InlineData("--attention_resolutions 16,x", "--attention_resolutions is 'x'")]
    [InlineData("--channel_mult 1,-2", "made of numbers above 0")]
    [InlineData("--dropout 2", "a number from 0 to 1")]
    [InlineData("--dropout NaN", "a number from 0 to 1")]
    [InlineData("--classifier_pool mean", "adaptive or attention")]
    public void Bad_flags_are_refused(string flags, string reason) =>
        Should.Throw<InputException>(() => GuidedDiffusionFlags.Parse(flags)).Message.ShouldContain(reason);
}
