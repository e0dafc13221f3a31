using System.Text.Json;

namespace Graft.Formats;

/// <summary>
/// A state dict split over several safetensors files, opened as one through its <c>*.safetensors.index.json</c>.
/// </summary>
/// <remarks>Format: the <c>weight_map</c> of Hugging Face's transformers and diffusers.</remarks>
public sealed unsafe class SafetensorsIndex : ITensorFile
{
    private readonly FileFault _fault;
    private readonly Dictionary<string, SafetensorsFile> _shards = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsFile> _byTensor = new(StringComparer.Ordinal);
    private readonly List<TensorEntry> _entries = [];

    private SafetensorsIndex(string path)
    {
        Path = path;
        _fault = new FileFault(path);
    }

    /// <summary>The path given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>The files, in the order of their names.</summary>
    public IReadOnlyList<SafetensorsFile> Shards => [.. _shards.Values];

    /// <summary>All tensors: shard by shard, each in file order.</summary>
    public IReadOnlyList<TensorEntry> Entries => _entries;

    /// <inheritdoc/>
    public TensorEntry this[string name] => Shard(name)[name];

    /// <summary>Opens the index and all files it names, which lie in its folder.</summary>
    /// <param name="path">The index file.</param>
    /// <exception cref="InputException">The index or one of its files cannot be read, or they contradict each other.</exception>
    public static SafetensorsIndex Open(string path)
    {
        var index = new SafetensorsIndex(path);
        try
        {
            index.Load();
            return index;
        }
        catch
        {
            index.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => _byTensor.ContainsKey(name);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Bytes(string name) => Shard(name).Bytes(name);

    /// <inheritdoc/>
    public byte* Pointer(string name) => Shard(name).Pointer(name);

    /// <inheritdoc/>
    public void CopyTo(string name, Span<byte> destination) => Shard(name).CopyTo(name, destination);

    /// <inheritdoc/>
    public void WriteTo(string name, Stream destination) => Shard(name).WriteTo(name, destination);

    /// <summary>Unmaps all files; spans and pointers into them become invalid.</summary>
    public void Dispose()
    {
        foreach (var shard in _shards.Values)
            shard.Dispose();
    }

    private SafetensorsFile Shard(string name) => _byTensor.TryGetValue(name, out var shard)
        ? shard
        : throw _fault.Read($"it lists no tensor {FileFault.Quote(name)}", "check that it belongs to this model");

    private void Load()
    {
        var map = ReadMap();
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        foreach (var shard in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
            _shards.Add(shard, SafetensorsFile.Open(System.IO.Path.Combine(folder, shard)));
        foreach (var (name, shard) in map)
        {
            if (!_shards[shard].Contains(name))
                throw _fault.Read($"the tensor {FileFault.Quote(name)} is not in {FileFault.Quote(shard)}, where the index says it is");
            _byTensor.Add(name, _shards[shard]);
        }

        foreach (var (shard, file) in _shards)
        {
            foreach (var entry in file.Entries)
            {
                if (!map.TryGetValue(entry.Name, out var home) || home != shard)
                    throw _fault.Read($"the tensor {FileFault.Quote(entry.Name)} of {FileFault.Quote(shard)} is not listed for that file");
                _entries.Add(entry);
            }
        }
    }

    private Dictionary<string, string> ReadMap()
    {
        using var file = MappedFile.Open(Path);
        if (file.Length == 0)
            throw _fault.Read("it is empty");
        if (_fault.OtherKind(file.Head(512)) is { } other)
            throw other;
        if (file.Length > SafetensorsHeader.Longest)
            throw _fault.Read("it is longer than 100 MB", "check that it is an index of safetensors files");
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            var reader = new Utf8JsonReader(file.Head((int)SafetensorsHeader.Longest));
            if (!FindMap(ref reader))
                throw _fault.Read("it has no weight_map", "check that it is an index of safetensors files");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString()!;
                reader.Read();
                if (reader.TokenType != JsonTokenType.String)
                    throw _fault.Read($"the file of tensor {FileFault.Quote(name)} is not a string");
                var shard = reader.GetString()!;
                if (!IsFileName(shard))
                {
                    throw _fault.Read(
                        $"the file {FileFault.Quote(shard)} of tensor {FileFault.Quote(name)} is not a plain file name",
                        "put the files beside the index and list them by name");
                }

                if (!map.TryAdd(name, shard))
                    throw _fault.Read($"the tensor {FileFault.Quote(name)} is listed twice");
            }

            while (reader.Read())
                reader.Skip();
            return map;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw _fault.Read("it is not valid JSON", cause: e);
        }
    }

    /// <summary>Moves to the object under <c>weight_map</c>.</summary>
    private static bool FindMap(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals("weight_map"u8);
            reader.Read();
            if (found)
                return reader.TokenType == JsonTokenType.StartObject;
            reader.Skip();
        }

        return false;
    }

    /// <summary>Whether a name stays in the folder on every system.</summary>
    private static bool IsFileName(string name) =>
        name.Length is > 0 and <= 255 && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0;
}
