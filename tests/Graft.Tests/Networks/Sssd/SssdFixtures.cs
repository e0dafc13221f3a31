namespace Graft.Tests.Networks.Sssd;

/// <summary>
/// What SSSD-ECG wrote. Of its gradients only those of layers behind the last GELU can be compared with: it ran on PyTorch 1.13, whose
/// GELU differentiates wrongly where what flows back to it is not in row-major order (values up to 3e12 in these files).
/// </summary>
internal static class SssdFixtures
{
    public static string InRepository(string name) => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "sssd", name);
}
