using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;
using Graft.Training;

namespace Graft.Transfer;

/// <summary>Whose form of the pairwise terms: paper and released code differ.</summary>
public enum PairwiseForm
{
    /// <summary>The paper's: Σ_i KL(adapted ‖ source), weights 0.5, 0.5 and 0.05.</summary>
    Paper,

    /// <summary>The authors' released code's: KL(source ‖ adapted), averaged over all pairs, weights 4, 4 and 1.</summary>
    Released,
}

/// <summary>
/// DDPM-PA, pairwise adaptation (Zhu, Ma, Chen, Yuan 2022, arXiv 2211.03264): all weights are fine-tuned, while the pictures of a
/// batch keep the likeness to each other that they have for the frozen source, and their high-frequency detail is held to the
/// real pictures': L = L_simple + λ1·L_vlb + λ2·L_img + λ3·L_hf + λ4·L_hfmse.
/// </summary>
public sealed record PairwiseAdaptation : TransferMethod
{
    internal const string MethodName = "ddpm-pa";
    private const int Fewest = 3;

    /// <inheritdoc/>
    public override string Name => MethodName;

    /// <summary>Whose form.</summary>
    public PairwiseForm Form { get; init; }

    /// <summary>λ2, of L_img; null: the form's (the paper tunes 0.1 to 1.0 for each task).</summary>
    public double? ImageWeight { get; init; }

    /// <summary>λ3, of L_hf; null: the form's (the paper: 0.1 to 1.0).</summary>
    public double? HighFrequencyWeight { get; init; }

    /// <summary>λ4, of L_hfmse; null: the form's (the paper: 0.01 to 0.08).</summary>
    public double? HighFrequencyErrorWeight { get; init; }

    /// <summary>
    /// How many pictures of a batch are compared with each other, from 3; 0: all. The sums of the pairwise terms grow with it, so the
    /// weights belong to it: the paper's and the code's to 3, the pictures that each of the authors' devices held.
    /// </summary>
    public int ComparedTogether { get; init; } = Fewest;

    /// <summary>
    /// Whether pictures are compared over the whole batch where several processes hold a part each, as one process with accumulation 1 does; else
    /// within a part. Each process then needs exactly one part.
    /// </summary>
    public bool ComparedGlobally { get; init; }

    /// <summary>
    /// √ᾱ_t below which a picture has no part in L_hfmse. x̃_0 is divided by √ᾱ_t, so where a schedule ends in pure noise the term
    /// would be nothing but the last steps' error. The default leaves the paper's own schedule (linear, √ᾱ_T = 0.0064) as it is.
    /// </summary>
    public double SmallestSignal { get; init; } = 0.006;

    /// <inheritdoc/>
    public override Adaptation Prepare(DiffusionModel source, ISampleSource target, TrainingRun? run = null)
    {
        _ = target.Pictures($"{Name} holds the fine detail of samples to that of");
        var weights = Weights();
        if (ComparedTogether is not (0 or >= Fewest))
            throw new InputException($"The option compared_together is {ComparedTogether}: give {Fewest} or more, or 0 for all pictures of a batch.");
        var size = run?.Group?.Size ?? 1;
        if (ComparedGlobally && Training.Accumulation != size)
            throw new InputException($"The option compared_globally takes one part of a batch for each process, and accumulation {Training.Accumulation} makes {Training.Accumulation} for {size}: set training.accumulation to {size}.");
        var group = ComparedGlobally ? run?.Group : null;
        var (there, least) = (Training.BatchSize / (ComparedGlobally ? 1 : Training.Accumulation), Math.Max(Fewest, ComparedTogether));
        if (there < least)
            throw new InputException($"{Name} compares {least} pictures of a batch with each other, and there are {there} at a time: set training.batch_size{(ComparedGlobally ? "" : " / training.accumulation")} to {least} or more.");
        var model = source.Clone();
        try
        {
            var stage = DenoisingStage.Create(Name, model, target, Training);
            var process = new ReverseProcess(model.Schedule);
            return new Adaptation(model, [stage with { Loss = batch => Loss(source, model, process, batch, weights, group) }]);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private Loss Loss(
        DiffusionModel source, DiffusionModel model, ReverseProcess process, Batch batch, (double Image, double High, double HighError) weights, ProcessGroup? group)
    {
        var (x, condition) = DenoisingStage.Noised(model, batch);
        Tensor sourceOutput;
        using (Autograd.NoGrad()) // first: what it needs on the way is gone before the other network keeps what its gradients need
            sourceOutput = source.Denoiser.Predict(x, batch.T, condition);
        var noised = new NoisedBatch(x, condition, model.Denoiser.Predict(x, batch.T, condition));
        var denoising = DenoisingStage.LossOf(model, process, batch, noised, Training.VlbWeight);
        var share = model.Schedule.At(batch.T, noised.X).Alpha.IsGreater(SmallestSignal).To(noised.X.Type);
        var pairs = PairwiseLoss.Of(
            model.Schedule.PredictedOriginal(noised.Output, noised.X, batch.T),
            model.Schedule.PredictedOriginal(sourceOutput, noised.X, batch.T),
            batch.X0, share, Form, ComparedTogether, group);
        var total = denoising.Total + (pairs.Image * weights.Image) + (pairs.HighFrequency * weights.High) + (pairs.HighFrequencyError * weights.HighError);
        return new Loss(total,
        [
            .. denoising.Terms is { Length: > 0 } terms ? terms : [("simple", denoising.Total)],
            ("image", pairs.Image), ("high_frequency", pairs.HighFrequency), ("high_frequency_error", pairs.HighFrequencyError),
        ]);
    }

    private (double Image, double High, double HighError) Weights()
    {
        var weights = Form == PairwiseForm.Paper
            ? (Image: ImageWeight ?? 0.5, High: HighFrequencyWeight ?? 0.5, HighError: HighFrequencyErrorWeight ?? 0.05)
            : (Image: ImageWeight ?? 4, High: HighFrequencyWeight ?? 4, HighError: HighFrequencyErrorWeight ?? 1);
        Require(weights.Image, "image_weight");
        Require(weights.High, "high_frequency_weight");
        Require(weights.HighError, "high_frequency_error_weight");
        Require(SmallestSignal, "smallest_signal");
        return weights;

        static void Require(double value, string name)
        {
            if (!(value >= 0 && double.IsFinite(value)))
                throw new InputException($"The option {name} is {value}: give 0 or more.");
        }
    }
}
