using System.Text.Json.Nodes;
using Graft.Recipes;

namespace Graft.Transfer;

/// <summary>The methods by name. A new one is a folder beside this file and a line here.</summary>
public static class TransferMethods
{
    private static readonly Entry[] Entries =
    [
        new(Finetune.MethodName, "train all weights of the source, or a named subset, on the target", Bind<Finetune>),
        new(PairwiseAdaptation.MethodName, "DDPM-PA: fine-tune, keeping the source's pairwise distances and the target's detail", Bind<PairwiseAdaptation>),
        new(Scratch.MethodName, "train the source's architecture from nothing: what the source is worth", Bind<Scratch>),
    ];

    /// <summary>Names and one-line summaries.</summary>
    public static IReadOnlyList<(string Name, string Summary)> All { get; } = [.. Entries.Select(e => (e.Name, e.Summary))];

    /// <summary>Makes a method from its options by name.</summary>
    /// <param name="name">The method.</param>
    /// <param name="options">Its options in snake_case; none: the defaults.</param>
    /// <exception cref="InputException">The name or an option is unknown, or a value is of another type.</exception>
    public static TransferMethod Create(string name, JsonObject? options = null)
    {
        var entry = Entries.FirstOrDefault(e => e.Name == name)
            ?? throw new InputException($"The method '{name}' is unknown: {string.Join(", ", Entries.Select(e => e.Name))} are known.");
        return entry.Create(options ?? []);
    }

    private static TransferMethod Bind<T>(JsonObject options)
        where T : TransferMethod => Recipe.Bind<T>(options, "method_options");

    private sealed record Entry(string Name, string Summary, Func<JsonObject, TransferMethod> Create);
}
