using System.Diagnostics;
using System.Text.Json.Nodes;
using Graft.Torch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Graft.Training;

/// <summary>Where a run writes and how it is followed.</summary>
public sealed record TrainingRun
{
    /// <summary>The run's folder: checkpoints, log and sample grids; null writes nothing.</summary>
    public string? Folder { get; init; }

    /// <summary>Whether to go on from the newest checkpoint of <see cref="Folder"/>.</summary>
    public bool Resume { get; init; }

    /// <summary>Told after every step.</summary>
    public IProgress<TrainingProgress>? Progress { get; init; }

    /// <summary>Told what happens.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Stops the run: its state is saved first.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>The processes that train together, each with this run of its own; null: this one alone. The first of them alone writes.</summary>
    public ProcessGroup? Group { get; init; }

    /// <summary>Whether this process writes files and says what happens: the only one, or the first of several.</summary>
    public bool Writes => Group is null or { Rank: 0 };

    /// <summary>What must be the same when the run is resumed, beside the training options: the method, the source.</summary>
    public JsonObject Identity { get; init; } = [];

    /// <summary>The run with a folder, where this process writes one.</summary>
    public TrainingRun In(string? folder) => this with { Folder = Writes ? folder : null };
}

/// <summary>
/// The training loop, the only one: it knows no method. Everything drawn is a function of the seed and the step, so 2N steps equal
/// N steps, a kill, and N more, bit for bit on the same machine.
/// </summary>
public sealed class Trainer
{
    private const int MaximalSkips = 20;
    private const string LogFile = "log.jsonl";
    private readonly TrainingStage _stage;
    private readonly TrainingOptions _options;
    private readonly TrainingRun _run;
    private readonly DataParallel _processes;

    /// <summary>Prepares a run of one stage.</summary>
    /// <exception cref="InputException">An option makes no sense, there is nothing to train, or too little for so many processes.</exception>
    public Trainer(TrainingStage stage, TrainingOptions options, TrainingRun run)
    {
        options.Validate();
        if (stage.Trainable.Count == 0)
            throw new InputException($"The stage '{stage.Name}' has nothing to train: no parameter matches.");
        if (options.RecomputeBlocks && !stage.MayRecompute)
            throw new InputException($"The stage '{stage.Name}' trains no network of blocks by one gradient of its loss: leave out recompute_blocks.");
        (_stage, _options, _run) = (stage, options, run.Writes ? run : run with { Folder = null, Progress = null, Logger = NullLogger.Instance });
        _processes = new DataParallel(run.Group);
        _processes.Check(stage, options);
    }

    /// <summary>Trains to the last step; afterwards the network holds the averaged weights (the raw ones without an average).</summary>
    /// <exception cref="InputException">The folder holds another run, or one that was not asked to be resumed.</exception>
    /// <exception cref="TrainingStoppedException">The run was stopped; its state is saved.</exception>
    /// <exception cref="ProcessLostException">Another process of the run ended; the first one's state is saved.</exception>
    /// <exception cref="GraftException">The loss stays infinite or undefined.</exception>
    public void Train() => TorchRuntime.Run(() =>
    {
        if (_stage.Warning is not null)
            _run.Logger.LogWarning("{Warning}", _stage.Warning);
        foreach (var (_, value) in _stage.Trainable)
            value.RequiresGrad = true;
        using var watched = _processes.Watch(_stage.Trainable);
        using var optimiser = new AdamW(_stage.Trainable, _options.Optimiser, average: _options.EmaDecay > 0);
        var checkpoints = _run.Folder is null ? null : new Checkpoints(_run.Folder);
        _processes.Check(Identity());
        var start = Begin(optimiser, checkpoints);
        using var best = _stage.Validate is null || _options.ValidateEvery == 0 ? null : new BestWeights(_stage, _run.Folder, fresh: start == 0);
        start = ShareBeginning(start, optimiser, best);
        try
        {
            using var log = _run.Folder is null ? null : TrainingLog.Open(Path.Combine(_run.Folder, LogFile), start, _options.Tensorboard);
            Loop(start, optimiser, checkpoints, log, best);
        }
        finally
        {
            _stage.Network.Train(false);
            foreach (var (_, value) in _stage.Trainable)
                value.RequiresGrad = false;
        }

        optimiser.KeepAverage();
        best?.Restore();
        _processes.ShareFirst(_stage.State);
    });

    /// <summary>Several processes begin where the first one stands, which alone has read a checkpoint.</summary>
    private long ShareBeginning(long start, AdamW optimiser, BestWeights? best)
    {
        _processes.ShareFirst(_stage.State.Concat(optimiser.State()));
        optimiser.Steps = (long)_processes.FromFirst(() => optimiser.Steps);
        best?.Continue((long)_processes.FromFirst(() => best.Step), _processes.FromFirst(() => best.Value));
        return (long)_processes.FromFirst(() => start);
    }

