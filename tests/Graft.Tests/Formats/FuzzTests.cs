using System.Text.Json.Nodes;
using Graft.Data;
using Graft.Formats;
using Graft.Hub;
using Graft.Recipes;
using Graft.Tests.Networks;
using Graft.Transfer;

namespace Graft.Tests.Formats;

/// <summary>A slice of what <c>tests/Graft.Fuzz</c> does, and a test for each kind of fault that it found.</summary>
public class FuzzTests
{
    public static TheoryData<string> Names => [.. Parsers.All.Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Damaged_files_are_read_or_refused_in_a_sentence(string parser)
    {
        // Resident memory belongs to a process: measured here, it would be that of the tests which run beside this one.
        var fuzzed = Parsers.Find(parser);
        var result = fuzzed.IsNative ? Worker.Start(fuzzed, seed: 2, 0, 2000) : Here(fuzzed);
        result.Faults.ShouldBeEmpty();
        result.Read.ShouldBeGreaterThan(0);
        if (parser != "url-record") // an optional note, whose damage only means that the file is hashed again
            result.Refused.ShouldBeGreaterThan(0);
        File.Exists(FormatFiles.Payload).ShouldBeFalse();

        static FuzzResult Here(FuzzedParser parser)
        {
            using var fuzzer = new Fuzzer(parser, seed: 2);
            return fuzzer.Run(0, 2000);
        }
    }

    [Fact]
    public void An_input_is_repeated_by_its_index()
    {
        var parser = Parsers.Find("png");
        parser.Input(parser.Seeds(), 1, 77).ShouldBe(parser.Input(parser.Seeds(), 1, 77));
        parser.Input(parser.Seeds(), 1, 78).ShouldNotBe(parser.Input(parser.Seeds(), 1, 77));
        parser.Input(parser.Seeds(), 2, 77).ShouldNotBe(parser.Input(parser.Seeds(), 1, 77));
    }

    [Theory]
    [InlineData("another exception", 0)]
    [InlineData("memory", 0)]
    [InlineData("no name", 0)]
    [InlineData("length", 0)]
    [InlineData("no end", 0)]
    [InlineData("nothing", 5)]
    public void Faults_are_seen(string fault, int read)
    {
        byte[]? kept = null;
        var parser = new FuzzedParser
        {
            Name = fault,
            File = "file",
            Seeds = () => [[1, 2, 3]],
            Mutators = [ByteMutator.Mutate],
            Open = _ => path =>
            {
                switch (fault)
                {
                    case "another exception": throw new InvalidOperationException(path);
                    case "memory": kept = new byte[64 << 20]; break;
                    case "no name": throw new InputException("It is broken.");
                    case "length": throw new InputException($"The file {path} says {new string('x', 1000)}.");
                    case "no end": throw new InputException($"The file {path} is broken");
                    default: break;
                }
            },
        };
        using var fuzzer = new Fuzzer(parser, 1);
        var result = fuzzer.Run(0, 5);
        (result.Read, result.Refused, result.Faults.Count).ShouldBe((read, 0, 5 - read));
        GC.KeepAlive(kept);
    }

    [Theory]
    [InlineData(1, 0)] // only while something else held the processors: the input is not to blame
    [InlineData(2, 1)]
    public void Slow_inputs_are_read_twice(int slow, int faults)
    {
        var readings = 0;
        var parser = new FuzzedParser
        {
            Name = "slow",
            File = "file",
            Seeds = () => [[1, 2, 3]],
            Mutators = [ByteMutator.Mutate],
            MostSeconds = 1,
            Open = _ => _ =>
            {
                if (readings++ is var reading && reading > 0 && reading <= slow) // the first is of the undamaged file
                    Thread.Sleep(1100);
            },
        };
        using var fuzzer = new Fuzzer(parser, 1);
        fuzzer.Run(0, 1).Faults.Count.ShouldBe(faults);
        readings.ShouldBe(3);
    }

    [Fact]
    public void Sentences_cannot_steer_a_terminal()
    {
        new InputException("a\u001b[31mb\u202ec\u2028d\ne.").Message.ShouldBe("a?[31mb?c?d?e.");
        new GraftException("a\u0007.", new IOException()).Message.ShouldBe("a?.");
        new InputException("Grüße – ≤ 🙂.").Message.ShouldBe("Grüße – ≤ 🙂.");
    }

    [Fact]
    public void Long_names_in_files_do_not_make_long_sentences()
    {
        using var folder = new TemporaryFolder();
        var text = new string('x', 5000);
        File.WriteAllText(folder["labels.csv"], $"{text},label\na.png,1\n");
        Short(() => LabelTable.Read(folder["labels.csv"], "file_name", "label"));
        File.WriteAllText(folder["labels.csv"], $"file_name,label\n{text},\n");
        Short(() => LabelTable.Read(folder["labels.csv"], "file_name", "label"));
        File.WriteAllText(folder["broken.json"], $"{{\"a\": t{text}}}");
        Short(() => JsonStyle.ReadObject(folder["broken.json"]));
        Short(() => Graft.Networks.UNet2DOptions.FromJson(new JsonObject { ["act_fn"] = text }, "x"));
        Short(() => Recipe.Parse($"a: *{text}", "recipe"));
        Short(() => TransferMethods.Create(text));

        static void Short(Action work)
        {
            var message = Should.Throw<InputException>(work).Message;
            message.Length.ShouldBeLessThan(700);
            message.ShouldEndWith(".");
        }
    }

    [Fact]
    public void A_record_with_a_key_twice_is_none()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file" + UrlRecord.Extension], """{"sha256": "a", "sha256": "b"}""");
        UrlRecord.Read(folder["file"]).ShouldBeNull();
    }

    [Theory]
    [InlineData(1L << 40, "to_q", "from 1 to 4096")]
    [InlineData(2, "no_such_layer", "no_such_layer")]
    public void Adapters_that_cannot_be_name_their_folder(long rank, string target, string due)
    {
        using var model = DiffusionModel.Load(UNet2DFixtures.InRepository("new_class_conditional"));
        var json = new JsonObject { ["r"] = rank, ["lora_alpha"] = 1.0, ["target_modules"] = new JsonArray(target) };
        var message = Should.Throw<InputException>(() => TransferMethods.RestoreAttachment("LORA", model.Network, json, "some/adapter")).Message;
        message.ShouldContain("some/adapter");
        message.ShouldContain(due);
    }
}
