using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Graft.Torch;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Benchmarks;

/// <summary>
/// The constants of docs/scaling.md's cost model, measured: c, h and u of a training step in one process, a and β of a ring all-reduce between
/// processes of this machine, and the step that follows from them beside the one that two processes take.
/// </summary>
internal static class Scaling
{
    private const int Warm = 3;
    private const int Reductions = 30;
    private static readonly int[] Sizes = [1, 1 << 14, 1 << 18, 1 << 20, 1 << 22]; // numbers of 4 bytes

    internal static Command Command()
    {
        var model = new Argument<string>("MODEL");
        var batch = new Option<int>("--part") { Description = "Pictures of a part.", DefaultValueFactory = _ => 16 };
        var steps = new Option<int>("--steps") { DefaultValueFactory = _ => 20 };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 3 };
        var command = new Command("scaling", "Measures the cost model's constants with one thread a process.") { model, batch, steps, rounds };
        command.SetAction(parsed => Measure(parsed.GetValue(model)!, parsed.GetValue(batch), parsed.GetValue(steps), parsed.GetValue(rounds)));
        return command;
    }

    internal static Command WorkerCommand()
    {
        var model = new Argument<string>("MODEL");
        var (batch, parts, steps) = (new Argument<int>("PART"), new Argument<int>("PARTS"), new Argument<int>("STEPS"));
        var command = new Command("scaling-worker", "One process of `scaling`.") { model, batch, parts, steps };
        command.SetAction(parsed => Work(parsed.GetValue(model)!, parsed.GetValue(batch), parsed.GetValue(parts), parsed.GetValue(steps)));
        return command;
    }

    private static void Measure(string model, int part, int steps, int rounds)
    {
        var (one, two, pair) = (new List<Reading>(), new List<Reading>(), new List<Reading>());
        for (var round = 0; round < rounds; round++)
        {
            one.Add(Start(1, model, part, 1, steps));
            two.Add(Start(1, model, part, 2, steps));
            pair.Add(Start(2, model, part, 2, steps));
            Console.Error.WriteLine($"benchmark: round {round + 1} of {rounds}");
        }

        // T(1) of one part is c + u, of two 2c + u.
        var (t1, t2, measured) = (Median(one, r => r.Step), Median(two, r => r.Step), Median(pair, r => r.Step));
        var (c, n) = (t2 - t1, one[0].Parameters);
        var u = Math.Max(0, t1 - c);
        var h = Median(one, r => r.Backward / (r.Forward + r.Backward));
        var buckets = 1 + (int)Math.Ceiling(Math.Max(0, (4.0 * n) - GradientReducer.FirstBucketBytes) / GradientReducer.BucketBytes);
        // For two processes R = 2a + bytes/β a bucket: a from one number, β from the largest.
        var seconds = Sizes.Select((_, i) => Median(pair, r => r.Reductions[i])).ToArray();
        var (a, beta) = (seconds[0] / 2, 4.0 * Sizes[^1] / (seconds[^1] - seconds[0]));
        var reduce = (2 * buckets * a) + (4.0 * n / beta);
        var due = c + Math.Max(0, reduce - (h * c)) + u;
        Say($"{n} parameters, {part} pictures a part, medians of {rounds} rounds of {steps} steps, one thread a process");
        Say($"c {c:0.0000} s, h {h:0.00}, u {u:0.0000} s (T of one process: {t1:0.0000} s with one part, {t2:0.0000} s with two)");
        for (var i = 0; i < Sizes.Length; i++)
            Say($"all-reduce of {4L * Sizes[i]} bytes: {seconds[i] * 1e3:0.000} ms");
        Say($"a {a * 1e6:0} µs, β {beta / 1e9:0.00} GB/s, k {buckets}: R(2) {reduce:0.0000} s");
        Say($"T(2), two parts: {due:0.0000} s by the model, {measured:0.0000} s measured ({measured / due:0.00}); speed-up {t2 / measured:0.00} of 2 (model {t2 / due:0.00})");

        static void Say(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Starts processes that meet, and reads what the first of them says.</summary>
    private static Reading Start(int count, string model, int part, int parts, int steps)
    {
        var port = FreePort();
        var workers = Enumerable.Range(0, count).Select(rank =>
        {
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, UseShellExecute = false };
            if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
                start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Graft.Benchmarks.dll"));
            foreach (var word in (string[])["scaling-worker", model, $"{part}", $"{parts}", $"{steps}"])
                start.ArgumentList.Add(word);
            start.Environment["GRAFT_THREADS"] = "1";
            if (count > 1)
            {
                foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("RANK", $"{rank}"), ("WORLD_SIZE", $"{count}"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", $"{port}"), ("GLOO_SOCKET_IFNAME", "lo")])
                    start.Environment[name] = value;
            }

            return Process.Start(start)!;
        }).ToArray();
        var said = workers[0].StandardOutput.ReadToEnd();
        foreach (var worker in workers)
        {
            worker.WaitForExit();
            if (worker.ExitCode != 0)
                throw new InputException($"A process ended with code {worker.ExitCode}: what it said is above.");
            worker.Dispose();
        }

        return JsonSerializer.Deserialize<Reading>(said)!;
    }

    private static void Work(string folder, int part, int parts, int steps)
    {
        TorchRuntime.Threads = 1;
        using var source = DiffusionModel.Load(folder);
        var place = ProcessPlace.FromEnvironment();
        using var group = place is null ? null : new ProcessGroup(place);
        var reductions = group is null ? [] : TorchRuntime.Run(() => Array.ConvertAll(Sizes, size => Time(Reductions, () =>
        {
            using var scope = new TensorScope();
            group.AllReduce(Tensor.Ones([size])).Wait();
        })));
        var method = new Finetune
        {
            Training = new TrainingOptions { Steps = steps + Warm, BatchSize = part * parts, Accumulation = parts, LearningRate = 1e-4, Seed = 1 },
        };
        var clock = new Clock();
        var run = new TrainingRun { Group = group, Progress = clock };
        var (model, stages) = method.Prepare(source, RandomItems.For(source, Worker.Items), run);
        using var trained = model;
        new Trainer(stages[0], method.Training, run).Train();
        var (forward, backward) = group is null ? Passes(stages[0], part, steps) : (0, 0);
        if (group is null or { Rank: 0 })
            Console.WriteLine(JsonSerializer.Serialize(new Reading(clock.Median(), forward, backward, TorchRuntime.Run(() => stages[0].Trainable.Sum(p => p.Value.Count)), reductions)));
    }

    /// <summary>Seconds of the two passes of a part.</summary>
    private static (double Forward, double Backward) Passes(TrainingStage stage, int part, int steps) => TorchRuntime.Run(() =>
    {
        var (forward, backward) = (new List<double>(), new List<double>());
        stage.Network.RequireGrad(true);
        for (var step = 0; step < steps + Warm; step++)
        {
            using var scope = new TensorScope();
            long[] items = [.. Enumerable.Range(step * part, part).Select(i => (long)i)];
            var began = Stopwatch.GetTimestamp();
            var batch = stage.Data.Read(step, items);
            stage.Network.BeginBatch(1, step, items);
            var loss = stage.Loss(batch).Total;
            forward.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
            began = Stopwatch.GetTimestamp();
            Autograd.Backward(loss);
            backward.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        return (Middle(forward), Middle(backward));
    });

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static double Time(int times, Action action)
    {
        var seconds = new List<double>();
        for (var i = 0; i < times + Warm; i++)
        {
            var began = Stopwatch.GetTimestamp();
            action();
            seconds.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        return Middle(seconds);
    }

    private static double Median(List<Reading> readings, Func<Reading, double> of) => readings.Select(of).Order().ElementAt(readings.Count / 2);

    /// <summary>The median of what follows the first few.</summary>
    private static double Middle(List<double> values) => values.Skip(Warm).Order().ElementAt((values.Count - Warm) / 2);

    /// <summary>What a process found, in seconds.</summary>
    private sealed record Reading(double Step, double Forward, double Backward, long Parameters, double[] Reductions);

    private sealed class Clock : IProgress<TrainingProgress>
    {
        private readonly List<double> _seconds = [];
        private long _last = Stopwatch.GetTimestamp();

        public void Report(TrainingProgress value)
        {
            _seconds.Add(Stopwatch.GetElapsedTime(_last).TotalSeconds);
            _last = Stopwatch.GetTimestamp();
        }

        internal double Median() => Middle(_seconds);
    }
}
