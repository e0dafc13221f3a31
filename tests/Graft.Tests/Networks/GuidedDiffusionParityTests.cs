using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Networks;
using Graft.Tests.Formats.GuidedDiffusion;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks;

/// <summary>openai's networks, opened as a user opens them: outputs, every training loss, and its gradients.</summary>
public class GuidedDiffusionParityTests
{
    /// <summary>Each network with each of the losses that it was recorded with.</summary>
    public static TheoryData<string, string> Trainings
    {
        get
        {
            var rows = new TheoryData<string, string>();
            foreach (var name in GuidedDiffusionFixture.All)
            {
                foreach (var loss in LossesOf(name))
                    rows.Add(name, loss);
            }

            return rows;
        }
    }

    [SharedTheory("reference/guided_diffusion")]
    [MemberData(nameof(GuidedDiffusionFixture.Names), MemberType = typeof(GuidedDiffusionFixture))]
    public void Outputs_equal_openai(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new GuidedDiffusionFixture(name);
        using var model = fixture.Load();
        using var io = WeightFile.Open(fixture.Numbers);
        model.Network.ParameterCount.ShouldBe((long)fixture.Json["parameters"]!);
        model.Schedule.Options.BetaPrecision.ShouldBe(BetaPrecision.Double);
        var (condition, tolerance) = (GuidedDiffusionFixture.Condition(io), fixture.Json["tolerance"]!["output"]!);
        model.Denoiser.Predict(io.Read("x"), io.Read("t"), condition).ShouldMatch(io.Read("output"), tolerance, "output");
        model.Denoiser.Predict(io.Read("x"), io.Read("t_float"), condition).ShouldMatch(io.Read("output_t_float"), tolerance, "output_t_float");
    });

    [SharedTheory("reference/guided_diffusion")]
    [MemberData(nameof(Trainings))]
    public void Training_equals_openai(string name, string loss) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new GuidedDiffusionFixture(name);
        using var model = fixture.Load();
        using var io = WeightFile.Open(fixture.Numbers);
        fixture.Json["training_variants"]!.AsObject().Select(p => p.Key).ShouldBe(LossesOf(name));
        model.Network.RequireGrad(true);
        var (x0, noise, t) = (io.Read("train.x0"), io.Read("train.noise"), io.Read("t"));
        var x = model.Schedule.AddNoise(x0, noise, t);
        var terms = Terms(loss, model, model.Denoiser.Predict(x, t, GuidedDiffusionFixture.Condition(io)), x0, noise, x, t);
        var prefix = $"train.{loss}.";
        var stored = io.Names.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
        foreach (var (term, value) in terms)
            value.ShouldMatch(io.Read(prefix + term), fixture.Json["tolerance"]!["losses"]!, prefix + term);

        Autograd.Backward(terms["loss"].Mean());
        using var gradients = Gradients(model, fixture);
        var parameters = stored.Where(n => n.StartsWith(prefix + "grad.", StringComparison.Ordinal)).ToArray();
        parameters.Length.ShouldBe(3);
        foreach (var parameter in parameters)
            gradients.Read(parameter[(prefix.Length + "grad.".Length)..]).ShouldMatch(io.Read(parameter), fixture.Json["tolerance"]!["grad"]!, parameter);
        stored.Length.ShouldBe(terms.Count + parameters.Length); // nothing that is stored was left out
    });

    private static string[] LossesOf(string name) =>
        name.StartsWith("learn_sigma", StringComparison.Ordinal) ? ["mse", "rescaled_mse", "rescaled_kl"] : ["mse"];

    /// <summary>
    /// openai's terms for each sample: MSE is L_simple, and with a learned variance one term of L_vlb, in RESCALED_MSE times T / 1000;
    /// RESCALED_KL is that term times T, and its gradient reaches the mean too.
    /// </summary>
    private static Dictionary<string, Tensor> Terms(string loss, DiffusionModel model, Tensor output, Tensor x0, Tensor noise, Tensor x, Tensor t)
    {
        var schedule = model.Schedule;
        var process = new ReverseProcess(schedule);
        if (loss == "rescaled_kl")
            return new() { ["loss"] = process.Term(process.Step(output, x, t, clip: false).Distribution, x0, x, t).PerItem * schedule.Count };
        if (!schedule.Options.LearnsVariance)
        {
            var simple = Losses.Simple(output, x0, noise, t, schedule).PerItem;
            return new() { ["loss"] = simple, ["mse"] = simple };
        }

        var hybrid = loss == "rescaled_mse"
            ? Losses.Hybrid(output, x0, noise, x, t, process)
            : Losses.Hybrid(output, x0, noise, x, t, process, 1.0 / schedule.Count);
        var vb = hybrid.Weight * hybrid.Vlb.PerItem;
        return new() { ["loss"] = hybrid.Simple.PerItem + vb, ["mse"] = hybrid.Simple.PerItem, ["vb"] = vb };
    }

    /// <summary>The gradients under openai's names: written as if they were the weights, which are arranged alike.</summary>
    private static WeightFile Gradients(DiffusionModel model, GuidedDiffusionFixture fixture)
    {
        using var temporary = new TemporaryFolder();
        foreach (var (_, value) in model.Network.Parameters())
            value.CopyFrom(value.Grad!);
        var order = (bool)fixture.Json["model_config"]!["use_new_attention_order"]! ? AttentionOrder.New : AttentionOrder.Legacy;
        var flags = GuidedDiffusionExport.Flags((UNet2DOptions)model.Network.Options, middleNorm: true, model.Schedule.Options, order);
        GuidedDiffusionExport.Write(temporary["gradients.safetensors"], (UNet2D)model.Network, flags);
        return WeightFile.Open(temporary["gradients.safetensors"]);
    }
}
