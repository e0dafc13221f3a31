namespace Graft.Hub;

/// <summary>A file of a model on the hub.</summary>
/// <param name="Path">Its path in the repository, with slashes.</param>
public sealed record HubFile(string Path)
{
    /// <summary>Bytes; null where the hub does not tell.</summary>
    public long? Size { get; init; }

    /// <summary>What the hub calls the content, which becomes the blob's name: the SHA-256 of large files, git's SHA-1 of others.</summary>
    public string? Etag { get; init; }

    /// <summary>SHA-256 of the content, for large files.</summary>
    public string? Sha256 => SafeName.IsSha256(Etag) ? Etag : null;

    /// <summary>git's SHA-1 of the content (of <c>blob LENGTH\0</c> and the bytes), for other files.</summary>
    public string? GitSha1 => SafeName.IsCommit(Etag) ? Etag : null;
}

/// <summary>What a revision of a model on the hub holds.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Files">All of its files.</param>
public sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files);

/// <summary>A file that is not pulled, and why.</summary>
/// <param name="Path">Its path in the repository.</param>
/// <param name="Why">Why.</param>
public sealed record LeftOut(string Path, string Why);
