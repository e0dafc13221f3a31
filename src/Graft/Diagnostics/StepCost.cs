using System.Diagnostics;
using Graft.Data;
using Graft.Recipes;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Diagnostics;

/// <summary>What a training step of a method costs.</summary>
/// <param name="Method">What it is called.</param>
/// <param name="Trained">Parameters that it trains.</param>
/// <param name="Parameters">Parameters of the adapted model.</param>
/// <param name="WeightBytes">Bytes of all weights that the method holds: the model's, and helpers' as a frozen source beside it.</param>
/// <param name="OptimiserBytes">Bytes of the optimiser's state and of the average of weights.</param>
/// <param name="StepBytes">The most that a step holds beside these: activations, gradients and what passes.</param>
/// <param name="Seconds">Of each round.</param>
public sealed record StepCost(string Method, long Trained, long Parameters, long WeightBytes, long OptimiserBytes, long StepBytes, IReadOnlyList<double> Seconds)
{
    private const int WarmUp = 2;

    /// <summary>The median of the rounds.</summary>
    public double MedianSeconds => Seconds.Order().ElementAt(Seconds.Count / 2);

    /// <summary>Measures the methods of a comparison on one of its targets, with its training settings and first seed.</summary>
    /// <param name="recipe">The comparison.</param>
    /// <param name="target">The target's name.</param>
    /// <param name="rounds">Steps that are timed of each, at least 1.</param>
    /// <param name="warn">Told of files that cannot be read.</param>
    /// <param name="progress">Told the rounds done, of how many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="InputException">There is no such target, or its files are not there.</exception>
    public static IReadOnlyList<StepCost> Measure(
        CompareRecipe recipe, string target, int rounds, Action<string>? warn = null, IProgress<(long Done, long Of)>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        recipe.Check();
        if (!recipe.Targets.TryGetValue(target, out var chosen))
            throw new InputException($"The comparison {recipe.Name} has no target '{target}': {string.Join(", ", recipe.Targets.Keys)} are there.");
        chosen.Training.Require(recipe.Name, $"targets.{target}.training");
        using var source = DiffusionModel.Load(recipe.Source, Device.Parse(recipe.Device));
        var items = chosen.TrainingOf(recipe.Seeds[0]).OpenFor(source, warn, cancellationToken);
        var methods = recipe.Methods.Where(m => m.Value.Like is null).Select(m => (m.Key, recipe.CreateMethod(m.Key, recipe.Seeds[0], recipe.At[^1]))).ToList();
        return Measure(methods, source, items, rounds, progress, cancellationToken);
    }

    /// <summary>
    /// Measures methods side by side: in each round every method takes one step, so that what else the machine does falls on all alike. Of
    /// a method with several stages the last is measured.
    /// </summary>
    /// <param name="methods">The methods by name.</param>
    /// <param name="source">The source.</param>
    /// <param name="target">What they are trained on.</param>
    /// <param name="rounds">Steps that are timed of each, at least 1.</param>
    /// <param name="progress">Told the rounds done, of how many.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static IReadOnlyList<StepCost> Measure(
        IReadOnlyList<(string Name, TransferMethod Method)> methods, DiffusionModel source, ISampleSource target, int rounds,
        IProgress<(long Done, long Of)>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(methods);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        return TorchRuntime.Run(() =>
        {
            var entries = new List<Entry>();
            try
            {
                foreach (var (name, method) in methods)
                    entries.Add(new Entry(name, method, source, target));
                for (var round = 0; round < rounds; round++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    foreach (var entry in entries)
                        entry.Seconds.Add(entry.Step());
                    progress?.Report((round + 1, rounds));
                }

                return entries.Select(e => e.Cost()).ToList();
            }
            finally
            {
                foreach (var entry in entries)
                    entry.Dispose();
            }
        });
    }

    /// <summary>A method that is ready to step.</summary>
    private sealed class Entry : IDisposable
    {
        private readonly string _name;
        private readonly Adaptation _adaptation;
        private readonly TrainingStage _stage;
        private readonly TrainingOptions _options;
        private readonly AdamW _optimiser;
        private readonly long _weights;
        private readonly long _state;
        private readonly long _peak;
        private long _step;

        internal Entry(string name, TransferMethod method, DiffusionModel source, ISampleSource target)
        {
            _name = name;
            using var meter = new AllocationMeter();
            _adaptation = method.Prepare(source, target);
            try
            {
                _stage = _adaptation.Stages[^1];
                _options = _stage.Options ?? method.Training;
                _weights = meter.Read().Current;
                foreach (var (_, value) in _stage.Trainable)
                    value.RequiresGrad = true;
                _optimiser = new AdamW(_stage.Trainable, _options.Optimiser, average: _options.EmaDecay > 0);
                _state = meter.Read().Current - _weights;
                for (var i = 0; i < WarmUp; i++)
                {
                    var before = meter.Read(restart: true).Current;
                    Step();
                    _peak = Math.Max(_peak, meter.Read().Peak - before);
                }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        internal List<double> Seconds { get; } = [];

        internal double Step()
        {
            var clock = Stopwatch.StartNew();
            TrainingStep.Accumulate(_stage, _options, _step);
            _optimiser.Step(_options.LearningRateAt(_step), _options.EmaDecayAt(_step));
            _step++;
            return clock.Elapsed.TotalSeconds;
        }

        internal StepCost Cost() => new(
            _name, _stage.Trainable.Sum(p => p.Value.Count), _adaptation.Model.Parameters().Sum(p => p.Value.Count), _weights, _state, _peak, Seconds);

        public void Dispose()
        {
            _optimiser?.Dispose();
            foreach (var helper in _adaptation.Helpers)
                helper.Dispose();
            _adaptation.Model.Dispose();
        }
    }
}
