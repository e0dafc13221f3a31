using System.Buffers.Binary;
using System.Numerics;

namespace Graft.Formats;

/// <summary>Reads both forms of PyTorch's files: a zip archive (since 1.6), and a row of pickles followed by the storages (before).</summary>
internal static unsafe class CheckpointLoader
{
    private const int LegacyProtocol = 1001;
    private const int LongestPickle = 1 << 30;

    private static readonly BigInteger LegacyMagic = BigInteger.Parse("119547037146038801333356");

    /// <summary>The object that was saved. Its tensors point into the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="scripts">Whether the parameters of a TorchScript archive are read; if not, one is refused.</param>
    /// <param name="isScript">Whether it is one.</param>
    public static object? Load(MappedFile file, bool scripts, out bool isScript)
    {
        isScript = false;
        if (file.Length == 0)
            throw file.Fault.Read("it is empty");
        var head = file.Head(512);
        if (head.StartsWith("PK"u8))
            return LoadZip(file, scripts, out isScript);
        if (file.Fault.OtherKind(head) is { } other)
            throw other;
        if (head.Length > 8 && head[8] == (byte)'{')
            throw file.Fault.Read("it is a safetensors file", "open it as such (the name should end in .safetensors)");
        return head[0] == 0x80
            ? LoadLegacy(file)
            : throw file.Fault.Read("it is not a PyTorch checkpoint", "check that it was written by torch.save");
    }

    private static object? LoadZip(MappedFile file, bool scripts, out bool isScript)
    {
        var zip = new ZipDirectory(file);
        var fault = file.Fault;
        var pickles = zip.Entries.Keys
            .Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.Count(c => c == '/') == 1).ToList();
        if (pickles.Count != 1)
        {
            throw fault.Read(
                $"it is a zip archive with {pickles.Count} entries named data.pkl instead of one, so it is not a PyTorch checkpoint",
                "check that it was written by torch.save");
        }

        var root = pickles[0][..^"data.pkl".Length];
        isScript = zip.Entries.Keys.Any(name => name == $"{root}constants.pkl" || name.StartsWith($"{root}code/", StringComparison.Ordinal));
        if (isScript && !scripts)
        {
            throw fault.Read(
                "it is a TorchScript archive, which holds a program",
                "load it in PyTorch with torch.jit.load and save its state_dict()");
        }

        if (zip.Entries.TryGetValue($"{root}byteorder", out var order) && order.Length == 3)
            throw fault.Read("it was saved on a big-endian machine", "save it again on a little-endian one");

        var host = new CheckpointHost(file, storage => Place(zip, root, fault, storage));
        var pickle = zip.Entries[pickles[0]];
        var content = zip.Content(pickle);
        if (pickle.Length > LongestPickle)
            throw fault.Read("its data.pkl is longer than 1 GiB");
        if (!zip.IsIntact(pickle))
            throw fault.Read("the checksum of its data.pkl is wrong, so it is damaged");
        return new PickleReader(new ReadOnlySpan<byte>(content, (int)pickle.Length), fault, host, isScript).Read();
    }

    private static void Place(ZipDirectory zip, string root, FileFault fault, CheckpointStorage storage)
    {
        var quoted = FileFault.Quote(storage.Key);
        if (!zip.Entries.TryGetValue($"{root}data/{storage.Key}", out var entry))
            throw fault.Read($"the storage {quoted} is missing");
        var content = zip.Content(entry);
        if (entry.Length < storage.Length)
            throw fault.Read($"the storage {quoted} has {entry.Length} bytes instead of {storage.Length}");
        storage.Place(content, () => zip.IsIntact(entry));
    }

    private static object? LoadLegacy(MappedFile file)
    {
        var fault = file.Fault;
        var rest = file.Head(LongestPickle);
        var host = new CheckpointHost(file, place: null);
        if (Next(ref rest, fault, host) is not BigInteger magic || magic != LegacyMagic)
            throw fault.Read("it is a pickle, but not one that torch.save wrote", "save the weights with torch.save or as safetensors");
        if (Next(ref rest, fault, host) is not (long)LegacyProtocol)
            throw fault.Read("it has an unknown version of PyTorch's legacy form", "save it again with a newer PyTorch");
        if (Next(ref rest, fault, host) is not PickleDictionary system)
            throw fault.Read("it does not describe the system that it was saved on");
        if (system.TryGetValue("little_endian", out var little) && little is not true)
            throw fault.Read("it was saved on a big-endian machine", "save it again on a little-endian one");
        var root = Next(ref rest, fault, host);
        if (Next(ref rest, fault, host) is not PickleList keys)
            throw fault.Read("it does not list its storages");
        PlaceLegacy(file, host, keys, Math.Min(file.Length, LongestPickle) - rest.Length);
        return root;
    }

    private static object? Next(ref ReadOnlySpan<byte> rest, FileFault fault, CheckpointHost host)
    {
        var reader = new PickleReader(rest, fault, host);
        var value = reader.Read();
        rest = rest[reader.Position..];
        return value;
    }

    /// <summary>Behind the pickles comes each storage in the order of the list: its element count, then its elements.</summary>
    private static void PlaceLegacy(MappedFile file, CheckpointHost host, PickleList keys, long position)
    {
        var fault = file.Fault;
        foreach (var item in keys)
        {
            if (item is not string key || !host.Storages.TryGetValue(key, out var storage) || storage.IsPlaced)
                throw fault.Read("it lists a storage twice, or one that no tensor uses");
            var quoted = FileFault.Quote(key);
            if (file.Length - position < sizeof(long))
                throw fault.Read($"it ends before the storage {quoted}, so it is cut short");
            var count = BinaryPrimitives.ReadInt64LittleEndian(file.Span(position, sizeof(long)));
            position += sizeof(long);
            if (count != storage.Count)
                throw fault.Read($"the storage {quoted} has {count} elements instead of {storage.Count}");
            if (storage.Length > file.Length - position)
                throw fault.Read($"it ends inside the storage {quoted}, so it is cut short");
            storage.Place(file.Start + position, isIntact: null);
            position += storage.Length;
        }

        if (host.Storages.Values.FirstOrDefault(storage => !storage.IsPlaced) is { } missing)
            throw fault.Read($"the storage {FileFault.Quote(missing.Key)} is missing");
    }
}
