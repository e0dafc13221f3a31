using System.Text.Json.Nodes;
using Graft.Augmenting;
using Graft.Sampling;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Recipes;

/// <summary>
/// More labelled pictures from a few: a source model is adapted to a labelled target set, and so many samples of each class are drawn. The
/// command line's options are overrides of these.
/// </summary>
public sealed record AugmentRecipe
{
    /// <summary>A short name.</summary>
    public string Name { get; init; } = "augment";

    /// <summary>What it makes, from what, and how long it takes.</summary>
    public string About { get; init; } = "";

    /// <summary>The pretrained model: a folder.</summary>
    public required string Source { get; init; }

    /// <summary>The few pictures, each with a label.</summary>
    public required DataOptions Target { get; init; }

    /// <summary>
    /// The method's name. <c>anl</c> is adapted once, and draws each class from its condition pictures; any other knows no classes and is
    /// adapted to each class alone.
    /// </summary>
    public required string Method { get; init; }

    /// <summary>The method's own options.</summary>
    public JsonObject MethodOptions { get; init; } = [];

    /// <summary>The training loop's settings, over the method's defaults.</summary>
    public JsonObject Training { get; init; } = [];

    /// <summary>The folder of pictures, labels, record and runs.</summary>
    public required string Out { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>How many pictures of each class are drawn.</summary>
    public int SamplesPerClass { get; init; } = 100;

    /// <summary>How they are drawn: one of <see cref="Sampling.Sampler.Names"/>.</summary>
    public string Sampler { get; init; } = "ddim";

    /// <summary>Network evaluations for each picture.</summary>
    public int SampleSteps { get; init; } = 50;

    /// <summary>Which pictures: each class's noise is a function of it and of the class.</summary>
    public long SampleSeed { get; init; }

    /// <summary>Pictures that are drawn at a time; changes the memory needed, not the pictures.</summary>
    public int SampleBatchSize { get; init; } = 64;

    /// <summary>How condition pictures are looked at (masked sampling, guidance); for <c>anl</c> alone.</summary>
    public ConditionOptions? Conditioning { get; init; }

    /// <summary>
    /// A classifier's folder, whose classes are the target's: how many of the pictures it takes for what they are labelled as is recorded. Null: none is asked.
    /// </summary>
    public string? Judge { get; init; }

    /// <summary>The method with its options and training settings.</summary>
    /// <exception cref="InputException">One is unknown or out of range.</exception>
    public TransferMethod CreateMethod() => new AdaptRecipe
    {
        Source = Source, Target = Target, Method = Method, MethodOptions = MethodOptions, Training = Training, Out = Out,
    }.CreateMethod();

    /// <summary>Checks everything that can be checked without data and without libtorch.</summary>
    /// <returns>The method and the sampler.</returns>
    /// <exception cref="InputException">A value cannot be used.</exception>
    public (TransferMethod Method, Sampler Sampler) Resolve()
    {
        var method = CreateMethod();
        if (SamplesPerClass < 1 || SampleBatchSize < 1)
            throw new InputException($"The option {(SamplesPerClass < 1 ? "samples_per_class" : "sample_batch_size")} must be at least 1.");
        Conditioning?.Validate();
        if (Conditioning is not null && !KnowsClasses(method))
            throw new InputException($"The option conditioning is for condition pictures, of which the method {Method} has none: leave it out.");
        return (method, Graft.Sampling.Sampler.Parse(Sampler, SampleSteps));
    }

    /// <summary>Adapts and draws. What is finished already is kept.</summary>
    /// <param name="run">How it is followed; its folder is <see cref="Out"/>, and it goes on where it stopped.</param>
    /// <returns>The record, which is <c>augmentation.json</c>.</returns>
    /// <exception cref="InputException">Source, data or options cannot be used, or the folder holds something else.</exception>
    /// <exception cref="TrainingStoppedException">It was stopped; what is finished is kept.</exception>
    public AugmentationRecord Run(TrainingRun run)
    {
        using var augmentation = new AugmentationRun(this, run);
        return augmentation.Run();
    }

    /// <summary>Whether one adapted model draws any class.</summary>
    internal static bool KnowsClasses(TransferMethod method) => method is ConditionTuning { Conditional: true };
}
