using System.IO.MemoryMappedFiles;

namespace Graft.Formats;

/// <summary>
/// A file mapped read-only into memory, so that opening costs nothing in proportion to its size and tensors above 2 GiB have an address.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _start;
    private bool _disposed;

    private MappedFile(string path, MemoryMappedFile? file, MemoryMappedViewAccessor? view, long length)
    {
        Path = path;
        Length = length;
        _file = file;
        _view = view;
        if (view is not null)
        {
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
            _start += view.PointerOffset;
        }
    }

    public string Path { get; }

    /// <summary>Bytes in the file when it was opened.</summary>
    public long Length { get; }

    public FileFault Fault => new(Path);

    /// <summary>Address of the first byte; valid until the file is disposed.</summary>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _start;
        }
    }

    public static MappedFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var fault = new FileFault(path);
        if (Directory.Exists(path))
            throw fault.Read("it is a folder", "give the file inside it");
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var length = RandomAccess.GetLength(handle);
            if (length == 0)
                return new MappedFile(path, null, null, 0);
            var file = MemoryMappedFile.CreateFromFile(
                handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            try
            {
                var view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
                return new MappedFile(path, file, view, length);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw fault.Read("there is no such file", "check the path", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw fault.Read("access is denied", "check the file's permissions", e);
        }
        catch (IOException e)
        {
            throw fault.Read($"the system reports \"{e.Message.TrimEnd('.')}\"", "check the disk and the path", e);
        }
    }

    /// <summary>Bytes from an offset; the caller has checked that they lie inside the file.</summary>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        return new ReadOnlySpan<byte>(Start + offset, length);
    }

    /// <summary>The beginning of the file, at most so many bytes.</summary>
    public ReadOnlySpan<byte> Head(int most) => Span(0, (int)Math.Min(most, Length));

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_view is not null)
        {
            _start = null;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file!.Dispose();
        }
    }
}
