using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Sampling;
using Graft.Tests.Parity;
using Graft.Torch;

namespace Graft.Tests.Networks;

/// <summary>Output, loss, gradients and DDIM states of models that diffusers 0.14 and 0.27 saved, opened as a user opens them.</summary>
public class UNet2DParityTests
{
    /// <summary>Two of the folders are in the repository, so that parity is checked on every machine.</summary>
    [Theory]
    [InlineData("old_cifar_quirks")]
    [InlineData("new_class_conditional")]
    public void Equals_diffusers_in_the_repository(string name) => Check(UNet2DFixtures.InRepository(name));

    [SharedTheory("reference/unet2d")]
    [InlineData("old_library_defaults")]
    [InlineData("old_class_conditional")]
    [InlineData("old_class_conditional_bin")]
    [InlineData("old_scale_shift_gray28")]
    [InlineData("new_celebahq_quirks")]
    [InlineData("new_library_defaults")]
    [InlineData("new_scale_shift_gray28")]
    [InlineData("new_learned_sigma_out6_noattn")]
    public void Equals_diffusers(string name) => Check(SharedFiles.Reference("unet2d", name));

    [SharedFact("reference/unet2d")]
    public void Every_folder_is_covered() => UNet2DFixtures.Folders().Count.ShouldBe(10);

    private static void Check(string folder) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var model = DiffusionModel.Load(folder);
        var fixture = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "fixture.json")))!;
        using var io = WeightFile.Open(Path.Combine(folder, "io.safetensors"));
        model.Network.ParameterCount.ShouldBe((long)fixture["parameters"]!);
        CheckGradients((UNet2D)model.Network, io, fixture["tolerance"]!);
        if (io.Contains("ddim5.x_T"))
            CheckDdim(model, io, fixture["tolerance"]!);
    });

    private static void CheckGradients(UNet2D network, WeightFile io, JsonNode tolerance)
    {
        network.RequireGrad(true);
        var x = io.Read("x");
        x.RequiresGrad = true;
        var condition = io.Contains("class_labels") ? new Condition { ClassLabels = io.Read("class_labels") } : null;
        var output = network.Predict(x, io.Read("t"), condition);
        output.ShouldMatch(io.Read("sample"), tolerance["sample"]!, "sample");

        var loss = output.Square().Mean();
        var due = io.Read("loss").Item();
        loss.Item().ShouldBe(due, 1e-4 * due, "loss");
        Autograd.Backward(loss);
        x.Grad!.ShouldMatch(io.Read("grad.x"), tolerance["grad"]!, "grad.x");
        var parameters = network.Parameters().ToDictionary(p => p.Name, p => p.Value);
        var gradients = io.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal) && n != "grad.x").ToArray();
        gradients.Length.ShouldBe(3);
        foreach (var name in gradients)
        {
            // The fixture uses the file's own names of attention layers.
            var own = name[5..].Replace(".query.", ".to_q.", StringComparison.Ordinal);
            parameters[own].Grad!.ShouldMatch(io.Read(name), tolerance["grad"]!, name);
        }
    }

    private static void CheckDdim(DiffusionModel model, WeightFile io, JsonNode tolerance)
    {
        var timesteps = new List<long>();
        var final = Sampler.Ddim(5).Sample(
            model.Denoiser, model.Schedule, io.Read("ddim5.x_T"), (_, _) => throw new InvalidOperationException("eta 0 draws no noise"),
            onStep: step =>
            {
                step.Sample.ShouldMatch(io.Read($"ddim5.x_after_{step.Index}"), tolerance["ddim5"]!, $"state {step.Index}");
                timesteps.Add(step.Timestep);
            });
        timesteps.ShouldBe(io.Read("ddim5.timesteps").ToArray<long>());

        var due = io.Read("ddim5.image_uint8");
        var (height, width, channels) = (due.Size(1), due.Size(2), due.Size(3));
        var pixels = due.ToArray<byte>();
        var ours = (((final * 0.5) + 0.5).Clamp(0, 1) * 255.0).Round().To(DType.UInt8).ToArray<byte>();
        for (var i = 0L; i < pixels.Length; i++)
        {
            var (pixel, c) = (i / channels, i % channels);
            Math.Abs(pixels[i] - ours[(c * height * width) + pixel]).ShouldBeLessThanOrEqualTo(1);
        }
    }
}
