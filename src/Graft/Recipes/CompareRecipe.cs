using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data.Ecg;
using Graft.Sampling;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Recipes;

/// <summary>Several methods from one source to one or more targets, with several seeds, measured at the same steps.</summary>
public sealed record CompareRecipe
{
    /// <summary>A short name.</summary>
    public required string Name { get; init; }

    /// <summary>What it shows, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The pretrained model.</summary>
    public required string Source { get; init; }

    /// <summary>The folder of cells and reports.</summary>
    public required string Out { get; init; }

    /// <summary>
    /// The folder of the trainings: checkpoints and logs. Null: beside the cells; where <see cref="Out"/> lies under <c>docs</c>, whose
    /// files are committed, <c>runs/</c> and the last part of <see cref="Out"/>.
    /// </summary>
    public string? Runs { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>The targets by name; those without a value are left out (<c>--set targets.bag=null</c>).</summary>
    public required IReadOnlyDictionary<string, CompareTarget> Targets { get; init => field = Given(value); }

    /// <summary>The methods by the names that the report gives them; those without a value are left out.</summary>
    public required IReadOnlyDictionary<string, CompareMethod> Methods { get; init => field = Given(value); }

    /// <summary>The method that the others are held against, one of <see cref="Methods"/>; null: none.</summary>
    public string? Baseline { get; init; }

    /// <summary>The share of memorised samples, in [0, 1], up to which a step counts where methods are shown at their best without copying.</summary>
    public double CopiesAtMost { get; init; } = 0.1;

    /// <summary>The training loop's settings, over each method's defaults; <see cref="At"/> takes the place of steps and checkpoints.</summary>
    public JsonObject Training { get; init; } = [];

    /// <summary>Seeds; each is a cell.</summary>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <summary>Steps at which every method is measured, rising; the last is the budget.</summary>
    public required IReadOnlyList<long> At { get; init; }

    /// <summary>Samples of a measurement.</summary>
    public int Samples { get; init; } = 500;

    /// <summary>The sampler.</summary>
    public string Sampler { get; init; } = "ddim";

    /// <summary>Its updates.</summary>
    public int SampleSteps { get; init; } = 20;

    /// <summary>Feature networks, as <c>graft evaluate --features</c> takes them. One that begins with <c>?</c> is left out, and said so, where its files are not there.</summary>
    public IReadOnlyList<string> Features { get; init; } = [];

    /// <summary>Of ECGs: what samples are good for as training records of a classifier; null: that is not measured.</summary>
    public CompareUtility? Utility { get; init; }

    /// <summary>Where the trainings go: <see cref="Runs"/>, or what stands for it.</summary>
    [JsonIgnore]
    public string Trainings => Runs ?? (IsDocument(Out) ? Path.Combine("runs", Path.GetFileName(Path.TrimEndingDirectorySeparator(Out))) : Out);

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <exception cref="InputException">Something does not fit.</exception>
    public void Check()
    {
        Require(Targets.Count > 0 && Methods.Count > 0 && Seeds.Count > 0, "needs at least one of targets, methods and seeds");
        Require(At.Count > 0 && At[0] >= 1 && At.Zip(At.Skip(1)).All(p => p.First < p.Second), "needs rising steps in at, from 1");
        Require(Seeds.Distinct().Count() == Seeds.Count, "names a seed twice");
        Require(Baseline is null || Methods.ContainsKey(Baseline), $"has the baseline '{Baseline}', which is not among its methods");
        Require(CopiesAtMost is >= 0 and <= 1, $"has copies_at_most {CopiesAtMost}, which is no share from 0 to 1");
        Require(Samples >= 2, $"asks for {Samples} samples: give 2 or more");
        foreach (var name in Targets.Keys.Concat(Methods.Keys))
            Require(name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'), $"has the name '{name}': letters, digits, - and _ can be part of a file name");
        _ = Graft.Sampling.Sampler.Parse(Sampler, SampleSteps);
        foreach (var (name, target) in Targets)
            Require(!target.DrawPerSeed || target.Training.Ecg is not null || (target.Training.Mixture is not null && target.Reference is null or { Mixture: not null }), $"asks for other draws of {name} with each seed: of what is no ECGs only a mixture can be drawn, and targets.{name} names another kind of data");
        Require(Utility is null || Targets.Values.All(t => t.Training.Ecg is not null), "has a utility, which is measured of ECGs alone: leave it out");
        Comparison.ComparisonKinds.Of(this).Check(this);
        foreach (var (name, method) in Methods)
        {
            Require(method.Method is null != method.Like is null, $"gives its method '{name}' both or neither of method and like: give one of them");
            Require(method.Like is null || (Methods.GetValueOrDefault(method.Like) is { Like: null } && method.MethodOptions.Count + method.Training.Count == 0), $"has the method '{name}', like '{method.Like}', which must be another one of its methods with a training of its own, and no options beside it");
            method.Conditioning?.Validate();
        }

        foreach (var name in Methods.Keys)
            _ = CreateMethod(name, Seeds[0], At[^1]);

        void Require(bool holds, string fault)
        {
            if (!holds)
                throw new InputException($"The comparison {Name} {fault}.");
        }
    }

    /// <summary>A method with its options, trained to a step.</summary>
    /// <param name="name">Its name in <see cref="Methods"/>.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="steps">The step.</param>
    /// <exception cref="InputException">An option is unknown or out of range.</exception>
    public TransferMethod CreateMethod(string name, long seed, long steps)
    {
        var given = Methods[TrainedAs(name)];
        var method = TransferMethods.Create(given.Method!, given.MethodOptions);
        var training = Recipe.Describe(method.Training);
        foreach (var (key, value) in Training.Concat(given.Training))
            training[key] = value?.DeepClone();
        method = method with
        {
            Training = Recipe.Bind<TrainingOptions>(training, $"training of {name}") with
            {
                Seed = seed, Steps = steps, CheckpointEvery = 0, KeepCheckpoints = 1, SampleEvery = 0, MeterEvery = 0,
            },
        };
        method.Training.Validate();
        return method.Training.Decay == LearningRateDecay.Constant || At.Count == 1
            ? method
            : throw new InputException($"The comparison {Name} measures on the way, where a falling learning rate would depend on the budget: set training.decay constant, or give one step in at.");
    }

    /// <summary>The method whose models a method's are.</summary>
    internal string TrainedAs(string name) => Methods[name].Like ?? name;

    /// <summary>What a cell of a method was made with, beside its step and seed: the method's options, and the training's that change weights.</summary>
    /// <param name="name">The method's name in <see cref="Methods"/>.</param>
    /// <exception cref="InputException">An option is unknown or out of range.</exception>
    internal JsonObject SettingsOf(string name)
    {
        var method = CreateMethod(name, Seeds[0], At[^1]);
        var training = Recipe.Describe(method.Training);
        foreach (var idle in WithoutEffect)
            training.Remove(idle);
        var options = Recipe.Describe(method);
        options.Remove("name");
        var settings = new JsonObject { ["method"] = method.Name, ["method_options"] = options, ["training"] = training };
        if (Methods[name].Conditioning is { } conditioning)
            settings["conditioning"] = Recipe.Describe(conditioning);
        return settings;
    }

    private static Dictionary<string, T> Given<T>(IReadOnlyDictionary<string, T> all)
        where T : class => all.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);

    private static readonly string[] WithoutEffect =
    [
        "steps", "seed", "decay", "decay_fraction", "log_every", "tensorboard", "checkpoint_every", "keep_checkpoints", "sample_every", "sample_count", "sample_steps",
        "meter_every", "meter_count", "stop_when_memorised",
    ];

    private static bool IsDocument(string folder) =>
        Path.GetRelativePath(Environment.CurrentDirectory, Path.GetFullPath(folder)).Split(Path.DirectorySeparatorChar)[0] == "docs";
}

/// <summary>A target of a comparison.</summary>
public sealed record CompareTarget
{
    /// <summary>The few pictures, or other items, that are trained on.</summary>
    public required DataOptions Training { get; init; }

