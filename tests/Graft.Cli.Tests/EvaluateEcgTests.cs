using System.Text.Json.Nodes;
using Graft.Data.Ecg;

namespace Graft.Tests.Cli;

public sealed class EvaluateEcgTests : IDisposable
{
    private static readonly string Good = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ecg", "wfdb", "good");
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Ecgs_are_measured_and_written_down()
    {
        // Real records of 0.7 s at 500 Hz: too short for a rhythm, long enough for everything else.
        var real = Challenge();
        var set = EcgFolder.Open(real);
        EcgSampleFile.Write(_temporary["samples.safetensors"], set);
        var (code, output, errors) = GraftProgram.Run("evaluate", _temporary["samples.safetensors"], "--target", real, "--seed", "3", "--out", _temporary["out"]);
        code.ShouldBe(0, string.Join('\n', errors));
        string.Join('\n', errors).ShouldContain("has no splits: half of its 4 records");
        output.ShouldContain("R peaks of lead II; 4 samples against 2 records of the target");
        output.ShouldMatch(@"breaking_share +1\.000  0\.510 - 1\.000 +4  limb leads"); // the fixture's samples are noise
        output.ShouldContain("memorised_share");
        File.Exists(_temporary["out/nearest.png"]).ShouldBeTrue();
        var json = JsonNode.Parse(File.ReadAllText(_temporary["out/evaluation.json"]))!;
        ((int)json["training"]!["count"]!).ShouldBe(2);
        json["metrics"]!.AsObject().Select(p => p.Key).ShouldBe(["rhythm", "lead_equations", "memorisation"]);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        var real = Challenge();
        Refused("evaluate", real, "--target", real, "--train-steps", "0").ShouldContain("--train-steps");
        Refused("launch", "--processes", "2", "--", "evaluate", real, "--target", real).ShouldContain("ECGs are measured by one process");
        Refused("evaluate", Path.Combine(Good, "A0001.hea"), "--target", real).ShouldContain("holds no ECGs");
        Refused("evaluate", real, "--target", real, "--features", _temporary["none"]).ShouldContain("no classifier of ECGs");
        Refused("evaluate", real, "--target", real, "--mirrored").ShouldContain("--mirrored is for pictures");
        Refused("evaluate", "samples/targets/bag", "--target", "samples/targets/bag", "--utility").ShouldContain("--utility is for ECGs");
    }

    /// <summary>Four records of a challenge: two twice, under other names.</summary>
    private string Challenge()
    {
        var folder = _temporary["real"];
        Directory.CreateDirectory(folder);
        foreach (var name in new[] { "A0001", "A0002" })
        {
            foreach (var copy in new[] { name, name.Replace('A', 'B') })
            {
                File.WriteAllText(Path.Combine(folder, copy + ".hea"), File.ReadAllText(Path.Combine(Good, name + ".hea")).Replace(name, copy, StringComparison.Ordinal));
                File.Copy(Path.Combine(Good, name + ".mat"), Path.Combine(folder, copy + ".mat"));
            }
        }

        return folder;
    }

    private static string Refused(params string[] arguments)
    {
        var (code, _, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(2);
        return string.Join('\n', errors);
    }
}
