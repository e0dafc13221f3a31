using Graft.Formats;

namespace Graft.Hub;

/// <summary>A model on the hub: <c>owner/name</c>, and which revision of it.</summary>
/// <param name="Owner">User or organisation.</param>
/// <param name="Name">Name.</param>
/// <param name="Revision">Branch, tag or commit.</param>
public sealed record HubModelId(string Owner, string Name, string Revision = HubModelId.DefaultRevision)
{
    /// <summary>The revision where none is given.</summary>
    public const string DefaultRevision = "main";

    /// <summary><c>owner/name</c>.</summary>
    public string Id => $"{Owner}/{Name}";

    /// <summary>Reads <c>owner/name</c> or <c>owner/name@revision</c>.</summary>
    /// <returns>Null if the text is no such thing.</returns>
    public static HubModelId? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var revision = at < 0 ? DefaultRevision : text[(at + 1)..];
        return (at < 0 ? text : text[..at]).Split('/') is [var owner, var name]
            && SafeName.IsIdPart(owner) && SafeName.IsIdPart(name) && SafeName.IsRevision(revision)
            ? new HubModelId(owner, name, revision)
            : null;
    }

    /// <summary>Reads <c>owner/name</c> or <c>owner/name@revision</c>.</summary>
    /// <exception cref="InputException">The text is no such thing.</exception>
    public static HubModelId Parse(string text) => TryParse(text)
        ?? throw new InputException($"{FileFault.Quote(text)} is neither a URL nor a model of the hub: give owner/name, as google/ddpm-cifar10-32, or https://….");

    /// <summary>As it is typed: without the revision where that is the default.</summary>
    public override string ToString() => Revision == DefaultRevision ? Id : $"{Id}@{Revision}";
}
