using System.Globalization;
using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Networks.Clip;
using Graft.Training;
using Microsoft.Extensions.Logging;

namespace Graft.Recipes;

/// <summary>One set of pictures with names, in a recipe.</summary>
public sealed record CaptionedDataOptions
{
    /// <summary>The pictures, with labels: their classes' names are those of <see cref="Classes"/>, of sub-folders, or of the column of labels.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>Pictures that it is judged on; none: it is not.</summary>
    public DataOptions? Test { get; init; }

    /// <summary>Names of the classes, from label 0; none: the data name them.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Channels that the pictures are read with, 1 or 3.</summary>
    public int Channels { get; init; } = 3;

    /// <summary>Edge in pixels that they are read at.</summary>
    public int Size { get; init; } = 32;

    /// <summary>Texts with <c>{}</c> in the name's place, one of which is drawn each time.</summary>
    public IReadOnlyList<string> Templates { get; init; } = ["{}"];

    /// <summary>How many of the draws are of this set, against the others' shares.</summary>
    public int Share { get; init; } = 1;

    /// <summary>How the training pictures are varied.</summary>
    public AugmentationOptions Augmentation { get; init; } = new();

    /// <summary>Whether they are mirrored at random.</summary>
    public bool Flip { get; init; }
}

/// <summary>A pair of towers, of pictures and of names, trained from nothing by CLIP's loss: <c>kind: contrastive</c>.</summary>
public sealed record ContrastiveRecipe : IPretrainRecipe
{
    private const string ReportFile = "evaluation.json";

    /// <summary><c>contrastive</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>A short name, which the model takes.</summary>
    public required string Name { get; init; }

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The run's folder, which becomes the model.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The data, by names of their own; they are gone through in the order of these.</summary>
    public required IReadOnlyDictionary<string, CaptionedDataOptions> Sets { get; init; }

    /// <summary>The architecture: <c>projection_dim</c>, <c>vision_config</c> and <c>text_config</c> with Hugging Face's keys; the data say <c>vocab_size</c>.</summary>
    public required JsonObject Network { get; init; }

    /// <summary>The training loop's settings.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <inheritdoc/>
    void IPretrainRecipe.Check()
    {
        Training.Validate();
        Resolve(new NameTokenizer([], ""));
        if (Sets.Count == 0)
            throw new InputException($"The recipe {FileFault.Shorten(Name)} has no sets of pictures: give one or more.");
        foreach (var (_, set) in Sets)
        {
            set.Augmentation.Validate();
            new ImageShape(set.Channels, set.Size, set.Size).Check();
        }
    }

