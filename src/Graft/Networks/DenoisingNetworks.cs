using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks;

/// <summary>The kinds of networks by <c>_class_name</c>. A new one is a folder beside this file and a line here.</summary>
public static class DenoisingNetworks
{
    private static readonly Dictionary<string, Func<JsonObject, string, DenoiserOptions>> Kinds = new(StringComparer.Ordinal)
    {
        [UNet2DOptions.DiffusersClass] = UNet2DOptions.FromJson,
        [UNet2DOptions.GraftClass] = UNet2DOptions.FromJson,
        [PointDenoiserOptions.GraftClass] = PointDenoiserOptions.FromJson,
        [SssdDenoiserOptions.GraftClass] = SssdDenoiserOptions.FromJson,
        [SequenceUNetOptions.GraftClass] = SequenceUNetOptions.FromJson,
    };

    /// <summary>The class names that are known.</summary>
    public static IReadOnlyCollection<string> Names => Kinds.Keys;

    /// <summary>Whether a class name is that of a U-Net for pictures, whose folder has diffusers' layout; so is none at all.</summary>
    internal static bool IsUNet(string? className) => className is null or UNet2DOptions.DiffusersClass or UNet2DOptions.GraftClass;

    /// <summary>Reads the configuration of any network.</summary>
    /// <param name="json">The keys; without <c>_class_name</c> it is diffusers' <c>UNet2DModel</c>.</param>
    /// <param name="where">Where they are from, for messages.</param>
    /// <exception cref="InputException">The class is unknown, or a value cannot be used.</exception>
    public static DenoiserOptions Read(JsonObject json, string where)
    {
        ArgumentNullException.ThrowIfNull(json);
        var name = ClassOf(json) ?? UNet2DOptions.DiffusersClass;
        return Kinds.TryGetValue(name, out var read)
            ? read(json, where)
            : throw new InputException($"The network configuration {where} is of the class {FileFault.Quote(name)}: {string.Join(", ", Kinds.Keys)} are known.");
    }

    /// <summary>The class name of a configuration, as text whatever it is; null where there is none.</summary>
    internal static string? ClassOf(JsonObject json) =>
        json["_class_name"] is JsonValue name && name.TryGetValue<string>(out var text) ? text : json["_class_name"]?.ToJsonString();
}
