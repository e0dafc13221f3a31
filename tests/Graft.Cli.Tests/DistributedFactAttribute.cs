namespace Graft.Tests.Cli;

/// <summary>A test of several processes, which need the optional native library.</summary>
internal sealed class DistributedFactAttribute : FactAttribute
{
    public DistributedFactAttribute() => Skip = DistributedTheoryAttribute.Reason;
}

/// <summary>A theory of several processes.</summary>
internal sealed class DistributedTheoryAttribute : TheoryAttribute
{
    internal static readonly string? Reason = File.Exists(Path.Combine(GraftProgram.Folder, "libgraft_distributed.so"))
        ? null
        : "needs libgraft_distributed.so, which is built where libgloo-dev is installed";

    public DistributedTheoryAttribute() => Skip = Reason;
}
