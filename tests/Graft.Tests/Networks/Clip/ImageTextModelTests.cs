using System.Text.Json.Nodes;
using Graft.Formats.Images;
using Graft.Inspection;
using Graft.Networks.Clip;
using Graft.Conditions;
using Graft.Tests.Formats.Images;
using Graft.Torch;

namespace Graft.Tests.Networks.Clip;

public sealed class ImageTextModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_text_tower_computes_what_plain_loops_compute() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        using var model = TinyPair.Create();
        var weights = model.Model.Text.Parameters().ToDictionary(p => p.Name, p => Array.ConvertAll(p.Value.ToArray<float>(), x => (double)x));
        var plain = new PlainClip(new ClipVisionOptions { HiddenSize = 12, NumAttentionHeads = 3 }, weights);
        var (tokens, length) = TinyPair.Tokenizer.EncodeAll(["a white face", "of a"], 10);
        var given = model.Model.Text.Forward(Tensor.From(tokens, 2, length)).ToArray<float>();
        for (var n = 0; n < 2; n++)
        {
            var row = tokens.AsSpan(n * length, length).ToArray();
            var end = Array.IndexOf(row, (long)TinyPair.Tokenizer.End);
            double[][] states = [.. row[..(end + 1)].Select((token, place) => Enumerable.Range(0, 12).Select(i =>
                weights["text_model.embeddings.token_embedding.weight"][(token * 12) + i] + weights["text_model.embeddings.position_embedding.weight"][(place * 12) + i]).ToArray())];
            for (var layer = 0; layer < 2; layer++)
                states = plain.Layer(states, $"text_model.encoder.layers.{layer}.", causal: true);
            var due = plain.Linear(plain.Norm(states[end], "text_model.final_layer_norm"), "text_projection", bias: false);
            for (var i = 0; i < due.Length; i++)
                ((double)given[(n * 6) + i]).ShouldBe(due[i], 1e-5);
        }
    });

    [Fact]
    public void What_stands_behind_the_end_has_no_part() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = TinyPair.Create();
        var (b, e) = (TinyPair.Tokenizer.Begin, TinyPair.Tokenizer.End);
        var text = model.Model.Text;
        var bare = text.Forward(Tensor.From<long>([b, 5, e], 1, 3)).Detach().ToArray<float>();
        var filled = text.Forward(Tensor.From<long>([b, 5, e, 9, e, 0], 1, 6)).Detach().ToArray<float>();
        for (var i = 0; i < bare.Length; i++)
            filled[i].ShouldBe(bare[i], 1e-6f);
        Should.Throw<ArgumentException>(() => text.Forward(Tensor.From<long>([b, 5, 5], 1, 3))).Message.ShouldContain("no end token");
        Should.Throw<ArgumentException>(() => text.Forward(Tensor.Zeros([1, 11], DType.Int64)));
        Should.Throw<ArgumentException>(() => text.Forward(Tensor.Zeros([1, 3])));
    });

    [Fact]
    public void A_folder_gives_back_the_same_pair_and_serves_as_an_encoder_of_conditions()
    {
        var path = _folder["pair"];
        using var model = TinyPair.Create();
        model.Save(path);
        using var again = ImageTextModel.Load(path);
        (again.Model.Vision.Options, again.Model.Text.Options, again.Name).ShouldBe((model.Model.Vision.Options, model.Model.Text.Options, "tiny-pair"));
        using var named = ConditionEncoders.Load(path);
        var encoder = named.ShouldBeOfType<ClipImageEncoder>();
        encoder.Name.ShouldStartWith("tiny-pair ViT/4 of 8 x 8");
        encoder.Name.ShouldNotContain("CLIP");
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            Picture[] pictures = [PictureFixtures.Noise(9, 12, 3), PictureFixtures.Noise(28, 28, 1)];
            var due = model.Encode(pictures).ToArray<float>();
            again.Encode(pictures).ToArray<float>().ShouldBe(due);
            ClipModel.Normalised(encoder.Encode(pictures)).ToArray<float>().ShouldBe(due);
            again.Encode(["a face", "white"]).ToArray<float>().ShouldBe(model.Encode(["a face", "white"]).ToArray<float>());
            due.Chunk(6).ShouldAllBe(v => Math.Abs(v.Sum(x => x * x) - 1) < 1e-5);

            // Of one template, names are texts; of two, the mean's direction.
            var one = model.EncodeNames(["white"], ["a {} face"]).ToArray<float>();
            one.Zip(model.Encode(["a white face"]).ToArray<float>()).ShouldAllBe(p => Math.Abs(p.First - p.Second) < 1e-6);
            var two = model.EncodeNames(["white"], ["a {} face", "{}"]).ToArray<float>();
            var sum = one.Zip(model.Encode(["white"]).ToArray<float>(), (a, b) => a + b).ToArray();
            var length = Math.Sqrt(sum.Sum(x => (double)x * x));
            for (var i = 0; i < sum.Length; i++)
                ((double)two[i]).ShouldBe(sum[i] / length, 1e-5);
        });
        var inspection = ModelInspection.Of(path);
        inspection.Layout.ShouldBe(WeightLayout.GraftImageText);
        inspection.Description.ShouldContain("'tiny-pair', by CLIP's loss; it is not CLIP");
        inspection.PictureShape.ShouldBe([3, 8, 8]);
        inspection.ParameterCount.ShouldBe(model.Model.ParameterCount);
        inspection.Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void Parts_that_do_not_fit_are_refused()
    {
        var path = _folder["pair"];
        using (var model = TinyPair.Create())
            model.Save(path);
        Should.Throw<InputException>(() => ImageTextModel.Load(_folder["nothing"])).Message.ShouldContain("no image-text pair");
        new NameTokenizer(["a"], "abc").Save(Path.Combine(path, "graft_tokenizer.json"));
        Should.Throw<InputException>(() => ImageTextModel.Load(path)).Message.ShouldContain("The tokenizer has 8 tokens");
        ModelInspection.Of(path).Warnings.Single().ShouldContain("The tokenizer has 8 tokens");
        TinyPair.Tokenizer.Save(Path.Combine(path, "graft_tokenizer.json"));
        foreach (var (key, value, said) in ((string, string, string)[])[
            ("hidden_size", "24", "token_embedding.weight is [36, 12] where [36, 24] is due"), ("num_hidden_layers", "3", "layers.2"), ("num_hidden_layers", "0", "between 1 and 1000"), ("vocab_size", "1e9", "vocab_size"),
            ("eos_token_id", "99", "eos_token_id 99 is no token"), ("num_attention_heads", "5", "does not divide"), ("hidden_act", "\"relu\"", "is unknown"), ("layer_norm_eps", "\"small\"", "no number")])
        {
            var config = Path.Combine(path, "config.json");
            var before = File.ReadAllText(config);
            var json = JsonNode.Parse(before)!.AsObject();
            json["text_config"]![key] = JsonNode.Parse(value);
            File.WriteAllText(config, json.ToJsonString());
            Should.Throw<InputException>(() => ImageTextModel.Load(path), key).Message.ShouldContain(said);
            File.WriteAllText(config, before);
        }

        Should.Throw<InputException>(() => new ClipModel(TinyPair.Vision, TinyPair.Text with { ProjectionDim = 7 })).Message.ShouldContain("6 and 7");
    }
}
