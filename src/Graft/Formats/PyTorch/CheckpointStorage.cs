using Graft.Torch;

namespace Graft.Formats;

/// <summary>The memory behind one or several tensors of a checkpoint: a part of the mapped file.</summary>
internal sealed unsafe class CheckpointStorage(MappedFile file, string key, DType? type, long count, long length)
{
    private Func<bool>? _isIntact;
    private long _offset = -1;

    public string Key { get; } = key;

    /// <summary>Element type; null where the storage is bytes only and the tensor says what they are.</summary>
    public DType? Type { get; } = type;

    /// <summary>Elements (bytes where there is no type).</summary>
    public long Count { get; } = count;

    /// <summary>Bytes.</summary>
    public long Length { get; } = length;

    /// <summary>The storage that this one is a part of, in legacy files.</summary>
    public CheckpointStorage? Root { get; init; }

    /// <summary>Bytes from the beginning of <see cref="Root"/>.</summary>
    public long RootOffset { get; init; }

    /// <summary>Says where in the file the bytes are, and how to tell that they are intact.</summary>
    public void Place(byte* address, Func<bool>? isIntact)
    {
        _offset = address - file.Start;
        _isIntact = isIntact;
    }

    public bool IsPlaced => _offset >= 0;

    /// <summary>Address of the first byte. The checksum is verified the first time.</summary>
    public byte* Bytes()
    {
        if (Root is not null)
            return Root.Bytes() + RootOffset;
        var start = file.Start + _offset;
        if (_isIntact is { } isIntact)
        {
            if (!isIntact())
            {
                throw file.Fault.Read(
                    $"the checksum of its storage {FileFault.Quote(Key)} is wrong, so the data are damaged",
                    "download the file again, or save it with checksums (torch.serialization.set_crc32_options)");
            }

            _isIntact = null;
        }

        return start;
    }
}
