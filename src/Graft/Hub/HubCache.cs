using Graft.Formats;

namespace Graft.Hub;

/// <summary>
/// One model in the hub's cache, laid out as huggingface_hub does, so that both use the same files:
/// <c>blobs/ETAG</c>, <c>snapshots/COMMIT/PATH</c> (relative links to blobs), <c>refs/REVISION</c> (a commit), and the locks in
/// <c>.locks/models--owner--name/ETAG.lock</c> beside the model's folder.
/// </summary>
internal sealed class HubCache
{
    private readonly SafeFolder _hub;
    private readonly HubModelId _model;
    private readonly string _name;

    internal HubCache(HubSettings settings, HubModelId model)
    {
        _hub = new SafeFolder(settings.HubCache);
        _model = model;
        _name = $"models--{model.Owner}--{model.Name}";
    }

    /// <summary>Makes a link at a path with a target; false where the file system cannot.</summary>
    internal Func<string, string, bool> TryLink { get; init; } = Link;

    /// <summary>The folder of all models.</summary>
    internal string Root => _hub.Root;

    /// <summary>The folder of a commit's files; it need not exist.</summary>
    internal string SnapshotPath(string commit) => _hub.PathOf(_name, "snapshots", commit);

    /// <summary>Where a content lies.</summary>
    internal string BlobPath(string etag) => _hub.PathOf(_name, "blobs", etag);

    /// <summary>Where a content is written until it is whole.</summary>
    internal string PartialPath(string etag) => _hub.PathOf(_name, "blobs", etag + ".incomplete");

    /// <summary>As <see cref="PartialPath"/>, with its folder made, and no link in the way.</summary>
    internal string OpenPartialPath(string etag)
    {
        var path = _hub.FileIn(_name, "blobs", etag + ".incomplete");
        SafeFolder.RefuseLink(path);
        return path;
    }

    /// <summary>Waits until nobody else fetches a content.</summary>
    internal Task<IDisposable> LockAsync(string etag, DownloadOptions options, CancellationToken cancellationToken)
    {
        var path = _hub.FileIn(".locks", _name, etag + ".lock");
        SafeFolder.RefuseLink(path);
        return FileLock.TakeAsync(path, options, cancellationToken);
    }

    /// <summary>The commit that a revision meant when it was last pulled; null if it never was.</summary>
    /// <exception cref="InputException">The record is broken.</exception>
    internal string? Commit()
    {
        if (SafeName.IsCommit(_model.Revision))
            return _model.Revision;
        var path = _hub.PathOf([_name, "refs", .. _model.Revision.Split('/')]);
        if (!File.Exists(path))
            return null;
        var commit = InputFile.Read(path) is { Length: <= 100 } bytes ? System.Text.Encoding.ASCII.GetString(bytes).Trim() : "";
        return SafeName.IsCommit(commit)
            ? commit
            : throw new InputException($"{path} does not hold a commit: remove it, and `graft pull {_model}` again.");
    }

    /// <summary>The folder of the revision's files; null if it was never pulled.</summary>
    internal string? Snapshot() => Commit() is { } commit && SnapshotPath(commit) is var path && Directory.Exists(path) ? path : null;

    /// <summary>Writes down which commit the revision is.</summary>
    internal void WriteRef(string commit)
    {
        if (_model.Revision == commit || Commit() == commit)
            return;
        AtomicFile.WriteText(_hub.FileIn([_name, "refs", .. _model.Revision.Split('/')]), commit);
    }

    /// <summary>Whether a file of a commit is there, as a link to its content or as a plain file of the right size.</summary>
    internal bool Has(string commit, HubFile file)
    {
        var pointer = new FileInfo(_hub.PathOf([_name, "snapshots", commit, .. file.Path.Split('/')]));
        if (pointer.LinkTarget is { } target)
        {
            return target == Target(file) && HasBlob(file);
        }

        return pointer.Exists && (file.Size is null || pointer.Length == file.Size);
    }

    /// <summary>Whether a content is there.</summary>
    internal bool HasBlob(HubFile file)
    {
        var blob = new FileInfo(BlobPath(file.Etag!));
        return blob.Exists && (file.Size is null || blob.ResolveLinkTarget(returnFinalTarget: true) is not null || blob.Length == file.Size);
    }

    /// <summary>Shows a content that is there as a commit's file.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="file">The file.</param>
    /// <param name="fresh">Whether nothing else can know the blob yet: it may be moved where links cannot be made.</param>
    internal void Point(string commit, HubFile file, bool fresh)
    {
        var blob = BlobPath(file.Etag!);
        var pointer = _hub.FileIn([_name, "snapshots", commit, .. file.Path.Split('/')]);
        if (Directory.Exists(pointer) && new FileInfo(pointer).LinkTarget is null)
            throw new InputException($"{pointer} is a folder where a file is due: remove it and pull again.");
        var temporary = Path.Combine(Path.GetDirectoryName(pointer)!, $".{Guid.NewGuid():N}.tmp");
        try
        {
            if (TryLink(temporary, Target(file)))
                File.Move(temporary, pointer, overwrite: true);
            else if (fresh)
                File.Move(blob, pointer, overwrite: true);
            else
                Copy(blob, temporary, pointer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DownloadFaults.OfDisk(pointer, e);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static void Copy(string blob, string temporary, string pointer)
    {
        File.Copy(blob, temporary);
        File.Move(temporary, pointer, overwrite: true);
    }

    private static string Target(HubFile file) =>
        string.Concat(Enumerable.Repeat("../", 2 + file.Path.Count(c => c == '/'))) + "blobs/" + file.Etag;

    private static bool Link(string path, string target)
    {
        try
        {
            File.CreateSymbolicLink(path, target);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            return false;
        }
    }
}
