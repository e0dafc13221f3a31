using System.Text.Json.Nodes;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>A source model trained from nothing: data, architecture, schedule and training, all in one file.</summary>
public sealed record PretrainRecipe : IPretrainRecipe
{
    /// <summary><c>denoiser</c>.</summary>
    public string Kind { get; init; } = "denoiser";

    /// <summary>A short name.</summary>
    public required string Name { get; init; }

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The run's folder, which becomes the model.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The data.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>
    /// The architecture: keys of diffusers' <c>unet/config.json</c>, or those of the network that <c>_class_name</c> names
    /// (<see cref="DenoisingNetworks"/>).
    /// </summary>
    public required JsonObject Network { get; init; }

    /// <summary>The noise schedule: keys of diffusers' <c>scheduler_config.json</c>.</summary>
    public JsonObject Schedule { get; init; } = [];

    /// <summary>The training loop's settings.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <returns>The architecture and the noise schedule.</returns>
    /// <exception cref="InputException">A key is unknown, or a value cannot be used.</exception>
    public (DenoiserOptions Network, ScheduleOptions Schedule) Resolve()
    {
        Training.Validate();
        var network = DenoisingNetworks.Read(Network, $"of the recipe {Name}");
        var schedule = ScheduleOptions.FromJson(Schedule);
        if (!network.MakesPictures && Schedule["clip_sample"] is null)
            schedule = schedule with { ClipSample = false }; // bounds are those of pictures
        // A folder keeps keys that mean nothing here; in a recipe such a key is a typing mistake.
        var known = network.ToJson();
        var idle = Network.Select(p => p.Key).FirstOrDefault(key => !key.StartsWith('_') && !known.ContainsKey(key));
        if (idle is not null)
            throw new InputException($"The key network.{FileFault.Shorten(idle)} of the recipe {FileFault.Shorten(Name)} is unknown: the keys are those of diffusers' unet/config.json.");
        idle = schedule.Other.Keys.FirstOrDefault(key => !key.StartsWith('_'));
        return idle is null
            ? (network, schedule)
            : throw new InputException($"The key schedule.{FileFault.Shorten(idle)} of the recipe {FileFault.Shorten(Name)} is unknown: the keys are those of diffusers' scheduler_config.json.");
    }

    /// <inheritdoc/>
    void IPretrainRecipe.Check() => Resolve();

    /// <inheritdoc/>
    string IPretrainRecipe.Train(TrainingRun run)
    {
        Run(run);
        return $"The model is in {Out}: `graft sample {Out} -n 16 --out {Path.Combine(Out, "pictures")}` draws from it.";
    }

    /// <summary>Trains. At the end the run's folder is the model, with averaged weights.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <exception cref="InputException">Data or options cannot be used.</exception>
    public void Run(TrainingRun run)
    {
        var (network, schedule) = Resolve();
        Data.Require(Name, "data");
        using var model = DiffusionModel.Create(network, schedule, Training.Seed, Torch.Device.Parse(Device));
        if (model.Schedule.Warning is { } warning)
            run.Logger.LogWarning("{Warning}", warning);
        var images = Data.OpenFor(model, text => run.Logger.LogWarning("{Warning}", text), run.CancellationToken);
        model.Learns(images);
        run.Logger.LogInformation("{Data}; a network of {Parameters:N0} parameters", images.Description, TorchRuntime.Run(() => model.Network.ParameterCount));
        new Trainer(DenoisingStage.Create("pretrain", model, images, Training), Training, run.In(Out)).Train();
        if (run.Writes)
            model.Save(Out);
    }
}
