using Graft.Data;
using Graft.Diffusion;
using Graft.Evaluation;
using Graft.Networks;
using Graft.Recipes;
using Graft.Sampling;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer.GuidedParts;
using Microsoft.Extensions.Logging.Abstractions;

namespace Graft.Transfer;

/// <summary>
/// TGDP (Ouyang, Xie, Zha, Cheng: "Transfer Learning for Diffusion Models", NeurIPS 2024, arXiv 2405.16876): the source stays as it is, and
/// a small network h guides it, ε̂ = ε − σ_t·∇ log h(x_t, t), since ∇ log q_t = ∇ log p_t + ∇ log E[q(x_0)/p(x_0) | x_t]. A domain
/// classifier gives the ratio q/p; h is fitted to it on noised items of the source, with two regularisers on the target's.
/// </summary>
public sealed record Guided : TransferMethod
{
    internal const string MethodName = "tgdp";
    private const double LargestLimit = 50;
    private const int UsualItems = 10_000;
    private const int UsualLarge = 1_000;
    private const int LookedAt = 1_000;

    /// <summary>Makes the method with settings of its own: small networks, many steps.</summary>
    public Guided() => Training = new TrainingOptions { Steps = 2000, BatchSize = 256, LearningRate = 1e-3, EmaDecay = 0.99 };

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>How h is fitted to the ratio.</summary>
    public RatioLoss RatioLoss { get; init; }

    /// <summary>
    /// Whether what the ratio weighs is drawn in proportion to it. The minimum is the same; the paper draws evenly, and then a batch's
    /// few items that lie where the target does decide its gradient alone. Ours.
    /// </summary>
    public bool DrawByRatio { get; init; }

    /// <summary>η1, of the cycle regulariser; 0 leaves it and its noise-aware classifier out.</summary>
    public double CycleWeight { get; init; } = 0.1;

    /// <summary>η2, of the consistency regulariser; 0 leaves it out.</summary>
    public double ConsistencyWeight { get; init; } = 0.1;

    /// <summary>How strongly the source is guided; 1 is the theory's.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>Ratios are held to [e^-limit, e^limit]: a classifier that is sure of itself would else decide everything alone.</summary>
    public double LogRatioLimit { get; init; } = 10;

    /// <summary>Steps of each classifier.</summary>
    public long ClassifierSteps { get; init; } = 500;

    /// <summary>Weight decay of the classifiers: with few target items it keeps them from being sure.</summary>
    public double ClassifierWeightDecay { get; init; } = 0.1;

    /// <summary>
    /// Noise that the clean classifier's items get in training, in multiples of the root mean square difference of a target item from its
    /// nearest other (the median over items): it then tells apart the two blurred densities, which a few items say better than the sharp
    /// ones, and the more there are, the less they are blurred. 0, the paper's, leaves them clean. Ours.
    /// </summary>
    public double ClassifierNoise { get; init; }

    /// <summary>
    /// Odds of the source against the target in both classifiers' class prior, whatever the batches hold: log q/p is what they give all the
    /// same. Even odds, the paper's, leave the cross-entropy blind where the target lies, at large ratios. Ours.
    /// </summary>
    public double ClassifierOdds { get; init; } = 1;

    /// <summary>
    /// How many clean classifiers there are, each stopped by its own share of the target's items and trained on the rest; the mean of their
    /// log ratios counts. All items then both train and stop. 1, the paper's: a single one, stopped by the items that are held out. Ours.
    /// </summary>
    public int ClassifierFolds { get; init; } = 1;

    /// <summary>The same k of <see cref="RatioLoss.Logistic"/>, which h is fitted by.</summary>
    public double LogisticOdds { get; init; } = 1;

    /// <summary>
    /// Whether h is stopped by L_guidance on held-out items of the source. Drawn items can be so many that h need not be stopped, while those of
    /// the held-out ones that lie where the target does stay few, and stop it by chance; the classifiers are stopped either way.
    /// </summary>
    public bool StopGuidance { get; init; } = true;

    /// <summary>Width of the three networks (<see cref="RatioNetworkOptions"/>).</summary>
    public int HiddenChannels { get; init; } = 128;

    /// <summary>Their residual blocks.</summary>
    public int Blocks { get; init; } = 3;

    /// <summary>
    /// Whether the three networks see the labels of a source that takes some: the ratio is then that of q(x, y) to p(x, y). False, as
    /// in the paper's released code for ECGs: that of q(x) to p(x); the source itself is told the labels all the same.
    /// </summary>
    public bool Conditional { get; init; } = true;

    /// <summary>The source's own items; null: they are drawn from the source model.</summary>
    public DataOptions? SourceData { get; init; }

    /// <summary>How many are drawn where none are given; null: 10,000, of pictures and recordings (which take long) 1,000.</summary>
    public int? SourceCount { get; init; }

    /// <summary>
    /// The sampler that draws them, by the name that <c>graft sample</c> knows it by. The ratio is the target's to what is drawn, and few
    /// items lie where the target does: a sampler that thins out the source's tails spoils both.
    /// </summary>
    public string SourceSampler { get; init; } = "ddim";

