using System.Globalization;

namespace Graft.Formats;

/// <summary>Keys of dictionaries, as text.</summary>
internal static class PickleKeys
{
    public static void Add(FileFault fault, PickleDictionary dictionary, object? key, object? value)
    {
        var text = key switch
        {
            string name => name,
            null => "None",
            bool flag => flag ? "True" : "False",
            long number => number.ToString(CultureInfo.InvariantCulture),
            PickleGlobal { Kind: GlobalKind.Ignored } mark => mark.Name,
            double number => number.ToString("R", CultureInfo.InvariantCulture),
            _ => throw fault.Read(
                "a dictionary has a key that is neither text nor a number",
                "save the weights alone (a state dict) where the file came from"),
        };
        if (!dictionary.TryAdd(text, value))
            throw fault.Read($"a dictionary has the key {FileFault.Quote(text)} twice");
    }
}
