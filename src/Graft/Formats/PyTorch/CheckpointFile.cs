using System.Globalization;
using System.Numerics;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>
/// A checkpoint written by <c>torch.save</c> (zip or legacy form, pickle protocols 2 to 5), read without executing anything: it may hold
/// tensors, dictionaries, lists, tuples, numbers, strings, bytes, booleans and None, and a file that holds anything else is refused.
/// Tensor data are mapped and read only when asked for. The file must not be cut short while it is open.
/// </summary>
public sealed class CheckpointFile : IDisposable
{
    private const int DeepestNesting = 100;
    private const int MostValues = 1 << 24;
    private const int MostTensors = 1 << 20;
    private const int LongestPath = 4096;
    private const string DataParallelPrefix = "module.";

    /// <summary>Where training scripts keep the weights, in the order in which they are looked for.</summary>
    private static readonly string[] StateDictKeys = ["state_dict", "model_state_dict", "model", "net", "network", "params"];

    private readonly MappedFile _file;
    private readonly OrderedDictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);
    private int _visited;

    private CheckpointFile(MappedFile file, bool scripts)
    {
        _file = file;
        Root = CheckpointLoader.Load(file, scripts, out var isScript);
        IsTorchScript = isScript;
        if (Root is not (PickleDictionary or PickleList or CheckpointTensor))
            throw file.Fault.Read("it holds neither a dictionary nor a list nor a tensor", "check that it is a checkpoint of a model");
        Collect("", Root, 0);
    }

    /// <summary>The path given to <see cref="Open"/>.</summary>
    public string Path => _file.Path;

    /// <summary>
    /// The object that was saved. Every value is null (None), <see cref="bool"/>, <see cref="long"/>, <see cref="BigInteger"/>,
    /// <see cref="double"/>, <see cref="string"/>, <c>byte[]</c>, <see cref="DType"/>, <see cref="PickleList"/> (list or tuple),
    /// <see cref="PickleDictionary"/> or <see cref="CheckpointTensor"/>. NumPy's numbers, which training scripts keep beside the weights, are
    /// null too.
    /// </summary>
    public object? Root { get; }

    /// <summary>Whether it is a TorchScript archive: <see cref="Root"/> is then its module, as a dictionary of attributes, parameters and modules.</summary>
    public bool IsTorchScript { get; }

    /// <summary>Opens and checks a file. Checksums of tensor data are verified when the data are read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="scripts">
    /// Whether a TorchScript archive (<c>torch.jit.save</c>, as openai publishes CLIP) may be opened for the sake of its parameters; its program is
    /// neither run nor looked at. If not, one is refused.
    /// </param>
    /// <exception cref="InputException">The file is absent, of another kind, damaged, or holds more than plain values.</exception>
    public static CheckpointFile Open(string path, bool scripts = false)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new CheckpointFile(file, scripts);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// All tensors, in the order of the file. The name is the path: keys and list positions joined by '/'. In a flat state dict, that is
    /// the key itself. A file that holds a single tensor gives it the empty name.
    /// </summary>
    public IReadOnlyDictionary<string, CheckpointTensor> Tensors() => _tensors;

    /// <summary>The tensors below a path (<c>state_dict</c>, <c>ema/shadow</c>), with their names from there on.</summary>
    /// <param name="path">Keys and list positions joined by '/'; empty for the whole file.</param>
    public IReadOnlyDictionary<string, CheckpointTensor> Tensors(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0)
            return _tensors;
        var below = new OrderedDictionary<string, CheckpointTensor>(StringComparer.Ordinal);
        foreach (var (name, tensor) in _tensors)
        {
            if (name.Length > path.Length && name[path.Length] == '/' && name.StartsWith(path, StringComparison.Ordinal))
                below.Add(name[(path.Length + 1)..], tensor);
        }

        return below;
    }

    /// <summary>
    /// The weights of the model, wherever a training script keeps them: the file itself if tensors lie at its top, else the first of
    /// <c>state_dict</c>, <c>model_state_dict</c>, <c>model</c>, <c>net</c>, <c>network</c>, <c>params</c> that holds tensors.
    /// Names are kept as they are.
    /// </summary>
    /// <exception cref="InputException">None of these holds tensors.</exception>
    public IReadOnlyDictionary<string, CheckpointTensor> StateDict()
    {
        if (Root is PickleDictionary root)
        {
            if (root.Values.Any(value => value is CheckpointTensor))
                return _tensors;
            foreach (var key in StateDictKeys)
            {
                if (root.ContainsKey(key) && Tensors(key) is { Count: > 0 } found)
                    return found;
            }
        }

        throw _file.Fault.Read(
            "there is no state dict where training scripts keep one",
            $"say where it is; the file holds {FileFault.Quote(string.Join(", ", (Root as PickleDictionary)?.Keys.Take(8) ?? []))}");
    }

    /// <summary>The value at a path of keys and list positions joined by '/', or null if there is none.</summary>
    /// <param name="path">For example <c>optimizer/param_groups/0/lr</c>.</param>
    public object? Find(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var value = Root;
        foreach (var part in path.Split('/'))
        {
            value = value switch
            {
                PickleDictionary dictionary => dictionary.TryGetValue(part, out var item) ? item : null,
                PickleList list when int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var i) && i < list.Count => list[i],
                _ => null,
            };
        }

        return value;
    }

    /// <summary>Takes a prefix off all names, if all have it: <c>module.</c> is what <c>DataParallel</c> adds.</summary>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="prefix">The prefix.</param>
    /// <returns>The renamed tensors; those given, if a name lacks the prefix.</returns>
    public static IReadOnlyDictionary<string, CheckpointTensor> StripPrefix(
        IReadOnlyDictionary<string, CheckpointTensor> tensors, string prefix = DataParallelPrefix)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(prefix);
        if (!tensors.Keys.All(name => name.StartsWith(prefix, StringComparison.Ordinal)))
            return tensors;
        var stripped = new OrderedDictionary<string, CheckpointTensor>(StringComparer.Ordinal);
        foreach (var (name, tensor) in tensors)
            stripped.Add(name[prefix.Length..], tensor);
        return stripped;
    }

    /// <summary>Unmaps the file; its tensors can no longer be read.</summary>
    public void Dispose() => _file.Dispose();

    // The limits end the walk through objects that contain themselves, or each other many times over.
    private void Collect(string path, object? value, int depth)
    {
        if (++_visited > MostValues || _tensors.Count > MostTensors)
            throw _file.Fault.Read("its objects contain each other too many times");
        if (depth > DeepestNesting)
            throw _file.Fault.Read($"its objects are nested more than {DeepestNesting} deep, or contain themselves");
        if (path.Length > LongestPath)
            throw _file.Fault.Read($"the path of a tensor is longer than {LongestPath} characters");
        switch (value)
        {
            case CheckpointTensor tensor:
                if (!_tensors.TryAdd(path, tensor))
                    throw _file.Fault.Read($"two tensors have the path {FileFault.Quote(path)}");
                break;
            case PickleDictionary dictionary:
                foreach (var (key, item) in dictionary)
                    Collect(Join(path, key, item, depth), item, depth + 1);
                break;
            case PickleList list:
                for (var i = 0; i < list.Count; i++)
                    Collect(Join(path, i.ToString(CultureInfo.InvariantCulture), list[i], depth), list[i], depth + 1);
                break;
            case PickleGlobal or CheckpointStorage:
                throw _file.Fault.Read($"{FileFault.Quote(path)} is a class or a bare storage", "save tensors and plain values only");
            default:
                break;
        }
    }

    /// <summary>The path of an item; plain values need none, and there may be very many of them.</summary>
    private static string Join(string path, string key, object? item, int depth) =>
        item is not (CheckpointTensor or PickleDictionary or PickleList or PickleGlobal or CheckpointStorage) ? path
        : depth == 0 ? key
        : $"{path}/{key}";
}
