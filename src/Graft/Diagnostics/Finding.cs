namespace Graft.Diagnostics;

/// <summary>How a check came out.</summary>
public enum FindingStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>Graft works, but slower or with less than it could.</summary>
    Warn,

    /// <summary>Something that Graft needs is missing or wrong.</summary>
    Fail,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">What.</param>
/// <param name="Status">How it came out.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Remedy">What to do about it; null where nothing is to be done.</param>
public sealed record Finding(string Name, FindingStatus Status, string Detail, string? Remedy = null)
{
    internal static Finding Ok(string name, string detail) => new(name, FindingStatus.Ok, detail);

    internal static Finding Warn(string name, string detail, string remedy) => new(name, FindingStatus.Warn, detail, remedy);

    internal static Finding Fail(string name, string detail, string remedy) => new(name, FindingStatus.Fail, detail, remedy);
}
