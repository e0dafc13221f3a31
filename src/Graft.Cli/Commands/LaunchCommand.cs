using System.CommandLine;

namespace Graft.Cli.Commands;

/// <summary><c>graft launch --processes N -- adapt ...</c>.</summary>
internal static class LaunchCommand
{
    internal const string Name = "launch";
    private static readonly string[] Launched = ["adapt", "pretrain", "sample", "evaluate"];

    private static readonly string Commands = $"{string.Join(", ", Launched[..^1])} or {Launched[^1]}";

    internal static Command Create()
    {
        var processes = new Option<int>("--processes", "-n") { Description = "How many processes; each takes its share of the parts of a batch (training.accumulation), or of the batches that are drawn.", Required = true };
        var words = new Argument<string[]>("COMMAND") { Description = $"After two dashes, what each of them runs: {Commands} with its options.", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command(Name, "Train, sample or evaluate in several processes of this machine: graft launch --processes 2 -- adapt ...") { processes, words };
        command.SetAction(async (parsed, token) =>
        {
            var (count, line) = (parsed.GetValue(processes), parsed.GetValue(words) ?? []);
            if (count is < 1 or > Launcher.MostProcesses)
                throw new InputException($"--processes must be from 1 to {Launcher.MostProcesses}.");
            if (line.Length == 0 || !Launched.Contains(line[0]))
                throw new InputException($"`graft launch` runs {Commands}{(line.Length == 0 ? "" : $", not '{line[0]}'")}: write it after two dashes, as graft launch --processes 2 -- adapt ...");
            using var launcher = new Launcher(count, line);
            return await launcher.Run(token).ConfigureAwait(false);
        });
        return command;
    }
}