    private long Begin(AdamW optimiser, Checkpoints? checkpoints)
    {
        if (checkpoints is null)
            return 0;
        checkpoints.Tidy();
        var newest = checkpoints.Newest();
        if (newest is null)
        {
            var log = Path.Combine(_run.Folder!, LogFile);
            if (_stage.HoldsModel(_run.Folder!))
                throw new InputException($"The folder {_run.Folder} holds a model, which this run would overwrite: give another folder.");
            if (_run.Resume)
                _run.Logger.LogInformation("{Folder} holds no checkpoint: the run starts at step 0", _run.Folder);
            else if (File.Exists(log))
                throw new InputException($"The folder {_run.Folder} holds a run that stopped before its first checkpoint: add --resume to start it again there, or give another folder.");
            Directory.CreateDirectory(_run.Folder!);
            File.Delete(log);
            return 0;
        }

        if (!_run.Resume)
        {
            throw new InputException(
                $"The folder {_run.Folder} holds a run that stands at step {newest.Value.Step}: add --resume to go on with it, or give another folder.");
        }

        if (newest.Value.Step > _options.Steps)
        {
            throw new InputException(
                $"The run in {_run.Folder} stands at step {newest.Value.Step}, beyond the {_options.Steps} that were asked for: ask for more steps, or give another folder.");
        }

        var (step, warning) = checkpoints.Load(newest.Value.Path, optimiser, _stage, Identity());
        if (warning is not null)
            _run.Logger.LogWarning("{Warning}", warning);
        _run.Logger.LogInformation("Resumed from {Path}: step {Step} of {Steps}", newest.Value.Path, step, _options.Steps);
        return step;
    }

    private void Loop(long start, AdamW optimiser, Checkpoints? checkpoints, TrainingLog? log, BestWeights? best)
    {
        var clock = Stopwatch.StartNew();
        var paused = TimeSpan.Zero; // spent on readings, checkpoints and grids: no part of the rate
        var skips = 0;
        var meter = new TrainingMeter(_stage, _options, _run.Logger);
        using var batches = BatchesAhead.Of(_stage);
        if (_options.StopWhenMemorised is not null && meter.IsDue(start))
        {
            // A run that ended here would otherwise go on when it is resumed.
            if (_run.Writes)
                Averaged(optimiser, () => meter.Read(start));
            if (IsCrossed(start, meter))
            {
                End(start, meter, optimiser, checkpoints);
                return;
            }
        }

        for (var step = start; step < _options.Steps && !HasWaited(step, best); step++)
        {
            if (_processes.ShouldStop(_run.CancellationToken))
                throw new TrainingStoppedException($"Stopped after step {step} of {_options.Steps}; {Save(step, optimiser, checkpoints, log)}.", _run.CancellationToken);

            var (loss, terms) = TrainingStep.Accumulate(_stage, _options, step, _processes, batches);
            try
            {
                loss = _processes.Sum(loss, terms, _run.CancellationToken);
            }
            catch (ProcessLostException e)
            {
                // This step is not taken, so what stands here is the end of the last one.
                throw new ProcessLostException($"Stopped after step {step} of {_options.Steps}, {Save(step, optimiser, checkpoints, log)}. {e.Message}", e);
            }

            var rate = _options.LearningRateAt(step);
            var norm = optimiser.Step(rate, _options.EmaDecayAt(step));
            skips = double.IsFinite(norm) ? 0 : skips + 1;
            if (skips >= MaximalSkips)
            {
                throw new GraftException(
                    $"The loss or its gradients were not finite {MaximalSkips} steps in a row, up to step {step + 1}: lower the learning rate, or check the data.");
            }

            var done = step + 1;
            var seconds = (clock.Elapsed - paused).TotalSeconds;
            var before = clock.Elapsed;
            var metered = _run.Writes && meter.IsDue(done);
            if (metered)
                terms.AddRange(Averaged(optimiser, () => meter.Read(done)));
            var validated = best is not null && done % _options.ValidateEvery == 0;
            if (validated)
                terms.Add(("validation", Validate(done, optimiser, best!)));
            if (log is not null && (metered || validated || done % _options.LogEvery == 0 || done == _options.Steps))
                log.Write(done, [("loss", loss), .. terms, ("gradient_norm", norm), ("learning_rate", rate), ("seconds", Math.Round(seconds, 3))]);
            var perSecond = (done - start) * _options.BatchSize / Math.Max(seconds, 1e-9);
            _run.Progress?.Report(new TrainingProgress(
                _stage.Name, done, _options.Steps, loss, norm, perSecond,
                TimeSpan.FromSeconds((_options.Steps - done) * _options.BatchSize / Math.Max(perSecond, 1e-9)))
            {
                Memorisation = meter.Last,
            });

            if (IsCrossed(done, meter))
            {
                log?.Flush();
                End(done, meter, optimiser, checkpoints);
                return;
            }

            if (checkpoints is not null && (done == _options.Steps || HasWaited(done, best) || (_options.CheckpointEvery > 0 && done % _options.CheckpointEvery == 0)))
            {
                log?.Flush();
                checkpoints.Save(done, optimiser, _stage, Identity(), _options.KeepCheckpoints);
            }

            if (_options.SampleEvery > 0 && done % _options.SampleEvery == 0)
                DrawSamples(done, optimiser, log);
            paused += clock.Elapsed - before;
        }
    }

