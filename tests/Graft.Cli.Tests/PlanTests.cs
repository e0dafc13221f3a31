using System.Text.Json.Nodes;

namespace Graft.Tests.Cli;

/// <summary><c>graft plan</c> as a process.</summary>
public sealed class PlanTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_plan_without_a_probe_needs_no_libtorch()
    {
        var folder = Directory.CreateDirectory(_temporary["program"]).FullName;
        foreach (var file in Directory.GetFiles(GraftProgram.Folder).Where(f => Path.GetExtension(f) is ".dll" or ".json"))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        GraftProgram.RunIn(folder, "plan", "--help").Code.ShouldBe(0);
        var (code, output, errors) = GraftProgram.RunIn(folder, "plan", "--source", "models/fashion-28", "--images", "10", "--probe", "false", "--json");
        code.ShouldBe(0, string.Join('\n', errors));
        errors.ShouldBeEmpty();
        var plan = JsonNode.Parse(output)!;
        ((long)plan["steps"]!).ShouldBeGreaterThan(0);
        ((long)plan["memory_bytes"]!).ShouldBeGreaterThan(1_000_000);
        ((string)plan["command"]!).ShouldStartWith("graft adapt --source models/fashion-28 --target FOLDER --method ");
    }

    [Fact]
    public void A_plan_with_a_probe_says_what_a_step_takes_here_and_can_be_run()
    {
        TinyModel.Save(_temporary["model"]);
        var (code, output, errors) = GraftProgram.Run("plan", "--source", _temporary["model"], "--target", "samples/targets/bag", "--device", "cpu", "--json");
        code.ShouldBe(0, string.Join('\n', errors));
        var plan = JsonNode.Parse(output)!;
        ((double)plan["seconds"]!).ShouldBeGreaterThan(0);
        ((string)plan["seconds_from"]!).ShouldContain("on this machine just now");
        plan["warnings"]!.AsArray().ShouldContain(w => ((string)w!).Contains("10 of 10 pictures are larger", StringComparison.Ordinal));
        var words = ((string)plan["command"]!).Replace("runs/NAME", _temporary["run"], StringComparison.Ordinal).Split(' ')[1..];
        GraftProgram.Run([.. words, "--set", "training.steps=1"]).Code.ShouldBe(0);
    }

    [Fact]
    public void What_cannot_be_planned_is_told_in_a_sentence()
    {
        Refused("plan").ShouldContain("--source is missing");
        Refused("plan", "--source", "models/fashion-28").ShouldContain("--target is missing");
        Refused("plan", "--source", "models/fashion-28", "--target", _temporary["none"], "--probe", "false").ShouldContain("There is no folder");
        Refused("plan", "--source", "models/fashion-features", "--images", "3").ShouldContain("no diffusers folder");
        Refused("plan", "--source", "models/fashion-28", "--images", "0").ShouldContain("--images");
        Refused("plan", "--source", "models/fashion-28", "--images", "3", "--copies", "2", "--probe", "false").ShouldContain("between 0 and 1");
        Refused("plan", "--source", "models/fashion-28", "--images", "3", "--method", "magic", "--probe", "false").ShouldContain("'magic' is unknown");
        Refused("plan", "--source", "models/fashion-28", "--images", "3", "--method", "ddpm-pa", "--batch", "2", "--probe", "false").ShouldContain("needs 3 at a time");
        Refused("plan", "--distil", "recipes/fashion-few-shot.yaml", "--set", $"out={_temporary["none"]}").ShouldContain("no finished cell");
    }

    private static string Refused(params string[] arguments)
    {
        var (code, _, errors) = GraftProgram.Run(arguments);
        code.ShouldBe(2, string.Join('\n', errors));
        return errors.ShouldHaveSingleItem();
    }
}
