using System.Security.Cryptography;

namespace Graft.Hub;

/// <summary>A file that is being fetched: it grows, knows the SHA-256 of what it holds, and survives a broken connection.</summary>
internal sealed class PartialFile : IDisposable
{
    private readonly string _path;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Stream _stream;

    private PartialFile(string path, Stream stream)
    {
        _path = path;
        _stream = stream;
    }

    /// <summary>Bytes that are there.</summary>
    internal long Length { get; private set; }

    /// <summary>Whether bytes of an earlier process are among them.</summary>
    internal bool IsInherited { get; private set; }

    /// <summary>Opens what an earlier attempt left, or begins.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is opened.</param>
    /// <param name="keep">Whether what is there may be gone on with.</param>
    /// <exception cref="GraftException">It cannot be read or written.</exception>
    internal static PartialFile Open(string path, DownloadOptions options, bool keep)
    {
        PartialFile? file = null;
        try
        {
            file = new PartialFile(path, options.OpenPartial(path));
            if (keep)
                file.ReadWhatIsThere();
            else
                file.Restart();
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw DownloadFaults.OfDisk(path, e);
        }
    }

    /// <summary>Adds bytes.</summary>
    internal void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DownloadFaults.OfDisk(_path, e);
        }

        _hash.AppendData(bytes);
        Length += bytes.Length;
    }

    /// <summary>Forgets everything.</summary>
    internal void Restart()
    {
        if (_stream.CanSeek && _stream.Length > 0)
            _stream.SetLength(0);
        _ = _hash.GetHashAndReset();
        Length = 0;
        IsInherited = false;
    }

    /// <summary>SHA-256 of the content.</summary>
    internal string Sha256() => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>git's SHA-1 of the content: that of the header <c>blob LENGTH\0</c> and the bytes.</summary>
    internal string GitSha1()
    {
#pragma warning disable CA5350 // git names contents so; it is compared with what the hub says, over https
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {Length}\0"));
        _stream.Flush();
        _stream.Position = 0;
        var buffer = new byte[1 << 16];
        for (int read; (read = _stream.Read(buffer)) > 0;)
            hash.AppendData(buffer, 0, read);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Brings everything to the disk and gives the file its name.</summary>
    internal void Finish(string path)
    {
        try
        {
            if (_stream is FileStream file)
                file.Flush(flushToDisk: true);
            else
                _stream.Flush();
            _stream.Dispose();
            File.Move(_path, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DownloadFaults.OfDisk(path, e);
        }
    }

    /// <summary>Removes the file: its content cannot be trusted.</summary>
    internal void Delete()
    {
        _stream.Dispose();
        File.Delete(_path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            // a full disk shows again when the last bytes are flushed; it was told when it first showed
        }

        _hash.Dispose();
        if (File.Exists(_path) && new FileInfo(_path) is { Length: 0, LinkTarget: null })
            File.Delete(_path); // nothing to go on with
    }

    private void ReadWhatIsThere()
    {
        var buffer = new byte[1 << 16];
        for (int read; (read = _stream.Read(buffer)) > 0; Length += read)
            _hash.AppendData(buffer, 0, read);
        IsInherited = Length > 0;
    }
}
