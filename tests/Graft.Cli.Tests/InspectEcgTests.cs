using System.Text.Json.Nodes;
using Graft.Formats.Images;

namespace Graft.Tests.Cli;

public class InspectEcgTests
{
    private static readonly string Good = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ecg", "wfdb", "good");

    [Fact]
    public void Inspect_says_what_a_record_is_and_draws_it()
    {
        using var folder = new TemporaryFolder();
        var (code, output, errors) = GraftProgram.Run("inspect", Path.Combine(Good, "A0001.hea"), "--plot", folder["a.png"]);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("12: I II III aVR aVL aVF V1 V2 V3 V4 V5 V6");
        output.ShouldContain("500 Hz");
        output.ShouldContain("350 samples, 0.7 s");
        output.ShouldContain("right, of all 12 signals");
        output.ShouldContain("59118001, 164889003");
        ImageCodec.Load(folder["a.png"]).Width.ShouldBe((265 * 4) + 1);

        (code, output, _) = GraftProgram.Run("inspect", Path.Combine(Good, "..", "bad", "flipped_bit", "rec.hea"), "--json");
        code.ShouldBe(0);
        ((string)JsonNode.Parse(output)!["checksums"]!).ShouldBe("right of 11 signals, wrong of 1, none of 0");

        (code, output, _) = GraftProgram.Run("inspect", Path.Combine(Good, "A0001.mat"));
        code.ShouldBe(0);
        output.ShouldContain("level 4: val: 12 x 350 numbers (int16)");
        output.ShouldContain("A0001.hea' beside it");
    }

    [Fact]
    public void Inspect_says_what_a_folder_is()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "A0001", "A0002" })
        {
            File.Copy(Path.Combine(Good, name + ".hea"), folder[name + ".hea"]);
            File.Copy(Path.Combine(Good, name + ".mat"), folder[name + ".mat"]);
        }

        var (code, output, errors) = GraftProgram.Run("inspect", folder.Path, "--record", "A0002", "--plot", folder["a.png"]);
        code.ShouldBe(0, string.Join('\n', errors));
        output.ShouldContain("folder of CinC-2021");
        File.Exists(folder["a.png"]).ShouldBeTrue();

        (code, _, errors) = GraftProgram.Run("inspect", folder.Path, "--record", "A0009");
        code.ShouldBe(2);
        errors[^1].ShouldContain("None of the records");
        (code, _, errors) = GraftProgram.Run("inspect", Path.Combine(Good, "..", "bad", "truncated_dat", "rec.hea"));
        code.ShouldBe(2);
        errors[^1].ShouldContain("cut short");
        (code, _, errors) = GraftProgram.Run("inspect", Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "formats", "all_dtypes.safetensors"), "--plot", folder["b.png"]);
        code.ShouldBe(2);
        errors[^1].ShouldContain("leave --plot and --record out");
    }
}
