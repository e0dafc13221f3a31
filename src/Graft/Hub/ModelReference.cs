namespace Graft.Hub;

/// <summary>What people call a model: a path, or a hub id of a model that was pulled.</summary>
public static class ModelReference
{
    /// <summary>The path that a text means. Nothing is ever fetched.</summary>
    /// <param name="text">An existing path, or <c>owner/name</c>, or <c>owner/name@revision</c>.</param>
    /// <param name="settings">Where the cache is; null: where the environment says.</param>
    /// <returns>The path; the text itself if it is one, or cannot be a hub id.</returns>
    /// <exception cref="InputException">It can only be a hub id, and that model is not in the cache.</exception>
    public static string Resolve(string text, HubSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Path.Exists(text) || HubModelId.TryParse(text) is not { } model)
            return text;
        settings ??= HubSettings.FromEnvironment();
        return new HubCache(settings, model).Snapshot()
            ?? throw new InputException($"There is no model at {text}, and no such model of the hub in the cache {settings.HubCache}: check the path, or fetch it with `graft pull {Command(model)}`.");
    }

    private static string Command(HubModelId model) =>
        model.Revision == HubModelId.DefaultRevision ? model.Id : $"{model.Id} --revision {model.Revision}";
}
