using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks;

/// <summary>openai's networks, opened as a user opens them: outputs, the simple loss, and its gradients.</summary>
public class GuidedDiffusionParityTests
{
    [SharedTheory("reference/guided_diffusion")]
    [MemberData(nameof(GuidedDiffusionFixture.Names), MemberType = typeof(GuidedDiffusionFixture))]
    public void Equals_openai(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new GuidedDiffusionFixture(name);
        using var model = fixture.Load();
        using var io = WeightFile.Open(fixture.Numbers);
        var tolerance = fixture.Json["tolerance"]!;
        model.Network.ParameterCount.ShouldBe((long)fixture.Json["parameters"]!);
        var condition = io.Contains("y") ? new Condition { ClassLabels = io.Read("y") } : null;
        model.Denoiser.Predict(io.Read("x"), io.Read("t"), condition).ShouldMatch(io.Read("output"), tolerance["output"]!, "output");
        model.Denoiser.Predict(io.Read("x"), io.Read("t_float"), condition).ShouldMatch(io.Read("output_t_float"), tolerance["output"]!, "output_t_float");

        model.Network.RequireGrad(true);
        var (x0, noise, t) = (io.Read("train.x0"), io.Read("train.noise"), io.Read("t"));
        var output = model.Denoiser.Predict(model.Schedule.At(t, x0).AddNoise(x0, noise), t, condition);
        var loss = Losses.Simple(output, x0, noise, t, model.Schedule);
        loss.PerItem.ShouldMatch(io.Read("train.mse.mse"), tolerance["losses"]!, "mse");
        // With a learned variance the stored gradients also have the bound on the likelihood in them.
        if (model.Schedule.Options.LearnsVariance)
            return;
        Autograd.Backward(loss.Mean);
        using var gradients = Gradients(model, fixture);
        foreach (var stored in io.Names.Where(n => n.StartsWith("train.mse.grad.", StringComparison.Ordinal)))
            gradients.Read(stored["train.mse.grad.".Length..]).ShouldMatch(io.Read(stored), tolerance["grad"]!, stored);
    });

    /// <summary>The gradients under openai's names: written as if they were the weights, which are arranged alike.</summary>
    private static WeightFile Gradients(DiffusionModel model, GuidedDiffusionFixture fixture)
    {
        using var temporary = new TemporaryFolder();
        foreach (var (_, value) in model.Network.Parameters())
            value.CopyFrom(value.Grad!);
        var order = (bool)fixture.Json["model_config"]!["use_new_attention_order"]! ? AttentionOrder.New : AttentionOrder.Legacy;
        var flags = GuidedDiffusionExport.Flags(model.Network.Options, middleNorm: true, model.Schedule.Options, order);
        GuidedDiffusionExport.Write(temporary["gradients.safetensors"], model.Network, flags);
        return WeightFile.Open(temporary["gradients.safetensors"]);
    }
}
