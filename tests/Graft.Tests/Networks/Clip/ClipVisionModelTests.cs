using System.Text.Json.Nodes;
using Graft.Formats;
using Graft.Networks.Clip;
using Graft.Torch;

namespace Graft.Tests.Networks.Clip;

public class ClipVisionModelTests
{
    [Theory]
    [InlineData(ClipActivation.QuickGelu, 1)]
    [InlineData(ClipActivation.Gelu, 4)]
    [InlineData(ClipActivation.GeluTanh, 2)]
    public void It_computes_what_plain_loops_compute(ClipActivation activation, long heads) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = TinyClip.Model(TinyClip.Options with { HiddenAct = activation, NumAttentionHeads = heads });
        model.RequireGrad(false);
        var plain = PlainClip.Of(model);
        var pixels = new KeyedRandom(1, "pixels").Normal(0, [0, 1], [3, 8, 8]);
        pixels.RequiresGrad = true;
        var embeds = model.Forward(pixels).ImageEmbeds;
        var values = Array.ConvertAll(pixels.Detach().ToArray<float>(), x => (double)x);
        for (var n = 0; n < 2; n++)
        {
            var due = plain.Embed(values[(n * 192)..((n + 1) * 192)]);
            var given = embeds.Detach().Select(0, n).ToArray<float>();
            for (var i = 0; i < due.Length; i++)
                ((double)given[i]).ShouldBe(due[i], 2e-5);
        }

