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
