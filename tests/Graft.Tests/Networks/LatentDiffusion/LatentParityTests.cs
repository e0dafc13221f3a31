using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.LatentDiffusion;
using Graft.Tests.Formats.LatentDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks.LatentDiffusion;

/// <summary>latent diffusion's networks against CompVis' own code: outputs, gradients, codes, and a DDIM trajectory with its pictures.</summary>
public sealed class LatentParityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(LatentFixture.Names), MemberType = typeof(LatentFixture))]
    public void The_UNet_equals_CompVis_in_outputs_and_gradients(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new LatentFixture(name);
        using var file = LatentDiffusionFile.Open(fixture.Write(_folder["model.safetensors"]));
        using var network = file.Read(file.Describe(fixture.Options));
        using var io = WeightFile.Open(fixture.Numbers);
        (network.ParameterCount - (network.Options.Classes * network.Options.CrossAttentionDim ?? 0)).ShouldBe((long)fixture.Json["unet_parameters"]!);

        network.Predict(io.Read("x"), io.Read("t"), new Condition { Embedding = io.Read("context") }).ShouldMatch(io.Read("output"), LatentFixture.Tolerance, "output");

        // The numbers are from a run in double precision: in single, the gradients of CompVis' code are as far from them as 1.3e-5.
        network.ConvertTo(DType.Float64);
        network.RequireGrad(true);
        var (x, context) = (io.Read("x").To(DType.Float64), io.Read("context").To(DType.Float64));
        (x.RequiresGrad, context.RequiresGrad) = (true, true);
        using var mode = Autograd.WithGrad();
        var output = network.Predict(x, io.Read("t"), new Condition { Embedding = context });
        output.ShouldMatch(io.Read("output"), LatentFixture.Exact, "output in double precision");
        Autograd.Backward((output * io.Read("probe").To(DType.Float64)).Sum());
        x.Grad!.ShouldMatch(io.Read("grad_x"), LatentFixture.Exact, "grad_x");
        context.Grad!.ShouldMatch(io.Read("grad_context"), LatentFixture.Exact, "grad_context");
        var gradients = network.Parameters().ToDictionary(p => p.Name, p => p.Value.Grad);
        foreach (var (theirs, ours) in new[]
        {
            ("middle_block.1.proj_in.bias", "mid_block.attentions.0.proj_in.bias"),
            ("middle_block.1.transformer_blocks.0.ff.net.0.proj.bias", "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.bias"),
            ("time_embed.0.bias", "time_embedding.linear_1.bias"),
        })
        {
            gradients[ours]!.ShouldMatch(io.Read($"grad.model.diffusion_model.{theirs}"), LatentFixture.Exact, theirs);
        }
    });

    [Theory]
    [MemberData(nameof(LatentFixture.Names), MemberType = typeof(LatentFixture))]
    public void The_autoencoder_equals_CompVis_and_chooses_the_same_codes(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new LatentFixture(name);
        using var stage = FirstStageFile.Load(fixture.Write(_folder["model.safetensors"]));
        using var io = WeightFile.Open(fixture.Numbers);
        Tensor Of(string what) => io.Read($"first_stage.{what}");

        var latent = stage.Encode(Of("picture"));
        latent.ShouldMatch(Of("latent"), LatentFixture.Tolerance, "latent");
        stage.Codes(latent).ToArray<long>().ShouldBe(Of("codes_of_latent").ToArray<long>());
        var codes = stage.Codes(Of("z"));
        codes.ToArray<long>().ShouldBe(Of("codes").ToArray<long>());
        codes.ToArray<long>().Distinct().Count().ShouldBeGreaterThan(8); // else the choice would not be seen
        stage.Quantise(Of("z")).ShouldMatch(Of("quantised"), LatentFixture.Tolerance, "quantised");
        stage.Decode(Of("z")).ShouldMatch(Of("decoded"), LatentFixture.Tolerance, "decoded");
        stage.Decode(Of("z"), quantise: false).ShouldMatch(Of("decoded_unquantised"), LatentFixture.Tolerance, "decoded_unquantised");
    });

    [Fact]
    public void A_published_autoencoder_by_itself_has_no_prefix() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new LatentFixture("tokens");
        using var whole = FirstStageFile.Load(fixture.Write(_folder["model.safetensors"]));
        var alone = fixture.Write(_folder["alone.safetensors"], tensors =>
        {
            var own = tensors.Where(t => t.Name.StartsWith("first_stage_model.", StringComparison.Ordinal)).ToList();
            tensors.Clear();
            tensors.AddRange(own.Select(t => new TensorData(t.Name["first_stage_model.".Length..], t.Type, t.Shape, t.Write)));
            tensors.Add(LatentFixture.Floats("loss.discriminator.main.0.weight", 1, 2)); // its training's, which is no part of it
        });
        using var stage = FirstStageFile.Load(alone);
        foreach (var (mine, theirs) in stage.Parameters().Zip(whole.Parameters()))
            mine.Value.ToArray<float>().ShouldBe(theirs.Value.ToArray<float>(), mine.Name);
    });

    [Fact]
    public void DDIM_of_latents_and_their_pictures_equal_CompVis() => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new LatentFixture("class");
        using var model = DiffusionModel.LoadLatentDiffusion(fixture.Write(_folder["model.safetensors"]), fixture.Options);
        using var io = WeightFile.Open(fixture.Numbers);
        model.Schedule.Count.ShouldBe(1000);
        Betas.Of(model.Schedule.Options).ShouldBe(io.Read("betas").ToArray<double>(), 1e-15);

        var condition = new Condition { ClassLabels = io.Read("labels") };
        var sampler = Graft.Sampling.Sampler.Ddim((int)fixture.Json["ddim_steps"]!);
        var latents = sampler.Sample(model.Denoiser, model.Schedule, io.Read("ddim.start"), (_, _) => throw new InvalidOperationException("η is 0"), condition);
        latents.ShouldMatch(io.Read("ddim.latent"), LatentFixture.Tolerance, "latent");
        model.Decode(latents).ShouldMatch(io.Read("ddim.picture"), LatentFixture.Tolerance, "picture");
    });
}
