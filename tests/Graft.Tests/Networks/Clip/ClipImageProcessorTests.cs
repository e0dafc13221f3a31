using System.Text.Json.Nodes;
using Graft.Formats.Images;
using Graft.Networks.Clip;
using Graft.Tests.Formats.Images;
using Graft.Torch;

namespace Graft.Tests.Networks.Clip;

public class ClipImageProcessorTests
{
    [Theory]
    [InlineData("gray_51x80.png")]
    [InlineData("rgb_97x61.jpg")]
    [InlineData("rgb_tiny_20x15.png")]
    [InlineData("rgba_130x75.png")]
    public void Crops_are_those_of_openais_transform_to_the_byte(string file)
    {
        var picture = ImageCodec.Load(PictureFixtures.Path("preprocess", file));
        foreach (var size in new[] { 32, 64 })
        {
            var key = $"{file.Replace('.', '_')}.crop_uint8_{size}";
            new ClipImageProcessor(ClipImageProcessorOptions.Standard(size, ClipProcessorKind.OpenAi)).Crop(picture).ShouldEqual(Expected(key), key);
            // Hugging Face's differs where there is alpha, and where a remainder is odd.
            if (size == 64)
            {
                new ClipImageProcessor(ClipImageProcessorOptions.Standard(size, ClipProcessorKind.HuggingFace)).Crop(picture)
                    .ShouldEqual(Expected(picture.HasAlpha ? key + "_rgb_first" : key), key);
            }
        }

        static Picture Expected(string key) => ImageCodec.Load(PictureFixtures.Path("preprocess", key + ".png"));
    }

    [Theory]
    [InlineData(5, 2, 2)]
    [InlineData(7, 3, 4)]
    [InlineData(1, 0, 0)]
    [InlineData(3, 1, 2)]
    public void The_middle_of_an_odd_remainder_is_each_ones_own(int remainder, int huggingFace, int openAi)
    {
        var picture = PictureFixtures.Noise(8 + remainder, 8, 3);
        Of(ClipProcessorKind.HuggingFace).ShouldEqual(picture.Crop(huggingFace, 0, 8, 8), "Hugging Face");
        Of(ClipProcessorKind.OpenAi).ShouldEqual(picture.Crop(openAi, 0, 8, 8), "openai");

        Picture Of(ClipProcessorKind kind) => new ClipImageProcessor(ClipImageProcessorOptions.Standard(8, kind)).Crop(picture);
    }

    [Fact]
    public void Numbers_are_normalised_colour_by_colour() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var picture = PictureFixtures.Noise(4, 4, 3);
        var values = new ClipImageProcessor(ClipImageProcessorOptions.Standard(4, ClipProcessorKind.HuggingFace)).Prepare([picture, picture.ToGrey()]).ToArray<float>();
        double[] mean = [0.48145466, 0.4578275, 0.40821073], deviation = [0.26862954, 0.26130258, 0.27577711];
        for (var c = 0; c < 3; c++)
        {
            for (var i = 0; i < 16; i++)
            {
                ((double)values[(c * 16) + i]).ShouldBe(((picture.Pixels[(i * 3) + c] / 255.0) - mean[c]) / deviation[c], 1e-6);
                ((double)values[48 + (c * 16) + i]).ShouldBe(((picture.ToGrey().Pixels[i] / 255.0) - mean[c]) / deviation[c], 1e-6);
            }
        }
    });

    [Fact]
    public void Todays_and_older_configurations_are_read()
    {
        var standard = ClipImageProcessorOptions.Standard(224, ClipProcessorKind.HuggingFace).ToString();
        Read("{}").ToString().ShouldBe(standard);
        Read("""{"size": 224, "crop_size": 224, "resample": 3, "feature_extractor_type": "CLIPFeatureExtractor"}""").ToString().ShouldBe(standard);
        Read("""{"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, "rescale_factor": 0.00392156862745098}""").ToString().ShouldBe(standard);
        var other = Read("""{"size": {"height": 30, "width": 20}, "do_center_crop": false, "resample": 2, "do_rescale": false, "do_normalize": false}""");
        other.Size.ShouldBe((30, 20));
        (other.Crop, other.RescaleFactor, other.Mean, other.Filter).ShouldBe((null, null, null, ResizeFilter.Bilinear));
        new ClipImageProcessor(other).Crop(PictureFixtures.Noise(9, 9, 4)).ToString().ShouldBe("20 x 30, 3 channels");
        foreach (var options in (ClipImageProcessorOptions[])[Read("{}"), other])
            ClipImageProcessorOptions.FromJson(options.ToJson(), "again").ToString().ShouldBe(options.ToString());
    }

    [Theory]
    [InlineData("""{"resample": 0}""", "resample 0")]
    [InlineData("""{"size": {"longest_edge": 3}}""", "size names neither")]
    [InlineData("""{"size": -1}""", "size -1")]
    [InlineData("""{"crop_size": {"height": 3}}""", "width 0")]
    [InlineData("""{"image_std": [0, 1, 1]}""", "image_std must be above 0")]
    [InlineData("""{"image_mean": [0, 1]}""", "three numbers")]
    [InlineData("""{"do_resize": "yes"}""", "neither true nor false")]
    public void A_configuration_that_cannot_be_followed_is_refused(string json, string said) =>
        Should.Throw<InputException>(() => Read(json)).Message.ShouldContain(said);

    [Fact]
    public void Too_small_a_picture_is_refused_where_nothing_enlarges_it() =>
        Should.Throw<InputException>(() => new ClipImageProcessor(Read("""{"do_resize": false}""")).Crop(PictureFixtures.Noise(300, 100, 3)))
            .Message.ShouldContain("smaller than the 224 x 224");

    private static ClipImageProcessorOptions Read(string json) => ClipImageProcessorOptions.FromJson(JsonNode.Parse(json)!.AsObject(), "test");
}
