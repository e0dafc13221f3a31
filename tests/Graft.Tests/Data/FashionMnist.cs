using Graft.Data;

namespace Graft.Tests.Data;

/// <summary>Fashion-MNIST as Debian installs it.</summary>
internal static class FashionMnist
{
    public const string Folder = "/usr/share/datasets/fashion-mnist";

    /// <summary>The 10,000 test pictures.</summary>
    public static IdxImages Test(params int[] classes) => IdxImages.Open(
        Path.Combine(Folder, "t10k-images-idx3-ubyte.gz"), Path.Combine(Folder, "t10k-labels-idx1-ubyte.gz"), classes is [] ? null : classes);
}

/// <summary>A test that reads Fashion-MNIST and says so when it is absent.</summary>
internal sealed class FashionFactAttribute : FactAttribute
{
    public FashionFactAttribute()
    {
        if (!Directory.Exists(FashionMnist.Folder))
            Skip = "needs the Debian package dataset-fashion-mnist";
    }
}
