using Graft.Data;

namespace Graft.Recipes;

/// <summary>Data as a command line names them: a folder of pictures, a file of points, or a recipe whose data are meant.</summary>
/// <param name="Data">Where they come from.</param>
/// <param name="Flip">Whether the recipe's training mirrors them; false for a folder.</param>
public sealed record DataReference(DataOptions Data, bool Flip)
{
    /// <summary>Resolves what was named.</summary>
    /// <param name="path">A folder; a CSV or safetensors file of points; or a recipe (.yaml, .yml), of which <c>target</c> is taken, or <c>data</c> where it has no target.</param>
    /// <exception cref="InputException">A recipe cannot be read, or names no pictures.</exception>
    public static DataReference Of(string path)
    {
        if (Path.GetExtension(path).ToUpperInvariant() is not (".YAML" or ".YML") || Directory.Exists(path))
            return new DataReference(Formats.SampleFile.Is(path) && !Directory.Exists(path) ? new DataOptions { Points = path } : new DataOptions { Folder = path }, Flip: false);
        var recipe = Recipe.Read(path);
        var key = recipe["target"] is not null ? "target" : "data";
        if (recipe[key] is not System.Text.Json.Nodes.JsonObject data)
            throw new InputException($"The recipe {path} names no pictures: neither target nor data is a mapping.");
        var training = recipe["training"] as System.Text.Json.Nodes.JsonObject;
        return new DataReference(
            Recipe.Bind<DataOptions>(data, $"{path}: {key}"),
            training?["flip"] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue<bool>(out var flip) && flip);
    }

    /// <summary>Reads the pictures.</summary>
    /// <inheritdoc cref="DataOptions.Open"/>
    public IImageSource Open(ImageShape shape, Action<string>? warn = null, CancellationToken cancellationToken = default) =>
        Data.Open(shape, warn, cancellationToken);
}
