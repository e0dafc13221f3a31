using System.Runtime.InteropServices;
using Graft.Data;
using Graft.Formats;
using Graft.Formats.Images;

namespace Graft.Fuzz;

/// <summary>All that is fuzzed: the binary formats here, text in the other part.</summary>
internal static partial class Parsers
{
    private const int LargestSeed = 20_000;

    /// <summary>In the order in which they run.</summary>
    public static IReadOnlyList<FuzzedParser> All { get; } =
    [
        Safetensors(), SafetensorsIndex(), PickleZip(), PickleLegacy(), Png(), Jpeg(), WebP(), Idx(),
        RecipeFile(), Labels(), AdapterConfiguration(), NetworkConfiguration(), SchedulerConfiguration(), Flags(), Record(),
        WfdbHeader(), WfdbSamples(), Matlab(), PtbXlRows(), TorchScript(), ClipConfiguration(), ClipProcessor(), ClipTextConfiguration(), NameTokens(),
        .. Models(),
    ];

    /// <summary>The parser of a name.</summary>
    public static FuzzedParser Find(string name) => All.FirstOrDefault(p => p.Name == name)
        ?? throw new InputException($"There is no parser '{name}': {string.Join(", ", All.Select(p => p.Name))} are known.");

    /// <summary>The folder of the repository, above the program.</summary>
    internal static string Repository { get; } = FindRepository();

    internal static string Fixture(params ReadOnlySpan<string> parts) => Path.Combine([Repository, "tests", "Graft.Tests", "Fixtures", .. parts]);

