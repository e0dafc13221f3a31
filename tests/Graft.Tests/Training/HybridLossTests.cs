using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Diffusion;
using Graft.Formats.Images;
using Graft.Recipes;
using Graft.Training;
using Graft.Transfer;
using Microsoft.Extensions.Logging;

namespace Graft.Tests.Training;

/// <summary>Networks with a second half of channels: trained as a variance, left out, or refused, as the schedule says.</summary>
public sealed class HybridLossTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_recipe_trains_mean_and_variance()
    {
        Directory.CreateDirectory(_temporary["pictures"]);
        var pictures = new TinyPictures(4);
        for (var i = 0; i < pictures.Count; i++)
            ImageCodec.SavePng(Path.Combine(_temporary["pictures"], $"{i}.png"), pictures.ToPicture(i));
        var recipe = Recipe.Parse($$"""
            name: tiny
            out: {{_temporary["run"]}}
            device: cpu
            data: { folder: {{_temporary["pictures"]}} }
            network: { sample_size: 8, in_channels: 1, out_channels: 2, block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4,
              attention_head_dim: 8, down_block_types: [DownBlock2D, AttnDownBlock2D], up_block_types: [AttnUpBlock2D, UpBlock2D] }
            schedule: { num_train_timesteps: 20, variance_type: learned_range, beta_schedule: squaredcos_cap_v2 }
            training: { steps: 300, batch_size: 16, learning_rate: 3e-3, vlb_weight: 0.05, seed: 2, checkpoint_every: 0 }
            """, "text");
        Recipe.Bind<PretrainRecipe>(recipe, "recipe").Run(new TrainingRun());
        var lines = File.ReadLines(Path.Combine(_temporary["run"], "log.jsonl")).Select(line => JsonNode.Parse(line)!).ToArray();
        lines.Length.ShouldBe(300);
        double Mean(IEnumerable<JsonNode> part, string term) => part.Average(line => (double)line[term]!);
        foreach (var term in new[] { "simple", "vlb" })
            Mean(lines[^50..], term).ShouldBeLessThan(0.75 * Mean(lines[..20], term), term);
        foreach (var line in lines)
            ((double)line["loss"]!).ShouldBe((double)line["simple"]! + (0.05 * 20 * (double)line["vlb"]!), 1e-3);

        using var model = DiffusionModel.Load(_temporary["run"]);
        model.Schedule.Options.VarianceType.ShouldBe(VarianceType.LearnedRange);
        model.Sample(2, Graft.Sampling.Sampler.Ddpm(5)).Count.ShouldBe(2);
    }

    [Fact]
    public void A_second_half_that_the_schedule_does_not_know_is_said_once()
    {
        using var source = TinyModel.Create(TinyModel.Network with { OutChannels = 2 });
        var log = new Messages();
        new Finetune { Training = TinyRun.Options(3) }.Adapt(source, new TinyPictures(), new TrainingRun { Logger = log }).Dispose();
        log.Texts.Single(text => text.Contains("output channels", StringComparison.Ordinal)).ShouldContain("only the first 1 are trained");
        new Finetune { Training = TinyRun.Options(1) }.Adapt(TinyRun.Model(), new TinyPictures(), new TrainingRun { Logger = log }).Dispose();
        log.Texts.Count(text => text.Contains("output channels", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public void A_network_without_the_channels_cannot_learn_the_variance()
    {
        using var source = TinyModel.Create(schedule: new ScheduleOptions { VarianceType = VarianceType.Learned });
        Should.Throw<InputException>(() => new Finetune { Training = TinyRun.Options(1) }.Adapt(source, new TinyPictures())).Message.ShouldContain("takes 2 output channels");
        Should.Throw<InputException>(() => (TinyRun.Options(1) with { VlbWeight = -1 }).Validate()).Message.ShouldContain("vlb_weight");
    }

    private sealed class Messages : ILogger
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Texts.Add(formatter(state, exception));
    }
}
