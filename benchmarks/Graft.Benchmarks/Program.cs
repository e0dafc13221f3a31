using System.CommandLine;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Benchmarks;

/// <summary><c>run</c> times Graft against PyTorch; <c>serve</c> is Graft's side of it. Exit codes: 0 done, 2 not comparable or bad input.</summary>
internal static class Program
{
    private static readonly string[] Networks = ["fashion-28", "cifar-32", "tiny-8", "sssd-ecg"];

    /// <summary>Those that are timed by name only: a step of theirs takes many times as long.</summary>
    private static readonly string[] LargeNetworks = ["ddpm-cifar10"];

    private static int Main(string[] arguments)
    {
        try
        {
            return new RootCommand("Times a training step and a sampling step of Graft against PyTorch.") { Serve(), Run(), Scaling.Command(), Scaling.WorkerCommand() }
                .Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (GraftException e)
        {
            Console.Error.WriteLine($"benchmark: {e.Message}");
            return 2;
        }
    }

    private static Command Serve()
    {
        var (model, batch) = (new Argument<string>("MODEL"), new Argument<int>("BATCH"));
        var (threads, device) = (new Argument<int>("THREADS"), new Argument<string>("DEVICE"));
        var command = new Command("serve", "Graft's process: commands on stdin, answers on stdout.") { model, batch, threads, device };
        command.SetAction(parsed =>
        {
            TorchRuntime.Threads = parsed.GetValue(threads);
            using var worker = new Worker(parsed.GetValue(model)!, parsed.GetValue(batch), Device.Parse(parsed.GetValue(device)!), Console.In, Console.Out);
            worker.Serve();
        });
        return command;
    }

    private static Command Run()
    {
        var home = new Option<string>("--home") { Description = "The repository (or the unpacked folder): holds benchmarks/ and models/.", DefaultValueFactory = _ => "." };
        var output = new Option<string>("--out") { Description = "Folder of the results.", DefaultValueFactory = _ => "artifacts/benchmarks" };
        var networks = new Option<string[]>("--networks") { Description = $"{string.Join(", ", Networks)}; by name only: {string.Join(", ", LargeNetworks)}", DefaultValueFactory = _ => Networks, AllowMultipleArgumentsPerToken = true };
        var threads = new Option<int[]>("--threads") { DefaultValueFactory = _ => [2, 1], AllowMultipleArgumentsPerToken = true };
        var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 9 };
        var seconds = new Option<double>("--round-seconds") { Description = "About how long each side works in a round.", DefaultValueFactory = _ => 2 };
        var python = new Option<string>("--python") { DefaultValueFactory = _ => "/usr/bin/python3" };
        var variants = new Option<string[]>("--variants") { Description = "PyTorch variants: plain, channels_last, cudnn_benchmark, compile, reduce_overhead; with +kernels it is told the OpenBLAS kernels that Graft takes.", DefaultValueFactory = _ => ["plain", "plain+kernels", "channels_last+kernels"], AllowMultipleArgumentsPerToken = true };
        var device = new Option<string>("--device") { DefaultValueFactory = _ => "cpu" };
        var tensorFloat = new Option<bool>("--tf32") { Description = "TensorFloat-32 for matrix products and convolutions on GPUs; without it, off on both sides." };
        var tolerance = new Option<double>("--tolerance") { Description = "Largest relative difference of outputs and gradients.", DefaultValueFactory = _ => Parity.Tolerance };
        var batch = new Option<int?>("--batch") { Description = "In place of the networks' own." };
        var commit = new Option<string>("--commit") { DefaultValueFactory = _ => "unknown" };
        var command = new Command("run", "Checks that both sides compute the same, then times them in alternating rounds.")
        {
            home, output, networks, threads, rounds, seconds, python, variants, device, tensorFloat, tolerance, batch, commit,
        };
        command.SetAction(parsed =>
        {
            var root = Path.GetFullPath(parsed.GetValue(home)!);
            var options = new ContestOptions
            {
                Out = Path.GetFullPath(parsed.GetValue(output)!),
                Ours = new Entry("Graft", Environment.ProcessPath!, Self(), Variant: null),
                Theirs = [.. parsed.GetValue(variants)!.Select(v => new Entry($"PyTorch {v}", parsed.GetValue(python)!, [Path.Combine(root, "benchmarks/pytorch/step.py")], v))],
                Threads = parsed.GetValue(threads)!,
                Rounds = parsed.GetValue(rounds),
                RoundSeconds = parsed.GetValue(seconds),
                Device = parsed.GetValue(device)!,
                TensorFloat = parsed.GetValue(tensorFloat),
                Tolerance = parsed.GetValue(tolerance),
            };
            Directory.CreateDirectory(options.Out);
            var contest = new Contest(options, line => Console.Error.WriteLine($"benchmark: {line}"));
            var results = new List<Result>();
            foreach (var name in parsed.GetValue(networks)!)
            {
                results.Add(contest.Run(SubjectOf(name, root, parsed.GetValue(batch))));
                // After each network, so that a later failure leaves what there is.
                AtomicFile.WriteText(Path.Combine(options.Out, "results.md"), Report.Markdown(results, options));
                AtomicFile.WriteText(Path.Combine(options.Out, "results.json"), Report.Json(results, options, parsed.GetValue(commit)!));
            }

            Console.Write(Report.Markdown(results, options));
        });
        return command;
    }

    /// <summary>Architectures of the shipped model, of a recipe and of google/ddpm-cifar10-32, and two that are made for this; their weights are drawn anew.</summary>
    private static Subject SubjectOf(string name, string root, int? batch) => name switch
    {
        "fashion-28" => new Subject(name, Path.Combine(root, "models/fashion-28/unet/config.json"), batch ?? 32),
        "cifar-32" => new Subject(name, Path.Combine(root, "benchmarks/networks/cifar-32.json"), batch ?? 16),
        "tiny-8" => new Subject(name, Path.Combine(root, "benchmarks/networks/tiny-8.json"), batch ?? 2),
        "sssd-ecg" => new Subject(name, Path.Combine(root, "benchmarks/networks/sssd-ecg.json"), batch ?? 8),
        "ddpm-cifar10" => new Subject(name, Path.Combine(root, "benchmarks/networks/ddpm-cifar10.json"), batch ?? 16),
        _ => throw new InputException($"The network '{name}' is unknown: {string.Join(", ", Networks.Concat(LargeNetworks))} are known."),
    };

    /// <summary>How this program is started again: by itself, or by dotnet with its library.</summary>
    private static string[] Self()
    {
        var library = Path.Combine(AppContext.BaseDirectory, "Graft.Benchmarks.dll");
        return Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [library, "serve"] : ["serve"];
    }
}