        // The gradient against differences of the plain loops, in ten places. What flows back is turned, so not in row-major order.
        Autograd.Backward((embeds.Transpose(0, 1) * Tensor.From<float>([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5, 2)).Sum());
        var gradient = pixels.Grad!.ToArray<float>();
        const double Step = 1e-5;
        for (var at = 3; at < values.Length; at += 41)
        {
            var n = at / 192;
            var moved = values[(n * 192)..((n + 1) * 192)];
            moved[at % 192] += Step;
            var up = plain.Embed(moved);
            moved[at % 192] -= 2 * Step;
            var down = plain.Embed(moved);
            var due = Enumerable.Range(0, 5).Sum(i => ((2 * i) + n + 1) * (up[i] - down[i]) / (2 * Step));
            ((double)gradient[at]).ShouldBe(due, 1e-3 + (1e-3 * Math.Abs(due)), $"place {at}");
        }
    });

    [Fact]
    public void A_causal_transformer_sees_what_came_before() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var model = TinyClip.Model();
        var transformer = (ClipTransformer)model.Modules().First(m => m.Name == "vision_model.encoder").Module;
        var x = new KeyedRandom(2, "tokens").Normal(0, [0], [4, 64]);
        var plain = PlainClip.Of(model);
        double[][] due = [.. Array.ConvertAll(x.ToArray<float>(), v => (double)v).Chunk(64)];
        for (var layer = 0; layer < 2; layer++)
            due = plain.Layer(due, $"vision_model.encoder.layers.{layer}.", causal: true);
        var causal = transformer.Forward(x, causal: true)[^1].ToArray<float>();
        for (var i = 0; i < causal.Length; i++)
            ((double)causal[i]).ShouldBe(due[i / 64][i % 64], 1e-4);

        // The first two tokens do not know of the last two, unless nothing is masked.
        var changed = Tensor.Cat([x.Slice(1, 0, 2), x.Slice(1, 2, 4).Flip(2)], 1);
        Difference(transformer.Forward(changed, causal: true)[^1], causal).ShouldBeLessThan(1e-6);
        Difference(transformer.Forward(changed)[^1], transformer.Forward(x)[^1].ToArray<float>()).ShouldBeGreaterThan(1e-3);

        static double Difference(Tensor now, float[] before) => now.Slice(1, 0, 2).ToArray<float>().Zip(before, (a, b) => Math.Abs((double)a - b)).Max();
    });

    [Fact]
    public void A_folder_gives_back_the_same_network()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model(TinyClip.Options with { HiddenAct = ClipActivation.Gelu });
        model.Save(folder.Path);
        using var again = ClipVisionModel.Load(folder.Path);
        again.Options.ShouldBe(model.Options);
        again.Fingerprint().ShouldBe(model.Fingerprint());
    }

    [Fact]
    public void openais_names_hold_the_same_network()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        // A head has 64 channels there, and a feed-forward part any number.
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            WeightFile.Write(folder["clip.safetensors"], TinyClip.OpenAiState(model));
        });
        using var again = ClipVisionModel.Load(folder["clip.safetensors"]);
        again.Options.ShouldBe(model.Options);
        again.Fingerprint().ShouldBe(model.Fingerprint());
    }

    [Theory]
    [InlineData("visual.proj", "visual.proj")]
    [InlineData("visual.transformer.resblocks.1.attn.in_proj_bias", "layers.1.self_attn.q_proj.bias is missing")]
    [InlineData("visual.ln_pre.bias", "pre_layrnorm.bias is missing")]
    public void What_is_missing_is_named(string without, string said)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            WeightFile.Write(folder["clip.safetensors"], TinyClip.OpenAiState(model).Where(t => t.Name != without));
        });
        Should.Throw<InputException>(() => ClipVisionModel.Load(folder["clip.safetensors"])).Message.ShouldContain(said);
    }

    [Fact]
    public void The_image_tower_of_a_whole_model_is_read()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        model.Save(folder.Path);
        var tower = JsonNode.Parse(File.ReadAllText(folder["config.json"]))!.AsObject();
        tower["projection_dim"] = 999; // of a CLIPModel, the one outside counts
        tower["hidden_act"] = "gelu"; // and the older repetition wins
        var whole = new JsonObject
        {
            ["model_type"] = "clip",
            ["projection_dim"] = 5,
            ["vision_config"] = tower,
            ["vision_config_dict"] = new JsonObject { ["hidden_act"] = "quick_gelu" },
            ["text_config"] = new JsonObject(),
        };
        File.WriteAllText(folder["config.json"], whole.ToJsonString());
        using var again = ClipVisionModel.Load(folder.Path);
        again.Options.ShouldBe(model.Options);
    }

    [Theory]
    [InlineData("hidden_size", "128", "class_embedding is [64] where [128] is due")]
    [InlineData("num_hidden_layers", "3", "layers.2.self_attn.q_proj.weight is missing")]
    [InlineData("num_hidden_layers", "100000", "between 1 and 1000")]
    [InlineData("image_size", "65536", "position_embedding.weight is [5, 64]")]
    [InlineData("num_attention_heads", "3", "does not divide")]
    [InlineData("hidden_act", "\"relu\"", "hidden_act 'relu' is unknown")]
    [InlineData("hidden_size", "\"big\"", "no whole number")]
    [InlineData("model_type", "\"siglip\"", "model_type is 'siglip'")]
    [InlineData("num_channels", "4", "other than 3 channels")]
    [InlineData("layer_norm_eps", "0", "layer_norm_eps")]
    public void A_configuration_that_does_not_fit_is_refused(string key, string value, string said)
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        model.Save(folder.Path);
        var config = JsonNode.Parse(File.ReadAllText(folder["config.json"]))!.AsObject();
        config[key] = JsonNode.Parse(value);
        File.WriteAllText(folder["config.json"], config.ToJsonString());
        Should.Throw<InputException>(() => ClipVisionModel.Load(folder.Path)).Message.ShouldContain(said);
    }

    [Fact]
    public void A_tower_without_projection_and_files_of_others_are_refused()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        model.Save(folder.Path);
        var weights = folder["model.safetensors"];
        Should.Throw<InputException>(() => ClipVisionModel.Load(weights)).Message.ShouldContain("give its folder");
        TorchRuntime.Run(() => WeightFile.Write(weights, model.Parameters().Where(p => p.Name != "visual_projection.weight")));
        Should.Throw<InputException>(() => ClipVisionModel.Load(folder.Path)).Message.ShouldContain("CLIPVisionModelWithProjection");
        Should.Throw<InputException>(() => ClipVisionModel.Load(weights)).Message.ShouldContain("does not hold CLIP's image tower");
        File.Delete(weights);
        Should.Throw<InputException>(() => ClipVisionModel.Load(folder.Path)).Message.ShouldContain("There is no CLIP model");
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            WeightFile.Write(weights, [new NamedTensor("visual.layer1.0.conv1.weight", Tensor.Zeros([1]))]);
        });
        Should.Throw<InputException>(() => ClipVisionModel.Load(weights)).Message.ShouldContain("ResNet");
    }

    [Fact]
    public void Weights_of_half_precision_are_widened()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyClip.Model();
        model.Save(folder.Path);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            WeightFile.Write(folder["model.safetensors"], model.Parameters().Select(p => p with { Value = p.Value.To(DType.Float16) }));
            using var again = ClipVisionModel.Load(folder.Path);
            foreach (var (mine, theirs) in model.Parameters().Zip(again.Parameters()))
                theirs.Value.ToArray<float>().ShouldBe(mine.Value.To(DType.Float16).To(DType.Float32).ToArray<float>(), mine.Name);
        });
    }

    [Fact]
    public void It_learns_from_initial_weights() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = ClipVisionModel.Create(TinyClip.Options, seed: 1);
        model.Parameters().ShouldAllBe(p => p.Value.IsFinite().To(DType.Float32).Min().Item() == 1);
        model.RequireGrad(true);
        Autograd.Backward(model.Forward(new KeyedRandom(3, "x").Normal(0, [0, 1], [3, 8, 8])).ImageEmbeds.Square().Mean());
        foreach (var (name, value) in model.Parameters())
            (value.Grad is { } g && g.IsFinite().To(DType.Float32).Min().Item() == 1).ShouldBeTrue(name);
    });
}
