using Graft.Diagnostics;

namespace Graft.Tests.Diagnostics;

public class DoctorTests
{
    [Fact]
    public void Nothing_fails_here_and_whatever_is_amiss_has_a_remedy()
    {
        var findings = Doctor.Examine().ToList();
        findings.Where(f => f.Status == FindingStatus.Fail).ShouldBeEmpty();
        findings.ShouldAllBe(f => (f.Status == FindingStatus.Ok) == (f.Remedy == null));
        findings.Select(f => f.Name).ShouldBe(
        [
            "Graft", ".NET", "system", "processor", "temp folder", "GRAFT_THREADS", "GRAFT_TF32", "GRAFT_CUDNN_BENCHMARK", "LIBTORCH", "picture codecs", "keyed random",
            "libtorch", "BLAS", "matrix product", "threads", "devices", "U-Net", "keyed tensors", "safetensors",
        ]);
    }
}
