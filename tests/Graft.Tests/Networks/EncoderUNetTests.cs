using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Networks;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks;

/// <summary>openai's classifiers of noised pictures: logits and the gradient that guides a sampler; and what their pools are.</summary>
public sealed class EncoderUNetTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    /// <summary>This one is in the repository: its weights are a formula.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("module.")]
    public void Adaptive_pooling_equals_openai(string prefix)
    {
        var fixture = Read(InRepository);
        var weights = FormulaWeights.Write(_temporary["classifier.safetensors"], fixture["parameter_shapes"]!.AsObject(), (double)fixture["gain"]!, prefix);
        Check(InRepository, weights, GuidedDiffusionFlags.Parse(
            "--num_head_channels 32 --use_new_attention_order True --classifier_pool adaptive --image_size 16 --classifier_attention_resolutions 8"));
    }

    [SharedFact("reference/classifier")]
    public void Attention_pooling_equals_openai()
    {
        var folder = SharedFiles.Reference("classifier", "attention_pool");
        Check(folder, Path.Combine(folder, "classifier.pt"), GuidedDiffusionFixture.ClassifierFlags);
    }

    /// <summary>No numbers of openai are at hand for these: the definition, computed from the network's own parts, is.</summary>
    [Theory]
    [InlineData(ClassifierPool.Spatial)]
    [InlineData(ClassifierPool.SpatialV2)]
    public void Spatial_pooling_reads_the_means_of_all_blocks(ClassifierPool pool) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var network = new EncoderUNet(new EncoderUNetOptions { Body = Body, Classes = 5, Pool = pool });
        network.Initialise(3);
        // 32 after the first convolution, 32 after the block, 32 after the halving, 64 after the next block, 64 after the middle.
        network.Parameters().Single(p => p.Name == "out.0.weight").Value.Shape.ToArray().ShouldBe([2048, 32 + 32 + 32 + 64 + 64]);
        var x = new KeyedRandom(1, "x").Normal(0, [0, 1], [3, 8, 8]);
        var t = Tensor.From([3L, 700L], 2);
        network.Forward(x, t).Shape.ToArray().ShouldBe([2, 5]);

        // With the second layer reading one hidden unit, and that unit the mean of the first channel of the first convolution, the
        // logit is that mean: any other order of the means gives another number.
        var parameters = network.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var second = pool == ClassifierPool.Spatial ? "out.2" : "out.3";
        foreach (var name in (string[])["out.0.weight", "out.0.bias", $"{second}.weight", $"{second}.bias"])
            parameters[name].Fill(0);
        parameters["out.0.weight"].Slice(0, 0, 1).Slice(1, 0, 1).Fill(1);
        parameters[$"{second}.weight"].Slice(0, 0, 1).Slice(1, 0, 1).Fill(1);
        var mean = Functional.Conv2d(x, parameters["conv_in.weight"], parameters["conv_in.bias"], padding: 1).Mean([2, 3]).Slice(1, 0, 1);
        var due = pool == ClassifierPool.Spatial
            ? Functional.Relu(mean)
            : Functional.Silu(Functional.GroupNorm(Tensor.Cat([mean, Tensor.Zeros([2, 2047])], 1), 32, parameters["out.1.weight"], parameters["out.1.bias"], 1e-5).Slice(1, 0, 1));
        network.Forward(x, t).Slice(1, 0, 1).Detach().ToArray<float>().ShouldBe(due.Detach().ToArray<float>(), 1e-5);
    });

    [Theory]
    [InlineData(ClassifierPool.Adaptive, "out.0.weight:32 out.0.bias:32 out.3.weight:5,32,1,1 out.3.bias:5")]
    [InlineData(ClassifierPool.Attention, "out.0.weight:32 out.0.bias:32 out.2.positional_embedding:32,65 out.2.qkv_proj.weight:96,32,1 out.2.qkv_proj.bias:96 out.2.c_proj.weight:5,32,1 out.2.c_proj.bias:5")]
    [InlineData(ClassifierPool.Spatial, "out.0.weight:2048,160 out.0.bias:2048 out.2.weight:5,2048 out.2.bias:5")]
    [InlineData(ClassifierPool.SpatialV2, "out.0.weight:2048,160 out.0.bias:2048 out.1.weight:2048 out.1.bias:2048 out.3.weight:5,2048 out.3.bias:5")]
    public void Every_pool_is_told_from_shapes(ClassifierPool pool, string tensors) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var shapes = Read(InRepository)["parameter_shapes"]!.AsObject();
        foreach (var name in shapes.Select(p => p.Key).Where(n => n.StartsWith("out.", StringComparison.Ordinal)).ToList())
            shapes.Remove(name);
        foreach (var tensor in tensors.Split(' ').Select(t => t.Split(':')))
            shapes[tensor[0]] = new JsonArray([.. tensor[1].Split(',').Select(size => (JsonNode)long.Parse(size))]);
        var path = FormulaWeights.Write(_temporary["classifier.safetensors"], shapes, 3);

        using var network = GuidedDiffusionFile.LoadClassifier(path, GuidedDiffusionFlags.Parse("--num_head_channels 32"));
        network.Options.Pool.ShouldBe(pool);
        network.Options.Classes.ShouldBe(5);
        network.Options.Body.BlockOutChannels.ShouldBe([32, 32]);
        network.Options.Body.DownBlockTypes.ShouldBe(["DownBlock2D", "AttnDownBlock2D"]);
        foreach (var (name, value) in network.Parameters().Where(p => p.Name.StartsWith("out.", StringComparison.Ordinal)))
        {
            var shape = shapes[name]!.AsArray().Select(size => (long)size!).ToArray();
            value.Count.ShouldBe(shape.Aggregate(1L, (a, b) => a * b));
            value.ToArray<float>()[^1].ShouldBe(FormulaWeights.Value(name, shape, 3, value.Count - 1), name);
        }

        network.Forward(Tensor.Zeros([2, 3, 16, 16]), Tensor.From([3f, 700.5f], 2)).Shape.ToArray().ShouldBe([2, 5]);
        Refused("--num_head_channels 24").ShouldContain("--num_head_channels 24 does not divide the 32 channels");
        Refused("").ShouldContain("--num_head_channels 64 does not divide the 32 channels");
        Refused("--classifier_width 64").ShouldContain("--classifier_width is 64, but the shapes");
        Refused("--classifier_depth 2").ShouldContain("--classifier_depth is 2, but the shapes");
        Refused($"--classifier_pool {(pool == ClassifierPool.Spatial ? "adaptive" : "spatial")}").ShouldContain("--classifier_pool is");
        Refused("--classifier_resblock_updown True").ShouldContain("--classifier_resblock_updown is True");
        Refused("--image_size 16 --classifier_attention_resolutions 16").ShouldContain("show no attention at 16 x 16");
        if (pool == ClassifierPool.Attention)
        {
            Refused("--image_size 32").ShouldContain("--image_size is 32, but the shapes");
            Should.Throw<InputException>(() => network.Forward(Tensor.Zeros([1, 3, 8, 8]), Tensor.From([3L], 1))).Message.ShouldContain("8 x 8; these give 4 x 4");
        }

        Should.Throw<InputException>(() => DiffusionModel.LoadGuidedDiffusion(path)).Message.ShouldContain("holds a classifier of noised pictures");

        string Refused(string flags) => Should.Throw<InputException>(() =>
        {
            using var _ = GuidedDiffusionFile.LoadClassifier(path, GuidedDiffusionFlags.Parse(flags));
        }).Message;
    });

    private static string InRepository { get; } = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "classifier", "adaptive_pool_formula");

    private static UNet2DOptions Body { get; } = new()
    {
        BlockOutChannels = [32, 64],
        DownBlockTypes = ["AttnDownBlock2D", "DownBlock2D"],
        UpBlockTypes = ["UpBlock2D", "AttnUpBlock2D"],
        LayersPerBlock = 1,
        AttentionHeadDim = 32,
    };

    private static JsonNode Read(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;

    private static void Check(string folder, string weights, GuidedDiffusionFlags flags) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = Read(folder);
        using var network = GuidedDiffusionFile.LoadClassifier(weights, flags);
        using var io = WeightFile.Open(Path.Combine(folder, "io.safetensors"));
        network.Options.Classes.ShouldBe((long)fixture["config"]!["out_channels"]!);
        network.Forward(io.Read("x"), io.Read("t")).ShouldMatch(io.Read("logits"), fixture["tolerance"]!["logits"]!, "logits");
        var guidance = network.Guidance(io.Read("x"), io.Read("t"), io.Read("y"), (double)fixture["classifier_scale"]!);
        guidance.RequiresGrad.ShouldBeFalse();
        guidance.ShouldMatch(io.Read("guidance_gradient"), fixture["tolerance"]!["guidance_gradient"]!, "guidance_gradient");
    });
}