    /// <summary>Its steps.</summary>
    public int SourceSampleSteps { get; init; } = 50;

    /// <summary>Their seed, whatever that of the training: drawn items stand for the source's own, which do not change either.</summary>
    public long SourceSeed { get; init; }

    /// <summary>The ratio in closed form in place of the classifiers': what the rest of the method loses by itself. Mixtures only.</summary>
    public KnownRatio? KnownRatio { get; init; }

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        Validate();
        var model = source.Clone();
        var helpers = new List<IDisposable>();
        try
        {
            var (trained, heldItems) = HeldOutItems.Split(target, Training);
            if (trained.ItemShape != model.ItemShape)
                throw new InputException($"The {target.Noun()} are {target.ItemShape} and the source makes {model.ItemShape}: they must be the same.");
            if (ClassifierFolds > target.Count)
                throw new InputException($"The option classifier_folds of {MethodName} is {ClassifierFolds} and there are {target.Count} {target.Noun()}: give at most as many folds.");
            var blur = ClassifierNoise == 0 ? 0 : ClassifierNoise * Spacing(target);
            var ownItems = SourceData?.OpenFor(source) ?? Draw(source, run ?? new TrainingRun());
            var (own, ownHeld) = HeldOutItems.Split(ownItems, Training);
            var data = Domains(own, trained);
            var validation = heldItems is null ? null : HeldDomains(ownHeld!, heldItems);

            var stages = new List<TrainingStage>();
            var guidance = Network(model, timed: true, "guidance");
            var learnt = LearntLabels.Of(source);
            model.Attach(TorchRuntime.Run(() => new GuidanceAttachment(guidance, Scale, learnt)));
            LogRatio clean, noised;
            if (KnownRatio is { } known)
            {
                var ratio = known.Create(model.Schedule);
                (clean, noised) = ((x, _, _) => ratio.LogRatio(x), (x, t, _) => ratio.LogExpectation(x, t).To(x.Type).To(x.Device));
            }
            else
            {
                RatioNetwork[] classifiers = ClassifierFolds == 1
                    ? [Classifier("classifier", timed: false, data, validation)]
                    : [.. Enumerable.Range(0, ClassifierFolds).Select(k => Fold($"classifier-{k + 1}", HeldOutItems.Fold(target, Training, k, ClassifierFolds)))];
                clean = (x, t, labels) => classifiers.Select(c => c.LogRatio(x, t, labels)).Aggregate((a, b) => a + b) * (1.0 / classifiers.Length);
                var aware = CycleWeight > 0 ? Classifier("noise-aware-classifier", timed: true, data, validation) : null;
                noised = (x, t, labels) => aware!.LogRatio(x, t, labels);
            }

            var terms = new GuidanceLoss(model, guidance, learnt, clean, noised, this);
            var ratios = Ratios(own);
            var (batches, meanRatio) = Batches(data, own, ratios);
            var (heldBatches, heldMeanRatio) = validation is null ? default : Batches(validation, ownHeld!, Ratios(ownHeld!));
            var logger = run?.Logger ?? NullLogger.Instance;
            stages.Add(new TrainingStage
            {
                Name = "guidance",
                Network = guidance,
                Trainable = [.. guidance.Parameters()],
                Data = batches,
                Options = StopGuidance ? null : Training with { HeldOut = 0, ValidateEvery = 0, Patience = 0 },
                Loss = batch =>
                {
                    ratios.Tell(logger);
                    return terms.Of(batch, meanRatio());
                },
                // The regularisers have a say in training. They would in stopping, too, and there the few held-out target items would outvote the source's many.
                Validate = validation is null || !StopGuidance ? null : HeldOutItems.Mean(heldBatches!, Training, batch => terms.Regression(batch, heldMeanRatio!())),
                Save = model.Save,
                HoldsModel = DiffusionModel.Is,
                Meter = TrainingMeter.Of(model, trained, Training, Sampler.Ddim(Math.Min(Training.SampleSteps, model.Schedule.Count))),
            });
            return new Adaptation(model, stages) { Helpers = helpers };

            SourceRatios Ratios(ISampleSource items) => new(items, (x, t, labels) => terms.Limited(clean(x, t, labels)), model.Device);

            (IBatchSource Batches, Func<double?> MeanRatio) Batches(DomainBatches domains, ISampleSource source, SourceRatios ratios)
            {
                if (!DrawByRatio)
                    return (domains, () => null);
                var byRatio = new GuidanceBatches(domains, source, ratios, model.Schedule, Training, model.Device);
                return (byRatio, () => byRatio.MeanRatio);
            }

            RatioNetwork Fold(string name, (ISampleSource Trained, ISampleSource Held) items) =>
                Classifier(name, timed: false, Domains(own, items.Trained), HeldDomains(ownHeld!, items.Held));

            DomainBatches Domains(ISampleSource source, ISampleSource target) => new(source, target, model.Schedule, Training, model.Device);

            DomainBatches HeldDomains(ISampleSource source, ISampleSource target) =>
                new(source, target, model.Schedule, Training with { Seed = ~Seed, Flip = false }, model.Device);

            RatioNetwork Classifier(string name, bool timed, DomainBatches data, DomainBatches? validation)
            {
                var network = Network(model, timed, name);
                helpers.Add(network);
                stages.Add(ClassifierStage.Create(name, network, data, validation, model.Schedule, blur, ClassifierOdds, Training with
                {
                    Steps = ClassifierSteps, WeightDecay = ClassifierWeightDecay, Decay = LearningRateDecay.Constant, SampleEvery = 0, MeterEvery = 0, StopWhenMemorised = null,
                }));
                return network;
            }
        }
        catch
        {
            foreach (var helper in helpers)
                helper.Dispose();
            model.Dispose();
            throw;
        }
    }

    private ISampleSource Draw(DiffusionModel source, TrainingRun run)
    {
        var count = SourceCount ?? (!source.MakesPictures && source.ItemShape.Rank == 1 ? UsualItems : UsualLarge);
        return SourceDraws.Of(source, count, Sampler.Parse(SourceSampler, Math.Min(SourceSampleSteps, source.Schedule.Count)), SourceSeed, run);
    }

    /// <summary>Root mean square difference of an item from its nearest other, the median over (at most a thousand) items.</summary>
    internal static double Spacing(ISampleSource items)
    {
        if (items.Count < 2)
            throw new InputException($"The option classifier_noise of {MethodName} is in multiples of how far items lie from each other, and there is one: give more {items.Noun()}, or 0.");
        var looked = items.Subset([.. Enumerable.Range(0, Math.Min(items.Count, LookedAt))]);
        var nearest = NearestNeighbour.Search(looked, items, null, EuclideanDistance.Instance, own: [.. Enumerable.Range(0, looked.Count)]);
        return Quantiles.Median(nearest.Select(n => n.Distance)) / Math.Sqrt(items.ItemShape.Elements);
    }

    private RatioNetwork Network(DiffusionModel model, bool timed, string purpose) => TorchRuntime.Run(() =>
    {
        var network = RatioNetwork.Build(new RatioNetworkOptions
        {
            ItemSizes = model.ItemShape.Sizes.ToArray(),
            HiddenChannels = HiddenChannels,
            Blocks = Blocks,
            Timed = timed,
            TimestepScale = model.Schedule.Process is null ? 1 : 1000,
            NumClassEmbeds = Conditional && model.Classes > 0 ? model.Classes : null,
        });
        network.Initialise(Seed, $"{purpose}.");
        network.MoveTo(model.Device);
        return network;
    });

    private void Validate()
    {
        if (DrawByRatio && RatioLoss == RatioLoss.LogRatio)
            throw new InputException($"The option draw_by_ratio of {MethodName} does not go with ratio_loss log_ratio, which is not linear in the ratio: leave one of them out.");
        Require(CycleWeight >= 0 && double.IsFinite(CycleWeight), "cycle_weight", "0 or more");
        Require(ConsistencyWeight >= 0 && double.IsFinite(ConsistencyWeight), "consistency_weight", "0 or more");
        Require(double.IsFinite(Scale), "scale", "a finite number");
        Require(LogRatioLimit is > 0 and <= LargestLimit, "log_ratio_limit", $"more than 0 and at most {LargestLimit}");
        Require(ClassifierSteps >= 1, "classifier_steps", "1 or more");
        Require(ClassifierWeightDecay >= 0 && double.IsFinite(ClassifierWeightDecay), "classifier_weight_decay", "0 or more");
        Require(ClassifierNoise >= 0 && double.IsFinite(ClassifierNoise), "classifier_noise", "0 or more");
        Require(ClassifierFolds >= 1, "classifier_folds", "1 or more");
        if (ClassifierFolds > 1 && (Training.HeldOut == 0 || Training.ValidateEvery == 0))
            throw new InputException($"The option classifier_folds of {MethodName} needs a rule to stop by: give training.held_out (of the source's items) and training.validate_every, or one fold.");
        Require(ClassifierOdds > 0 && double.IsFinite(ClassifierOdds), "classifier_odds", "more than 0");
        Require(LogisticOdds > 0 && double.IsFinite(LogisticOdds), "logistic_odds", "more than 0");
        Require(SourceCount is null or >= 2, "source_count", "2 or more");
        Require(SourceSampleSteps >= 1, "source_sample_steps", "1 or more");
        _ = Sampler.Parse(SourceSampler, SourceSampleSteps);

        static void Require(bool condition, string name, string bound)
        {
            if (!condition)
                throw new InputException($"The option {name} of {MethodName} is out of range: give {bound}.");
        }
    }
}

/// <summary>Two mixtures whose density ratio is known.</summary>
public sealed record KnownRatio
{
    /// <summary>p.</summary>
    public required MixtureOptions Source { get; init; }

    /// <summary>q.</summary>
    public required MixtureOptions Target { get; init; }

    internal MixtureRatio Create(NoiseSchedule schedule) => new(Source.Create(), Target.Create(), schedule);
}
