using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Graft;
using Graft.Fuzz;

if (args is [Worker.Verb, var name, var workerSeed, var from, var workerCount, var progress])
{
    return Worker.Run(
        Parsers.Find(name), ulong.Parse(workerSeed, CultureInfo.InvariantCulture), long.Parse(from, CultureInfo.InvariantCulture),
        long.Parse(workerCount, CultureInfo.InvariantCulture), progress);
}

var parsers = new Argument<string[]>("parser") { Arity = ArgumentArity.ZeroOrMore, Description = $"Any of {string.Join(", ", Parsers.All.Select(p => p.Name))}; none: all." };
var count = new Option<long>("--count") { DefaultValueFactory = _ => 100_000, Description = "Inputs for each parser." };
var seed = new Option<ulong>("--seed") { DefaultValueFactory = _ => 1, Description = "Key of the damage." };
var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 1, Description = "Processes at a time." };
var only = new Option<long?>("--only") { Description = "Write the input of this index to a file, and try it here." };
var show = new Option<int>("--show") { DefaultValueFactory = _ => 10, Description = "Faults that are shown of each parser." };
var root = new RootCommand("Gives damaged files to everything that reads files from outside.") { parsers, count, seed, threads, only, show };
root.SetAction(parsed =>
{
    try
    {
        FuzzedParser[] chosen = parsed.GetValue(parsers) is { Length: > 0 } names ? [.. names.Select(Parsers.Find)] : [.. Parsers.All];
        return parsed.GetValue(only) is { } index
            ? Repeat(chosen, parsed.GetValue(seed), index)
            : RunAll(chosen, parsed.GetValue(count), parsed.GetValue(seed), parsed.GetValue(threads), parsed.GetValue(show));
    }
    catch (GraftException e)
    {
        Console.Error.WriteLine(e.Message);
        return 2;
    }
});
return root.Parse(args).Invoke();

static int RunAll(FuzzedParser[] chosen, long count, ulong seed, int threads, int show)
{
    const long Block = 12_500;
    var faults = 0;
    Console.WriteLine("| Parser | Inputs | Read | Refused | Faults | Seconds | Seed |");
    Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
    foreach (var parser in chosen)
    {
        var clock = Stopwatch.StartNew();
        var blocks = new FuzzResult[(count + Block - 1) / Block];
        Parallel.For(0, blocks.Length, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, i =>
            blocks[i] = Worker.Start(parser, seed, i * Block, Math.Min(Block, count - (i * Block))));
        var found = blocks.SelectMany(b => b.Faults).ToList();
        faults += found.Count;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {parser.Name} | {blocks.Sum(b => b.Tried)} | {blocks.Sum(b => b.Read)} | {blocks.Sum(b => b.Refused)} | {found.Count} | {clock.Elapsed.TotalSeconds:f1} | {seed} |"));
        foreach (var fault in found.Take(show))
            Console.Error.WriteLine($"FAULT {parser.Name} --seed {seed} --only {fault.Index}: {fault.What}");
    }

    return faults == 0 ? 0 : 1;
}

static int Repeat(FuzzedParser[] chosen, ulong seed, long index)
{
    if (chosen is not [var parser])
        throw new InputException("--only needs one parser, by name.");
    var file = $"{parser.Name}-{seed}-{index}{Path.GetExtension(parser.File)}";
    var input = parser.Input(parser.Seeds(), seed, index);
    File.WriteAllBytes(file, input); // before it is tried, which may end this process
    Console.WriteLine($"{file}: {input.Length} bytes");
    using var fuzzer = new Fuzzer(parser, seed);
    var (read, fault) = fuzzer.Judge(input);
    Console.WriteLine(fault ?? (read ? "read" : "refused"));
    return fault is null ? 0 : 1;
}
