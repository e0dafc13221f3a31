using System.Text.Json.Nodes;

namespace Graft.Tests.Cli;

/// <summary><c>graft profile</c> as a process.</summary>
public sealed class ProfileTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Methods_are_profiled_side_by_side()
    {
        string[] command = ["profile", Recipe("method: finetune"), "--rounds", "2"];
        var (code, output, errors) = GraftProgram.Run([.. command, "--json"]);
        code.ShouldBe(0, string.Join('\n', errors));
        var methods = JsonNode.Parse(output)!["methods"]!.AsArray();
        methods.Select(m => (string)m!["method"]!).ShouldBe(["a", "b"]);
        ((double)methods[0]!["ratio"]!).ShouldBe(1);
        ((long)methods[1]!["trained"]!).ShouldBeLessThan((long)methods[0]!["trained"]!);
        var (_, table, _) = GraftProgram.Run(command);
        table.Split('\n').Count(line => line.StartsWith("| ", StringComparison.Ordinal)).ShouldBe(3);
    }

    [Fact]
    public void What_is_not_there_is_said()
    {
        var (code, _, errors) = GraftProgram.Run("profile", Recipe("method: finetune"), "--target", "cats");
        code.ShouldBe(2);
        errors.ShouldHaveSingleItem().ShouldContain("no target 'cats'");
        GraftProgram.Run("profile", Recipe("method: finetuned")).Code.ShouldBe(2);
        GraftProgram.Run("profile", Recipe("method: finetune"), "--rounds", "0").Code.ShouldBe(2);
    }

    [Fact]
    public void A_model_is_profiled_by_operator_and_block()
    {
        var model = TinyModel.Save(_temporary["model"]);
        var (code, output, errors) = GraftProgram.Run("profile", model, "--rounds", "1", "--batch", "2", "--json");
        code.ShouldBe(0, string.Join('\n', errors));
        var json = JsonNode.Parse(output)!;
        ((int)json["batch"]!).ShouldBe(2);
        foreach (var pass in (string[])["training", "sampling"])
        {
            json[pass]!["kinds"]!.AsArray().ShouldContain(k => (string)k!["kind"]! == "convolution" && (double)k["of_sgemm"]! > 0);
            json[pass]!["blocks"]!.AsArray().Select(b => (string)b!["block"]!).ShouldContain("down_blocks.0");
            json[pass]!["operators"]!.AsArray().Count.ShouldBeGreaterThan(5);
        }

        var (_, tables, _) = GraftProgram.Run("profile", model, "--rounds", "1", "--batch", "2", "--sampling");
        tables.ShouldContain("Sampling step");
        tables.ShouldNotContain("Training step");
        tables.Split('\n').Count(line => line.StartsWith("| up_blocks.", StringComparison.Ordinal)).ShouldBe(2);
    }

    [Fact]
    public void Models_that_are_not_there_and_options_of_the_other_kind_are_refused()
    {
        var model = TinyModel.Save(_temporary["model"]);
        Refused(_temporary["nowhere"]).ShouldContain("There is no model at");
        Refused(_temporary[""]).ShouldContain("holds no model");
        Refused(model, "--batch", "0").ShouldContain("--batch must be at least 1");
        Refused(model, "--target", "bag").ShouldContain("--target is for recipes");
        Refused(Recipe("method: finetune"), "--training").ShouldContain("--training is for models");

        static string Refused(params string[] arguments)
        {
            var (code, output, errors) = GraftProgram.Run(["profile", .. arguments]);
            code.ShouldBe(2);
            output.ShouldBeEmpty();
            return errors.ShouldHaveSingleItem();
        }
    }

    private string Recipe(string first)
    {
        TinyModel.Save(_temporary["source"]);
        var path = _temporary["recipe.yaml"];
        File.WriteAllText(path, $$"""
            name: costs
            source: {{_temporary["source"]}}
            out: {{_temporary["out"]}}
            targets: { bag: { training: { folder: samples/targets/bag } } }
            methods: { a: { {{first}} }, b: { method: lora } }
            training: { batch_size: 2 }
            seeds: [1]
            at: [1]
            """);
        return path;
    }
}
