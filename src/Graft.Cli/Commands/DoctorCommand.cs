using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Graft.Diagnostics;

namespace Graft.Cli.Commands;

/// <summary><c>graft doctor</c>: is what Graft needs there, and does it work?</summary>
internal static class DoctorCommand
{
    private static readonly JsonSerializerOptions Style = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static Command Create()
    {
        var json = new Option<bool>("--json")
        {
            Description = "Print one JSON object instead of text (default: no).",
            DefaultValueFactory = _ => false,
        };
        var command = new Command("doctor", "Look at what is installed, measure and test it. Exit code 0: nothing failed; 1: something did.") { json };
        command.SetAction(parsed => Examine(parsed.GetValue(json)));
        return command;
    }

    private static int Examine(bool json)
    {
        var findings = new List<Finding>();
        foreach (var finding in Doctor.Examine())
        {
            findings.Add(finding);
            if (json)
                continue;
            Terminal.Result($"{Word(finding.Status),-4}  {finding.Name,-14}  {finding.Detail}");
            if (finding.Remedy is not null)
                Terminal.Result($"      {"",-14}  {finding.Remedy}");
        }

        var failed = findings.Count(f => f.Status == FindingStatus.Fail);
        var warned = findings.Count(f => f.Status == FindingStatus.Warn);
        if (json)
        {
            Terminal.Result(new JsonObject
            {
                ["failed"] = failed,
                ["warned"] = warned,
                ["findings"] = new JsonArray([.. findings.Select(f => new JsonObject
                {
                    ["name"] = f.Name,
                    ["status"] = Word(f.Status),
                    ["detail"] = f.Detail,
                    ["remedy"] = f.Remedy,
                })]),
            }.ToJsonString(Style));
        }
        else
        {
            Terminal.Result(failed > 0 ? $"{failed} failed, {warned} to look at" : warned > 0 ? $"works; {warned} to look at" : "all well");
        }

        return failed > 0 ? 1 : 0;
    }

    private static string Word(FindingStatus status) => status switch
    {
        FindingStatus.Ok => "ok",
        FindingStatus.Warn => "warn",
        _ => "fail",
    };
}
