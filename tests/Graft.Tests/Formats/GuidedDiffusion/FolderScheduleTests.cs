using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;
using Graft.Sampling;
using Graft.Torch;

namespace Graft.Tests.Formats.GuidedDiffusion;

/// <summary>
/// openai computes β in double precision, diffusers in single: a file that is opened directly has the former, a converted folder the
/// latter. What that makes of the tables and of samples; docs/formats/guided-diffusion.md has the figures.
/// </summary>
public sealed class FolderScheduleTests(Xunit.Abstractions.ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_converted_folder_is_plain_and_a_saved_one_keeps_the_precision()
    {
        var bare = _temporary["guided.safetensors"];
        ModelConversion.Plan(TinyGuidedModel.SavePlain(_temporary["model"]), bare, new ConversionOptions { Names = WeightNames.GuidedDiffusion }).Run();
        using var direct = DiffusionModel.LoadGuidedDiffusion(bare);
        direct.Schedule.Options.BetaPrecision.ShouldBe(BetaPrecision.Double);

        ModelConversion.Plan(bare, _temporary["converted"]).Run();
        Scheduler("converted").Select(p => p.Key).ShouldNotContain(k => k.StartsWith("graft_", StringComparison.Ordinal));

        direct.Save(_temporary["saved"]);
        ((string?)Scheduler("saved")["graft_beta_precision"]).ShouldBe("double");
        using var saved = DiffusionModel.Load(_temporary["saved"]);
        saved.Schedule.AlphasCumulative.ShouldBe(direct.Schedule.AlphasCumulative);
        ModelInspection.Of(_temporary["saved"]).UnknownKeys.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("linear", 1000)]
    [InlineData("linear", 4000)]
    [InlineData("cosine", 1000)]
    [InlineData("cosine", 4000)]
    public void The_tables_are_near(string schedule, int steps)
    {
        var options = GuidedDiffusionFlags.Parse($"--noise_schedule {schedule} --diffusion_steps {steps}").Schedule(learnsVariance: false);
        var (single, both) = (new NoiseSchedule(options), new NoiseSchedule(options with { BetaPrecision = BetaPrecision.Double }));
        var differences = single.AlphasCumulative.Zip(both.AlphasCumulative, (a, b) => Math.Abs(Math.Sqrt(a) - Math.Sqrt(b))).ToArray();
        var worst = Array.IndexOf(differences, differences.Max());
        var first = Math.Abs(single.AlphasCumulative[0] - both.AlphasCumulative[0]) / (1 - both.AlphasCumulative[0]);
        output.WriteLine($"{schedule} {steps}: {differences.Max():E2} at t = {worst}; 1 - alpha_bar at t = 0 differs by {first:E2} of itself");
        differences.Max().ShouldBeInRange(1e-9, 1e-6);
    }

    [SharedTheory("reference/guided_diffusion")]
    [MemberData(nameof(GuidedDiffusionFixture.Names), MemberType = typeof(GuidedDiffusionFixture))]
    public void Samples_are_near(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var fixture = new GuidedDiffusionFixture(name);
        using var model = fixture.Load();
        model.Network.ConvertTo(DType.Float64); // what differs is the tables, not how an untrained network amplifies its own rounding
        using var io = WeightFile.Open(fixture.Numbers);
        var single = new NoiseSchedule(model.Schedule.Options with { BetaPrecision = BetaPrecision.Single });
        var steps = single.Timesteps("10");
        foreach (var sampler in (Sampler[])[new DdpmSampler { Timesteps = steps }, new DdimSampler { Timesteps = steps }])
        {
            var difference = (Draw(single) - Draw(model.Schedule)).Abs().Max().Item();
            output.WriteLine($"{name} {sampler.Name}: {difference:E2}");
            difference.ShouldBeInRange(1e-9, 1e-4);

            Tensor Draw(NoiseSchedule schedule) => sampler.Sample(
                model.Denoiser, schedule, io.Read("sample.x_T").To(DType.Float64), (k, _) => io.Read("sample.noise").Select(0, k).To(DType.Float64), GuidedDiffusionFixture.Condition(io, 2));
        }
    });

    private JsonObject Scheduler(string folder) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(_temporary[folder], "scheduler", "scheduler_config.json")))!.AsObject();
}
