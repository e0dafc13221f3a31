using System.Globalization;
using Graft.Hub;
using Graft.Training;
using Spectre.Console;

namespace Graft.Cli;

/// <summary>
/// Shows long work: a bar with rate and remaining time on a terminal, a line now and then where the output is a file.
/// </summary>
internal static class ProgressDisplay
{
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(10);

    /// <summary>Runs a training and shows where it stands.</summary>
    internal static T Train<T>(Func<IProgress<TrainingProgress>, T> work) => Show(
        "training",
        report => work(new Inline<TrainingProgress>(p => report(
            p.Step,
            p.Steps,
            string.Create(CultureInfo.InvariantCulture, $"loss {p.Loss:0.0000}  {p.ItemsPerSecond:0.0} items/s  {Time(p.Remaining)} left{Copies(p)}")))));

    /// <summary>Runs a sampling and shows where it stands.</summary>
    internal static T Sample<T>(string title, Func<IProgress<(long Done, long Of)>, T> work)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        return Show(
            title,
            report => work(new Inline<(long Done, long Of)>(p =>
            {
                var rate = p.Done / Math.Max(clock.Elapsed.TotalSeconds, 1e-9);
                report(p.Done, p.Of, string.Create(CultureInfo.InvariantCulture, $"{rate:0.0} evaluations/s  {Time(TimeSpan.FromSeconds((p.Of - p.Done) / Math.Max(rate, 1e-9)))} left"));
            })));
    }

    /// <summary>Runs a download and shows where it stands.</summary>
    internal static T Download<T>(string title, Func<IProgress<PullProgress>, T> work) => Show(
        title,
        report => work(new Inline<PullProgress>(p => report(
            p.Done / 1e6,
            (p.Of ?? p.Done) / 1e6,
            string.Create(CultureInfo.InvariantCulture, $"MB  {p.BytesPerSecond / 1e6:0.0} MB/s  {(p.Remaining is { } left ? Time(left) + " left  " : "")}{p.File}")))));

    private static T Show<T>(string title, Func<Action<double, double, string>, T> work)
    {
        if (!Terminal.Notes.Profile.Capabilities.Interactive || Console.IsErrorRedirected)
            return Lines(title, work);
        var result = default(T)!;
        Terminal.Notes.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = 30 }, new PercentageColumn())
            .Start(context =>
            {
                var task = context.AddTask(title, maxValue: 1);
                result = work((done, of, text) =>
                {
                    task.MaxValue = of;
                    task.Value = done;
                    task.Description = Markup.Escape($"{title} {done:0}/{of:0}  {text}");
                });
            });
        return result;
    }

    private static T Lines<T>(string title, Func<Action<double, double, string>, T> work)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var next = TimeSpan.Zero;
        return work((done, of, text) =>
        {
            if (clock.Elapsed < next && done < of)
                return;
            next = clock.Elapsed + LineEvery;
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{title} {done:0}/{of:0}  {text}"));
        });
    }

    private static string Copies(TrainingProgress progress) => progress.Memorisation?.Memorised is { } share
        ? string.Create(CultureInfo.InvariantCulture, $"  copies {share.Count} of {share.Of}")
        : "";

    private static string Time(TimeSpan span) => span.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours}h {span.Minutes:00}m")
        : string.Create(CultureInfo.InvariantCulture, $"{span.Minutes}m {span.Seconds:00}s");

    /// <summary>Reports at once, on the caller's thread: the order stays.</summary>
    private sealed class Inline<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
