using System.Security.Cryptography;
using System.Text;
using Graft.Formats;

namespace Graft.Data;

/// <summary>The decoded pictures of one folder in one file, so that the next run need not decode them.</summary>
/// <remarks>
/// The file: "GRAFTIMG", the key (SHA-256 of all that the result depends on), the numbers of pictures and of faults (int32), for
/// each fault the candidate and the reason, for each picture the candidate, then the planes one after the other, and a SHA-256 of
/// all before it. Whatever does not fit is taken for no cache.
/// </remarks>
internal sealed class DecodedCache
{
    private const string Magic = "GRAFTIMG";

    /// <summary>Raised when the format, or what decoding gives, changes.</summary>
    private const int Version = 2; // 2: CMYK and WebP are read

    private readonly string _file;
    private readonly byte[] _key;
    private readonly int _candidates;
    private readonly int _elements;

    public DecodedCache(string directory, string folder, ImageShape shape, ImageFolderOptions options, ListedFile[] files)
    {
        var text = new StringBuilder()
            .Append($"{Version}\n{Path.GetFullPath(folder)}\n{shape}\n{options.Fit} {options.Background} {options.ApplyOrientation}\n");
        foreach (var file in files)
            text.Append($"{file.Path}\0{file.Length}\0{file.Changed}\n");
        _key = SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()));
        _file = Path.Combine(directory, $"{Convert.ToHexStringLower(_key.AsSpan(0, 12))}.images");
        _candidates = files.Length;
        _elements = shape.Elements;
    }

    /// <summary>What the cache holds, or null if it holds nothing that fits.</summary>
    public DecodedFolder? TryRead()
    {
        try
        {
            if (!File.Exists(_file))
                return null;
            using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var decoded = Read(stream, hash);
            Span<byte> stored = stackalloc byte[SHA256.HashSizeInBytes];
            stream.ReadExactly(stored);
            return stored.SequenceEqual(hash.GetHashAndReset()) && stream.ReadByte() < 0 ? decoded : null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException or DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>Keeps the pictures for the next time; says so if that cannot be done, and goes on.</summary>
    public void TryWrite(DecodedFolder decoded, Action<string>? warn)
    {
        try
        {
            AtomicFile.Write(_file, stream =>
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                void Put(ReadOnlySpan<byte> bytes)
                {
                    stream.Write(bytes);
                    hash.AppendData(bytes);
                }

                Put(Head(decoded));
                foreach (var picture in decoded.Pictures)
                    Put(picture);
                stream.Write(hash.GetHashAndReset());
            });
        }
        catch (Exception e) when (e is InputException or IOException)
        {
            warn?.Invoke($"The decoded pictures are not kept for the next time. {e.Message}");
        }
    }

    private byte[] Head(DecodedFolder decoded)
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory);
        writer.Write(Encoding.ASCII.GetBytes(Magic));
        writer.Write(_key);
        writer.Write(decoded.Pictures.Length);
        writer.Write(decoded.Faults.Length);
        foreach (var (index, reason) in decoded.Faults)
        {
            writer.Write(index);
            writer.Write(reason);
        }

        foreach (var index in decoded.Indices)
            writer.Write(index);
        writer.Flush();
        return memory.ToArray();
    }

    private DecodedFolder Read(FileStream stream, IncrementalHash hash)
    {
        // leaveOpen, and no buffering: BinaryReader reads exactly what it is asked for.
        using var reader = new BinaryReader(new HashingStream(stream, hash), Encoding.UTF8, leaveOpen: true);
        if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Encoding.ASCII.GetBytes(Magic))
            || !reader.ReadBytes(_key.Length).AsSpan().SequenceEqual(_key))
            throw new InvalidDataException();

        var count = reader.ReadInt32();
        var faults = new (int Index, string Reason)[Checked(reader.ReadInt32())];
        if (count < 1 || count + faults.Length != _candidates || (long)count * _elements > stream.Length)
            throw new InvalidDataException();
        for (var i = 0; i < faults.Length; i++)
            faults[i] = (Candidate(reader.ReadInt32()), reader.ReadString());

        var indices = new int[count];
        for (var i = 0; i < count; i++)
            indices[i] = Candidate(reader.ReadInt32());
        var pictures = new byte[count][];
        for (var i = 0; i < count; i++)
        {
            pictures[i] = new byte[_elements];
            reader.BaseStream.ReadExactly(pictures[i]);
        }

        return new DecodedFolder(indices, pictures, faults);
    }

    private int Checked(int faults) => faults >= 0 && faults <= _candidates ? faults : throw new InvalidDataException();

    private int Candidate(int index) => index >= 0 && index < _candidates ? index : throw new InvalidDataException();

    /// <summary>Reads through and hashes what was read.</summary>
    private sealed class HashingStream(Stream inner, IncrementalHash hash) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var read = inner.Read(buffer);
            hash.AppendData(buffer[..read]);
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
