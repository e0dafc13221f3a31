using Graft.Torch;

namespace Graft.Formats;

/// <summary>Builds storages and tensors for the pickle reader, and checks that every tensor lies inside its storage.</summary>
internal sealed class CheckpointHost(MappedFile file, Action<CheckpointStorage>? place) : IPickleHost
{
    /// <summary>More dimensions than PyTorch's own limit are made up.</summary>
    private const int MostDimensions = 64;

    /// <summary>Elements an expanded tensor may have: enough for a real buffer, too few to fill memory.</summary>
    private const long MostExpanded = 1 << 24;

    private readonly FileFault _fault = file.Fault;
    private readonly Dictionary<string, CheckpointStorage> _storages = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CheckpointStorage> _views = new(StringComparer.Ordinal);

    /// <summary>The storages that the pickle refers to, by their keys.</summary>
    public IReadOnlyDictionary<string, CheckpointStorage> Storages => _storages;

    public object? PersistentLoad(object? id)
    {
        if (id is PickleList { Count: > 0 } module && module[0] is "module")
            throw _fault.Read("it holds a whole pickled module", "save the module's state dict instead");
        if (id is not PickleList { Count: 5 or 6 } parts || parts[0] is not "storage"
            || parts[1] is not PickleGlobal { Kind: GlobalKind.TypedStorage or GlobalKind.UntypedStorage } type
            || parts[2] is not string key || parts[3] is not string || parts[4] is not long count)
        {
            throw _fault.Read("it describes a storage in an unknown way");
        }

        var storage = Storage(key, type, count);
        return parts.Count == 6 && parts[5] is not null ? View(storage, parts[5]) : storage;
    }

    public object? Call(PickleGlobal function, PickleList arguments) => function.Kind switch
    {
        GlobalKind.OrderedDict => OrderedDictionary(arguments),
        GlobalKind.Size => arguments is [PickleList sizes] ? new PickleList(isTuple: true, [.. sizes]) : throw Odd(function),
        GlobalKind.Device => arguments is [string, ..] ? arguments[0] : throw Odd(function),
        GlobalKind.RebuildTensor when arguments.Count == 4 => Tensor(function, arguments, null),
        GlobalKind.RebuildTensorV2 when arguments.Count is 6 or 7 => Tensor(function, arguments, null),
        GlobalKind.RebuildTensorV3 when arguments.Count is 7 or 8 && arguments[6] is DType type => Tensor(function, arguments, type),
        GlobalKind.Ignored => null,
        GlobalKind.RebuildParameter => arguments is [CheckpointTensor data, _, _] ? data : throw Odd(function),
        _ => throw Odd(function),
    };

    private CheckpointStorage Storage(string key, PickleGlobal type, long count)
    {
        var quoted = FileFault.Quote(key);
        if (_storages.TryGetValue(key, out var known))
        {
            return known.Type == type.Type && known.Count == count
                ? known
                : throw _fault.Read($"the storage {quoted} is described in two ways");
        }

        if (count < 0)
            throw _fault.Read($"the storage {quoted} claims a negative number of elements");
        if (!ElementCount.TryGetBytes(count, type.Type?.Size() ?? 1, out var length) || length > file.Length)
            throw _fault.Read($"the storage {quoted} claims more elements than the file can hold");
        var storage = new CheckpointStorage(file, key, type.Type, count, length);
        place?.Invoke(storage);
        _storages.Add(key, storage);
        return storage;
    }

    /// <summary>Legacy files describe parts of a storage as (key, offset, count), in elements.</summary>
    private CheckpointStorage View(CheckpointStorage root, object? description)
    {
        if (description is not PickleList { Count: 3 } parts
            || parts[0] is not string key || parts[1] is not long offset || parts[2] is not long count)
            throw _fault.Read($"it describes a part of the storage {FileFault.Quote(root.Key)} in an unknown way");
        if (offset < 0 || count < 0 || offset > root.Count || count > root.Count - offset)
            throw _fault.Read($"a part of the storage {FileFault.Quote(root.Key)} lies outside of it");
        var size = root.Type?.Size() ?? 1;
        if (_views.TryGetValue(key, out var known))
        {
            return ReferenceEquals(known.Root, root) && known.RootOffset == offset * size && known.Count == count
                ? known
                : throw _fault.Read($"the storage {FileFault.Quote(key)} is described in two ways");
        }

        var view = new CheckpointStorage(file, key, root.Type, count, count * size) { Root = root, RootOffset = offset * size };
        _views.Add(key, view);
        return view;
    }

    private PickleDictionary OrderedDictionary(PickleList arguments)
    {
        var dictionary = new PickleDictionary();
        if (arguments.Count == 0)
            return dictionary;
        if (arguments is not [PickleList pairs])
            throw _fault.Read("it builds an OrderedDict in an unknown way");
        foreach (var item in pairs)
        {
            if (item is not PickleList { Count: 2 } pair)
                throw _fault.Read("it builds an OrderedDict in an unknown way");
            PickleKeys.Add(_fault, dictionary, pair[0], pair[1]);
        }

        return dictionary;
    }

    private CheckpointTensor Tensor(PickleGlobal function, PickleList arguments, DType? declared)
    {
        if (arguments[0] is not CheckpointStorage storage || arguments[1] is not long offset
            || (declared ?? storage.Type) is not { } type
            || Numbers(arguments[2]) is not { } shape || Numbers(arguments[3]) is not { } strides
            || shape.Length != strides.Length || HasBits(arguments, declared is null ? 6 : 7))
        {
            throw Odd(function);
        }

        var where = $"a tensor of shape [{string.Join(", ", shape.Take(8))}] over the storage {FileFault.Quote(storage.Key)}";
        if (shape.Length > MostDimensions)
            throw _fault.Read($"{where} has {shape.Length} dimensions, more than {MostDimensions}");
        if (offset < 0 || strides.Any(stride => stride < 0))
            throw _fault.Read($"{where} has a negative offset or stride");
        if (!ElementCount.TryGet(shape, out var count) || !ElementCount.TryGetBytes(count, type.Size(), out _))
            throw _fault.Read($"{where} has a negative dimension, or more elements than 63 bits can count");
        var available = storage.Length / type.Size();
        if (offset > available || (count > 0 && !Fits(shape, strides, offset, available)))
            throw _fault.Read($"{where} reaches beyond its {available} elements");
        if (count > available && count > MostExpanded)
            throw _fault.Read($"{where} repeats {available} elements to {count}, which no checkpoint needs");
        return new CheckpointTensor(storage, type, shape, strides, offset, count);
    }

    private static bool Fits(long[] shape, long[] strides, long offset, long available)
    {
        var last = (Int128)offset;
        for (var i = 0; i < shape.Length; i++)
            last += (Int128)(shape[i] - 1) * strides[i];
        return last < available;
    }

    private static long[]? Numbers(object? value) =>
        value is PickleList list && list.All(item => item is long) ? [.. list.Cast<long>()] : null;

    /// <summary>Whether the tensor is marked as conjugated or negated, in which case its memory does not hold its values.</summary>
    private static bool HasBits(PickleList arguments, int at) =>
        arguments.Count > at && arguments[at] is not (null or PickleDictionary { Count: 0 });

    private InputException Odd(PickleGlobal function) => _fault.Read($"it uses {function.Name} in an unknown way");
}
