using System.IO.MemoryMappedFiles;

namespace Graft.Fuzz;

/// <summary>Where a worker is, in a mapped file: it outlives a crash of the worker.</summary>
internal sealed class Progress : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    public Progress(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, 64);
        _view = _file.CreateViewAccessor();
    }

    /// <summary>The index that is being tried; -1 before the first.</summary>
    public long Index
    {
        get => _view.ReadInt64(0) - 1;
        set => _view.Write(0, value + 1);
    }

    public long Read
    {
        get => _view.ReadInt64(8);
        set => _view.Write(8, value);
    }

    public long Refused
    {
        get => _view.ReadInt64(16);
        set => _view.Write(16, value);
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
