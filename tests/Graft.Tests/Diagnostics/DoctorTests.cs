using Graft.Diagnostics;
using Graft.Torch;

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

    /// <summary>What is asked of every GPU, of the processor: it gives the same bits again, and what differs is told.</summary>
    [Fact]
    public void A_device_is_held_against_the_processor()
    {
        var due = DeviceTest.Run(Device.Cpu);
        due.Losses.Length.ShouldBe(4);
        due.Losses.Distinct().Count().ShouldBe(4);
        due.Pixels.Distinct().Count().ShouldBeGreaterThan(100);
        DeviceTest.Of(Device.Cpu).ShouldBe(Finding.Ok("cpu", "losses of 4 steps within 0.0e+0 of the processor's, samples within 0 of 256 levels"));

        Told(due with { Losses = [.. due.Losses[..3], due.Losses[3] * 1.01] }).ShouldContain("within 1.0e-2 of");
        Told(due with { Losses = [.. due.Losses[..3], double.NaN] }).ShouldContain("NaN");
        Told(due with { Pixels = [(byte)(due.Pixels[0] ^ 0x80), .. due.Pixels[1..]] }).ShouldContain("within 128 of 256");

        string Told(DeviceTest.Outcome found)
        {
            var finding = DeviceTest.Compare("cuda:0", due, found);
            finding.Status.ShouldBe(FindingStatus.Fail);
            return finding.Detail;
        }
    }
}