    private static FuzzedParser Safetensors() => new()
    {
        Name = "safetensors",
        File = "input.safetensors",
        Seeds = () => [.. Valid("*.safetensors", "formats", 8), .. Files("*.safetensors", "malformed/safetensors")],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Safetensors, ContainerMutators.Safetensors],
        Open = _ => path =>
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var entry in file.Entries)
                Touch(file.Bytes(entry.Name));
        },
    };

    private static FuzzedParser SafetensorsIndex() => new()
    {
        Name = "safetensors-index",
        File = "input.safetensors.index.json",
        Seeds = () =>
        [
            """{"metadata": {"total_size": 185}, "weight_map": {"alpha": "one.safetensors", "beta": "one.safetensors", "gamma.weight": "two.safetensors"}}"""u8.ToArray(),
            """{"weight_map": {"gamma.weight": "two.safetensors"}}"""u8.ToArray(),
        ],
        Mutators = [ByteMutator.Mutate, TextMutator.Mutate, TextMutator.Mutate],
        Open = folder =>
        {
            SafetensorsWriter.Write(Path.Combine(folder, "one.safetensors"), null, [Numbers("alpha", 5), Numbers("beta", 3)]);
            SafetensorsWriter.Write(Path.Combine(folder, "two.safetensors"), null, [Numbers("gamma.weight", 7)]);
            return path =>
            {
                using var index = Graft.Formats.SafetensorsIndex.Open(path);
                foreach (var entry in index.Entries)
                    Touch(index.Bytes(entry.Name));
            };
        },
    };

    private static FuzzedParser PickleZip() => new()
    {
        Name = "pickle-zip",
        File = "input.pt",
        Seeds = () => [.. Valid("*.pt", "formats", 8).Where(IsZip), .. Valid("*.ckpt", "ldm", 8), .. Files("*.pt", "malformed/pickle").Where(IsZip)],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Zip, ContainerMutators.Zip, ContainerMutators.Zip],
        Open = _ => ReadCheckpoint,
    };

    private static FuzzedParser PickleLegacy() => new()
    {
        Name = "pickle-legacy",
        File = "input.pt",
        Seeds = () => [.. Valid("*.pt", "formats", 8).Where(b => !IsZip(b)), .. Files("*.p*", "malformed/pickle").Where(b => !IsZip(b))],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Pickle],
        Open = _ => ReadCheckpoint,
    };

    // What a file can hold of one colour: deflate gives 1032 bytes for one, each 8 pixels of a palette, each 4 samples.
    private static FuzzedParser Png() => new()
    {
        Name = "png",
        File = "input.png",
        Seeds = () => Files("*.png", "decode", "malformed/image", "preprocess"),
        Mutators = [ByteMutator.Mutate, ContainerMutators.Png, ContainerMutators.Png],
        Open = _ => path => Touch(ImageCodec.Load(path).Pixels),
        AllowancePerByte = 1032 * 8 * 4,
        IsNative = true,
    };

    // A block of 64 pixels takes two bits at least, one in the first scan of a progressive file.
    private static FuzzedParser Jpeg() => new()
    {
        Name = "jpeg",
        File = "input.jpg",
        Seeds = () => Files("*.jpg", "decode", "malformed/image", "preprocess"),
        Mutators = [ByteMutator.Mutate, ByteMutator.Mutate, ContainerMutators.Jpeg],
        Open = _ => path => Touch(ImageCodec.Load(path).Pixels),
        AllowancePerByte = 4096,
        IsNative = true,
    };

    // Lossless files hold 16,777,216 pixels of one colour in a few bytes, and 1024 for each byte beyond.
    private static FuzzedParser WebP() => new()
    {
        Name = "webp",
        File = "input.webp",
        Seeds = () => Files("*.webp", "webp"),
        Mutators = [ByteMutator.Mutate, ContainerMutators.Riff, ContainerMutators.Riff],
        Open = _ => path => Touch(ImageCodec.Load(path).Pixels),
        Allowance = (64L + 16) << 20,
        AllowancePerByte = 4096,
        IsNative = true,
    };

    private static FuzzedParser Idx() => new()
    {
        Name = "idx",
        File = "input-idx3-ubyte",
        Seeds = () =>
        [
            [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, .. Enumerable.Range(0, 24).Select(i => (byte)(i * 9))],
            [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28, .. new byte[784]],
            [0, 0, 8, 1, 0, 0, 0, 5, 0, 1, 2, 9, 3],
        ],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Gzip, ContainerMutators.DamagedGzip],
        Open = _ => path =>
        {
            // Rank and labels are asked for by the caller: both kinds are tried on each file.
            InputException? first = null;
            foreach (var rank in (ReadOnlySpan<int>)[3, 1])
            {
                try
                {
                    Touch(IdxFile.Read(path, rank).Data);
                    return;
                }
                catch (InputException e)
                {
                    first ??= e;
                }
            }

            throw new InputException(first!.Message, first);
        },
        AllowancePerByte = 2 * 1032,
    };

    private static void ReadCheckpoint(string path) => ReadCheckpoint(path, scripts: false);

    private static unsafe void ReadCheckpoint(string path, bool scripts)
    {
        const int Largest = 1 << 27; // 2^24 elements of 8 bytes, which a tensor may claim by strides of zero
        using var file = CheckpointFile.Open(path, scripts);
        var buffer = (byte*)NativeMemory.Alloc(Largest);
        try
        {
            foreach (var tensor in file.Tensors().Values)
            {
                tensor.CopyTo(buffer, Largest);
                Touch(new ReadOnlySpan<byte>(buffer, (int)tensor.Length));
            }

            if (!file.IsTorchScript)
                file.StateDict();
        }
        finally
        {
            NativeMemory.Free(buffer);
        }
    }

    /// <summary>Reads every byte, so that an address outside of what is mapped shows.</summary>
    private static void Touch(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IndexOfAnyExcept((byte)0) is var at && at >= 0)
            _touched ^= bytes[at] ^ bytes[^1];
    }

    private static int _touched;

    private static bool IsZip(byte[] bytes) => bytes.AsSpan().StartsWith("PK"u8);

    private static TensorData Numbers(string name, int count) =>
        new(name, Graft.Torch.DType.Float32, [count], MemoryMarshal.AsBytes(Enumerable.Range(1, count).Select(i => (float)i).ToArray().AsSpan()).ToArray());

    /// <summary>Valid files several times over, so that they are not lost among those that are broken already.</summary>
    private static IEnumerable<byte[]> Valid(string pattern, string folder, int times) => Enumerable.Repeat(Files(pattern, folder), times).SelectMany(f => f);

    private static List<byte[]> Files(string pattern, params ReadOnlySpan<string> folders)
    {
        var files = new List<byte[]>();
        foreach (var folder in folders)
        {
            files.AddRange(new DirectoryInfo(Fixture(folder)).EnumerateFiles(pattern).Where(f => f.Length is > 0 and <= LargestSeed)
                .OrderBy(f => f.Name, StringComparer.Ordinal).Select(f => File.ReadAllBytes(f.FullName)));
        }

        return files;
    }

    private static string FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Graft.slnx")))
                return folder.FullName;
        }

        throw new InputException($"The program lies in {AppContext.BaseDirectory}, outside of the repository, whose fixtures it needs: run it there.");
    }
}
