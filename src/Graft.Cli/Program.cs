using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Graft.Cli.Commands;
using Graft.Hub;
using Graft.Torch;
using Graft.Training;

namespace Graft.Cli;

/// <summary>
/// The command line. Exit codes: 0 done; 1 a comparison failed or something broke; 2 the input was bad; 3 another process of the
/// same training was lost; 130 stopped by the user.
/// </summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        var parsed = CommandTree().Parse(arguments);
        // The parser takes a misspelt option for a file name wherever a command allows one.
        var stray = parsed.CommandResult.Command.Name == LaunchCommand.Name ? null : parsed.Tokens.FirstOrDefault(t => t.Type == TokenType.Argument && t.Value.StartsWith("--", StringComparison.Ordinal)
            && parsed.CommandResult.Children.OfType<OptionResult>().All(o => o.Option.Name != ConvertCommand.ModelFlags || !o.Tokens.Contains(t)));
        if (stray is not null)
        {
            Terminal.Error($"Unrecognized option '{stray.Value}': `{HelpFor(parsed.CommandResult)}` shows what there is.");
            return 2;
        }

        if (parsed.Errors.Count > 0)
        {
            // With an unknown word the parser also says that a command is missing; the word is the better news.
            var error = parsed.Errors.FirstOrDefault(e => e.Message.StartsWith("Unrecognized", StringComparison.Ordinal)) ?? parsed.Errors[0];
            Terminal.Error($"{error.Message.TrimEnd('.')}: `{HelpFor(parsed.CommandResult)}` shows what there is.");
            return 2;
        }

        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            // The first Ctrl-C lets the step end and saves; a second one kills.
            e.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        };
        // Slurm and Kubernetes announce an end by SIGTERM: it saves, as Ctrl-C does.
        using var termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            stop.Cancel();
        });
        TorchRuntime.LeavesAtOnce = true;
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, stop.Token).ConfigureAwait(false);
        }
        catch (InputException e)
        {
            Terminal.Error(e.Message);
            return 2;
        }
        catch (OperationCanceledException e) when (e is TrainingStoppedException or DownloadStoppedException)
        {
            Terminal.Note(e.Message);
            return 130;
        }
        catch (OperationCanceledException)
        {
            Terminal.Note("Stopped.");
            return 130;
        }
        catch (ProcessLostException e)
        {
            if (Environment.GetEnvironmentVariable(Processes.LaunchedVariable) is null)
                Terminal.Error(e.Message);
            return Processes.LostCode;
        }
        catch (GraftException e)
        {
            Terminal.Error(e.Message);
            return 1;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Terminal.Error($"A file could not be read or written: {e.Message}");
            return 1;
        }
    }

    // A Command, not a RootCommand: that one is called after the program's file.
    private static Command CommandTree() => new("graft", "Transfer learning for diffusion models: adapt a pretrained model to a handful of pictures.")
    {
        new HelpOption { Recursive = true },
        new VersionOption(),
        DemoCommand.Create(),
        AdaptCommand.Create(),
        LaunchCommand.Create(),
        AugmentCommand.Create(),
        SampleCommand.Create(),
        EvaluateCommand.Create(),
        PretrainCommand.Create(),
        CompareCommand.Create(),
        PlanCommand.Create(),
        ProfileCommand.Create(),
        PullCommand.Create(),
        ConvertCommand.Create(),
        InspectCommand.Create(),
        VerifyCommand.Create(),
        DoctorCommand.Create(),
    };

    private static string HelpFor(CommandResult? result)
    {
        var names = new List<string>();
        for (SymbolResult? at = result; at is CommandResult command; at = at.Parent)
            names.Insert(0, command.Command.Name);
        return string.Join(' ', [.. names, "--help"]);
    }
}
