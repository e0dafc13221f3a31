using System.Globalization;
using System.Security.Cryptography;
using Graft.Data;
using Graft.Evaluation;
using Graft.Inspection;
using Graft.Networks.Clip;
using Graft.Conditions;
using Graft.Recipes;
using Graft.Tests.Data;
using Graft.Torch;
using Xunit.Abstractions;

namespace Graft.Tests.Networks.Clip;

/// <summary>The shipped pair of towers.</summary>
public class GraftClipTests(ITestOutputHelper output)
{
    private const string Sha256 = "5719b0f66d1f4ce9179eccc5352f8beddee9433d14a8a129b694b01386a81f46";
    private const int Few = 1000;
    private static readonly string[] Names = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
    private static readonly string[] Templates = ["{}", "a photo of a {}", "a picture of a {}", "a grey picture of a {}"];

    private static string Folder => Path.Combine(SharedFiles.Repository, "models", "graft-clip");

    [Fact]
    public void The_shipped_weights_are_the_frozen_ones_and_say_what_they_are()
    {
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Folder, "model.safetensors")))).ShouldBe(Sha256);
        new DirectoryInfo(Path.Combine(SharedFiles.Repository, "models")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length).ShouldBeLessThan(30_000_000);
        var inspection = ModelInspection.Of(Folder);
        inspection.Description.ShouldStartWith("an image-text pair trained with Graft, 'graft-clip', by CLIP's loss; it is not CLIP.");
        inspection.Warnings.ShouldBeEmpty();
        using var encoder = ConditionEncoders.Load(Folder);
        encoder.Name.ShouldStartWith("graft-clip ViT/8 of 32 x 32");
        encoder.Dimension.ShouldBe(64);
    }

    [Fact]
    public void The_recipe_is_the_one_of_these_names()
    {
        var json = Recipe.Read(Path.Combine(SharedFiles.Repository, "recipes", "graft-clip.yaml"));
        Recipe.ApplySize(json, "small");
        var fashion = ((ContrastiveRecipe)PretrainRecipes.Bind(json)).Sets["fashion"];
        fashion.Classes.ShouldBe(Names);
        fashion.Templates.ShouldBe(Templates);
    }

    [FashionFact]
    public void It_names_clothes_that_it_was_not_shown()
    {
        using var model = ImageTextModel.Load(Folder);
        var report = RetrievalReport.Measure(model, new ImageSubset(FashionMnist.Test(), [.. Enumerable.Range(0, Few)]), Names, Templates);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"named right, of the first {Few} test pictures: {report.First}; among five {report.AmongFive}"));
        report.First.Value.ShouldBeGreaterThan(0.75); // chance is 0.1
        report.AmongFive.Value.ShouldBeGreaterThan(0.95); // and 0.5
    }

    [FashionFact]
    public void Pictures_of_a_class_are_nearer_to_each_other_than_to_others() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var encoder = ClipImageEncoder.Load(Folder);
        var images = FashionMnist.Test();
        var vectors = ClipModel.Normalised(encoder.Encode([.. Enumerable.Range(0, 200).Select(images.ToPicture)]));
        var cosines = vectors.MatMul(vectors.Transpose(0, 1)).ToArray<float>();
        List<float> same = [], other = [];
        for (var i = 0; i < 200; i++)
        {
            for (var k = i + 1; k < 200; k++)
                (images.Label(i) == images.Label(k) ? same : other).Add(cosines[(i * 200) + k]);
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"mean cosine of two pictures of one class {same.Average():0.000}, of two classes {other.Average():0.000}"));
        (same.Average() - other.Average()).ShouldBeGreaterThan(0.2f);
    });
}
