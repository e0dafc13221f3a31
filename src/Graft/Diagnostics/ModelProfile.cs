using System.Diagnostics;
using Graft.Diffusion;
using Graft.Networks;
using Graft.Torch;
using Graft.Training;

namespace Graft.Diagnostics;

/// <summary>
/// Where a step of a model goes, by operator and by block: the gradients of the denoising loss for a batch (what every training does, beside its own
/// additions and the optimiser), and one evaluation without gradients (what every sampler does). On the processor, with drawn inputs.
/// </summary>
public sealed record ModelProfile
{
    private const int WarmUp = 2;

    /// <summary>Items of a batch.</summary>
    public required int Batch { get; init; }

    /// <summary>Threads that computed.</summary>
    public required int Threads { get; init; }

    /// <summary>What this machine reaches in products of matrices, operations a second: the better of two readings, before and after.</summary>
    public required double MatrixProductRate { get; init; }

    /// <summary>Forwards, the denoising loss, backwards; null: it was not asked for.</summary>
    public PassProfile? Training { get; init; }

    /// <summary>One evaluation without gradients; null: it was not asked for.</summary>
    public PassProfile? Sampling { get; init; }

    /// <summary>Profiles a model. Rounds with and without the profile, of training and of sampling, alternate.</summary>
    /// <param name="model">On the CPU. Its weights stay; gradients that its parameters had are gone.</param>
    /// <param name="batch">Items at once, at least 1.</param>
    /// <param name="rounds">How often each pass is timed, at least 1.</param>
    /// <param name="training">Whether the training pass is profiled.</param>
    /// <param name="sampling">Whether the sampling pass is.</param>
    /// <param name="progress">Told the rounds done, of how many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">The model is on a GPU, or takes conditions that cannot be drawn.</exception>
    public static ModelProfile Measure(
        DiffusionModel model, int batch, int rounds, bool training = true, bool sampling = true, IProgress<(long Done, long Of)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        if (model.Device.Type != DeviceType.Cpu)
            throw new InputException($"A profile times operators on the processor, and the model is on {model.Device}: open it there.");
        return TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            var input = new Input(model, batch);
            var trained = new Rounds(model, input.BeginTraining, input.Train);
            var drawn = new Rounds(model, input.EndTraining, input.Evaluate);
            var rate = TorchChecks.MeasureMatrixProduct();
            try
            {
                for (var round = -WarmUp; round < rounds; round++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (training)
                        trained.Next(keep: round >= 0);
                    if (sampling)
                        drawn.Next(keep: round >= 0);
                    if (round >= 0)
                        progress?.Report((round + 1, rounds));
                }
            }
            finally
            {
                input.EndTraining();
            }

            return new ModelProfile
            {
                Batch = batch,
                Threads = TorchRuntime.Threads,
                MatrixProductRate = Math.Max(rate, TorchChecks.MeasureMatrixProduct()) * 1e9,
                Training = training ? trained.Result() : null,
                Sampling = sampling ? drawn.Result() : null,
            };
        });
    }

    /// <summary>A pass that is timed with and without a profile, in turn.</summary>
    private sealed class Rounds(DiffusionModel model, Action prepare, Action pass)
    {
        private readonly List<double> _plain = [];
        private readonly List<(OperatorProfile Profile, double Seconds)> _profiled = [];

        internal void Next(bool keep)
        {
            prepare();
            var clock = Stopwatch.StartNew();
            pass();
            var plain = clock.Elapsed.TotalSeconds;
            prepare();
            using var profile = new OperatorProfile(model.Network);
            clock.Restart();
            pass();
            var seconds = clock.Elapsed.TotalSeconds;
            profile.End();
            if (!keep)
                return;
            _plain.Add(plain);
            _profiled.Add((profile, seconds));
        }

        internal PassProfile Result() => PassProfile.Of(_profiled, _plain);
    }

    /// <summary>A drawn batch, and the two passes over it.</summary>
    private sealed class Input
    {
        private readonly DiffusionModel _model;
        private readonly ReverseProcess _process;
        private readonly Batch _batch;
        private readonly double _vlbWeight = new TrainingOptions().VlbWeight;

        internal Input(DiffusionModel model, int count)
        {
            (_model, _process) = (model, new ReverseProcess(model.Schedule));
            long[] items = [.. Enumerable.Range(0, count).Select(i => (long)i)];
            KeyedRandom Random(string purpose) => new(0, $"profile/{purpose}");
            var sizes = model.ItemShape.Sizes;
            _batch = new Batch(
                0, items, Random("x0").Normal(0, items, sizes), model.Schedule.DrawTimes(Random("time"), items), Random("noise").Normal(0, items, sizes), LabelsFor(model, count))
            {
                Embedding = EmbeddingFor(model, items, Random("embedding")),
            };
        }

        /// <summary>What is trained: the network, and what stands beside it.</summary>
        private IEnumerable<NamedTensor> Trained => _model.Network.TrainableParameters().Concat(_model.Attachment?.Parameters() ?? []);

        /// <summary>Without gradients of the round before, which would be given back while bytes are counted.</summary>
        internal void BeginTraining()
        {
            Set(requiresGrad: true);
            _model.Network.BeginBatch(0, 0, _batch.Items);
        }

        internal void EndTraining() => Set(requiresGrad: false);

        internal void Train()
        {
            using var scope = new TensorScope();
            var loss = DenoisingStage.LossOf(_model, _process, _batch, DenoisingStage.Predict(_model, _batch), _vlbWeight);
            Autograd.Backward(loss.Total);
        }

        internal void Evaluate()
        {
            using var scope = new TensorScope();
            using var mode = Autograd.NoGrad();
            var condition = _batch.ClassLabels is null && _batch.Embedding is null ? null : new Condition { ClassLabels = _batch.ClassLabels, Embedding = _batch.Embedding };
            _model.Denoiser.Predict(_batch.Noise, _batch.T, condition);
        }

        private void Set(bool requiresGrad)
        {
            _model.Network.Train(requiresGrad);
            foreach (var (_, value) in Trained)
                (value.Grad, value.RequiresGrad) = (null, requiresGrad);
        }

        private static Tensor? LabelsFor(DiffusionModel model, int count)
        {
            var options = model.Network.Options;
            if (!options.IsClassConditional)
                return null;
            if (options.Classes == 0)
                throw new InputException($"The model {model.Origin} is conditioned on something else than classes, which a profile cannot draw: give another model.");
            if (!options.TakesLabelSets)
                return Tensor.From([.. Enumerable.Range(0, count).Select(i => i % options.Classes)], [count]);
            var sets = new float[count * options.Classes];
            for (var i = 0; i < count; i++)
                sets[(i * options.Classes) + (i % options.Classes)] = 1;
            return Tensor.From(sets, [count, options.Classes]);
        }

        private static Tensor? EmbeddingFor(DiffusionModel model, long[] items, KeyedRandom random) => model.Conditions is { } table
            ? table.Rows([.. items.Select(i => (int)(i % table.Count))])
            : model.Network.Options is UNet2DOptions { CrossAttentionDim: { } width, ClassesAreContext: false } ? random.Normal(0, items, [width]) : null;
    }
}