    /// <summary>
    /// Other items of the same domain, which nothing is trained on: what samples are held against. Null where there are none; then
    /// there are no distances between sets, and diversity and copies alone are measured. Of a mixture, null draws as many fresh points
    /// as there are samples; of ECGs with <c>train</c> (how many are for training), null takes all the others.
    /// </summary>
    public DataOptions? Reference { get; init; }

    /// <summary>
    /// Whether every seed of the comparison sees another draw of the mixture, or of the ECGs (<c>train</c>, or <c>max_count</c> with
    /// <c>shuffle</c>): the comparison's seed is added to the data's. All methods of a seed see the same items.
    /// </summary>
    public bool DrawPerSeed { get; init; }

    /// <summary>What is trained on with a seed.</summary>
    internal DataOptions TrainingOf(long seed) => Drawn(Training, seed);

    /// <summary>What samples are held against with a seed; null: nothing.</summary>
    /// <param name="seed">The comparison's.</param>
    /// <param name="samples">How many samples are measured.</param>
    internal DataOptions? ReferenceOf(long seed, int samples)
    {
        if (Reference is not null)
            return Drawn(Reference, seed);
        // The complement of the seed: draws that have nothing to do with those that are trained on.
        var training = TrainingOf(seed);
        return training.Mixture is { } mixture ? new DataOptions { Mixture = mixture with { Count = samples, Seed = ~mixture.Seed } }
            : training.Ecg is { Train: not null } ecg ? new DataOptions { Ecg = ecg with { Split = EcgSplit.Test, MaxCount = 0 } }
            : null;
    }

    private DataOptions Drawn(DataOptions data, long seed) => !DrawPerSeed ? data
        : data.Mixture is { } mixture ? data with { Mixture = mixture with { Seed = mixture.Seed + seed } }
        : data.Ecg is { } ecg ? data with { Ecg = ecg with { Seed = ecg.Seed + seed } }
        : data;
}

/// <summary>
/// What generated ECGs are good for: a classifier that is to tell records of a class from others is trained on real records without the class
/// and samples in place of those with it, and judged on real records.
/// </summary>
public sealed record CompareUtility
{
    /// <summary>The class, a statement that every training record of every target has.</summary>
    public required string Class { get; init; }

    /// <summary>Real records for training without the class.</summary>
    public required EcgDataOptions Negatives { get; init; }

    /// <summary>Real records that nothing is trained on, some with the class.</summary>
    public required EcgDataOptions Test { get; init; }

    /// <summary>Optimiser steps of each classifier, of 64 records each.</summary>
    public long Steps { get; init; } = 300;
}

/// <summary>A method of a comparison.</summary>
public sealed record CompareMethod
{
    /// <summary>The method's name; none where <see cref="Like"/> is given.</summary>
    public string? Method { get; init; }

    /// <summary>Another method of the comparison, whose models are taken as they are: only <see cref="Conditioning"/> is this one's own.</summary>
    public string? Like { get; init; }

    /// <summary>How samples are drawn from models that were tuned on condition pictures.</summary>
    public ConditionOptions? Conditioning { get; init; }

    /// <summary>Its own options.</summary>
    public JsonObject MethodOptions { get; init; } = [];

    /// <summary>Settings of the training loop that are this method's only.</summary>
    public JsonObject Training { get; init; } = [];
}