    /// <summary>Whether the reading after a step ends the run; of several processes, the first one's.</summary>
    private bool IsCrossed(long done, TrainingMeter meter) =>
        _options.StopWhenMemorised is not null && meter.IsDue(done) && _processes.FromFirst(() => meter.IsCrossed ? 1 : 0) > 0;

    /// <summary>Whether nothing better has come for so long that the run ends.</summary>
    private bool HasWaited(long done, BestWeights? best) =>
        best is not null && _options.Patience > 0 && done - best.Step >= _options.Patience * _options.ValidateEvery;

    private double Validate(long done, AdamW optimiser, BestWeights best) => Averaged(optimiser, () =>
    {
        var value = _processes.FromFirst(_stage.Validate!); // of several processes the first measures, and all keep the same weights
        best.Offer(done, value);
        return value;
    });

    private void DrawSamples(long step, AdamW optimiser, TrainingLog? log)
    {
        if (_stage.DrawSamples is null || _run.Folder is null)
            return;
        var folder = Path.Combine(_run.Folder, "samples");
        Directory.CreateDirectory(folder);
        var sheet = Path.Combine(folder, $"step-{step:D7}.png");
        Averaged(optimiser, () =>
        {
            _stage.DrawSamples(sheet);
            return 0;
        });
        log?.WriteSamples(step, sheet);
    }

    /// <summary>Does something with the averaged weights, outside training mode.</summary>
    private T Averaged<T>(AdamW optimiser, Func<T> work)
    {
        _stage.Network.Train(false);
        using (optimiser.ApplyAverage())
            return work();
    }

    /// <summary>
    /// Ends a run that copies, as the newest checkpoint whose own reading lies below the bar; as it stands where there is none. The
    /// state that crossed is kept too: resumed, the run ends the same again, or goes on with a higher bar.
    /// </summary>
    private void End(long step, TrainingMeter meter, AdamW optimiser, Checkpoints? checkpoints)
    {
        if (!_run.Writes)
            return; // the first process gives its weights to all
        var crossed = $"At step {step} of {_options.Steps} {meter.Last!.Memorised} of the samples are copies, which reaches stop_when_memorised {_options.StopWhenMemorised}: the run ends";
        checkpoints?.Save(step, optimiser, _stage, Identity(), keep: int.MaxValue);
        foreach (var (before, path) in checkpoints?.UpTo(step - 1) ?? [])
        {
            checkpoints!.Load(path, optimiser, _stage, Identity());
            Averaged(optimiser, () => meter.Read(before));
            if (!meter.IsCrossed)
            {
                _run.Logger.LogWarning("{Crossed} as the model of step {Step}, with {Share}.", crossed, before, meter.Last.Memorised);
                return;
            }
        }

        if (checkpoints?.UpTo(step)[0] is { } own)
            checkpoints.Load(own.Path, optimiser, _stage, Identity());
        _run.Logger.LogWarning("{Crossed} as it stands, since no checkpoint from before lies below.", crossed);
    }

    /// <summary>Saves a run that ends on the way.</summary>
    /// <returns>How it goes on, in half a sentence.</returns>
    private string Save(long step, AdamW optimiser, Checkpoints? checkpoints, TrainingLog? log)
    {
        log?.Flush();
        checkpoints?.Save(step, optimiser, _stage, Identity(), _options.KeepCheckpoints);
        return !_run.Writes ? "and process 0 saves its state"
            : _run.Folder is null ? "nothing was saved, since the run has no folder"
            : $"its state is in {_run.Folder}: the same command with --resume goes on";
    }

    private JsonObject Identity()
    {
        var identity = (JsonObject)_run.Identity.DeepClone();
        identity["stage"] = _stage.Name;
        identity["data"] = _stage.Data.Description;
        identity["seed"] = _options.Seed;
        identity["batch_size"] = _options.BatchSize;
        identity["accumulation"] = _options.Accumulation;
        identity["trainable"] = _stage.Trainable.Sum(p => p.Value.Count);
        identity["ema"] = _options.EmaDecay > 0;
        return identity;
    }
}