    /// <summary>Trains. At the end the run's folder is the model, with averaged weights, and <c>evaluation.json</c> says how well it names pictures.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>.</param>
    /// <returns>How it does on each set's <see cref="CaptionedDataOptions.Test"/>.</returns>
    /// <exception cref="InputException">Data or options cannot be used.</exception>
    public IReadOnlyDictionary<string, RetrievalReport> Run(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        ((IPretrainRecipe)this).Check();
        var (sets, tests) = (new List<CaptionedImages>(), new List<(string Key, CaptionedImages Set)>());
        foreach (var (key, set) in Sets.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            sets.Add(Open(set, set.Data, $"sets.{key}.data", run));
            if (set.Test is { } test)
                tests.Add((key, Open(set, test, $"sets.{key}.test", run)));
        }

        var tokenizer = NameTokenizer.Of(sets.SelectMany(s => s.Names), sets.SelectMany(s => s.Templates).Concat(Sets.SelectMany(s => s.Value.Classes)));
        var (vision, text) = Resolve(tokenizer);
        using var model = new ImageTextModel(
            ClipModel.Create(vision, text, Training.Seed, Torch.Device.Parse(Device)), tokenizer,
            ClipImageProcessorOptions.Standard((int)vision.ImageSize, ClipProcessorKind.HuggingFace));
        foreach (var set in sets)
            run.Logger.LogInformation("{Data}", set.Images.Description);
        run.Logger.LogInformation("{Tokens} tokens; towers of {Parameters:N0} parameters", tokenizer.VocabSize, model.Model.ParameterCount);
        var stage = ContrastiveStage.Create("image-text pair", model, sets, Training);
        var identity = (JsonObject)run.Identity.DeepClone();
        (identity["network"], identity["tokenizer"]) = (Network.DeepClone(), tokenizer.ToJson());
        identity["sets"] = new JsonObject(Sets.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)Recipe.Describe(s.Value with { Data = new(), Test = null }))));
        new Trainer(stage, Training, run with { Folder = Out, Identity = identity }).Train();
        model.Save(Out);
        var reports = tests.ToDictionary(
            t => t.Key, t => RetrievalReport.Measure(model, t.Set.Images, t.Set.Names, t.Set.Templates, run.CancellationToken));
        foreach (var (key, report) in reports)
            run.Logger.LogInformation("{Key}: own name first {First}; among five {Five}", key, report.First, report.AmongFive);
        if (reports.Count > 0)
        {
            AtomicFile.WriteText(
                Path.Combine(Out, ReportFile),
                new JsonObject(reports.Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value.ToJson()))).ToJsonString(JsonStyle.Indented) + "\n");
        }

        return reports;
    }

    /// <inheritdoc/>
    string IPretrainRecipe.Train(TrainingRun run)
    {
        var reports = Run(run);
        var found = string.Concat(reports.Select(r => string.Create(
            CultureInfo.InvariantCulture, $"; {r.Key}: {r.Value.First.Value:P1} of {r.Value.First.Of} pictures named right among {r.Value.Names} names")));
        return $"The image-text pair is in {Out}{found}.";
    }

    private (ClipVisionOptions Vision, ClipTextOptions Text) Resolve(NameTokenizer tokenizer)
    {
        var where = $"of the recipe {Name}";
        var (vision, text) = (Part("vision_config"), Part("text_config"));
        text["vocab_size"] = tokenizer.VocabSize;
        text["bos_token_id"] = tokenizer.Begin;
        text["eos_token_id"] = tokenizer.End;
        vision["model_type"] = "clip_vision_model";
        var idle = Network.Select(p => p.Key).FirstOrDefault(k => k is not ("vision_config" or "text_config" or "projection_dim"));
        if (idle is not null)
            throw new InputException($"The key network.{FileFault.Shorten(idle)} {where} is unknown: projection_dim, vision_config and text_config are known.");
        return (ClipVisionOptions.FromJson(vision, where) with { Name = Name }, ClipTextOptions.FromJson(text, where));

        JsonObject Part(string key)
        {
            var json = Network[key] as JsonObject ?? throw new InputException($"The recipe {FileFault.Shorten(Name)} has no network.{key}: give it, with Hugging Face's keys.");
            var known = key == "vision_config" ? new ClipVisionOptions().ToJson() : new ClipTextOptions().ToJson();
            if (json.Select(p => p.Key).FirstOrDefault(k => !known.ContainsKey(k)) is { } wrong)
                throw new InputException($"The key network.{key}.{FileFault.Shorten(wrong)} {where} is unknown: the keys are those of Hugging Face's {key}.");
            json = (JsonObject)json.DeepClone();
            json["projection_dim"] = Network["projection_dim"]?.DeepClone() ?? json["projection_dim"]?.DeepClone();
            return json;
        }
    }

    private CaptionedImages Open(CaptionedDataOptions set, DataOptions data, string key, TrainingRun run)
    {
        data.Require(Name, key);
        var images = data.Open(
            new ImageShape(set.Channels, set.Size, set.Size), text => run.Logger.LogWarning("{Warning}", text), run.CancellationToken);
        var names = set.Classes.Count > 0 ? set.Classes : (images as ImageFolder)?.Classes ?? [];
        var captions = new CaptionedImages
        {
            Images = images, Names = names, Templates = set.Templates, Share = set.Share, Augmentation = set.Augmentation, Flip = set.Flip,
        };
        captions.Validate();
        return captions;
    }
}
