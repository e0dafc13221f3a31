using System.Text.Json.Nodes;
using Graft.Networks.Clip;

namespace Graft.Tests.Networks.Clip;

public class NameTokenizerTests
{
    // Tokens: 0 padding, 1 unknown, 2 to 5 letters, 6 to 8 words, 9 begins, 10 ends.
    private static readonly NameTokenizer Tiny = new(["cat", "face", "of"], "abct");

    [Theory]
    [InlineData("cat face", new[] { 9, 6, 7, 10 })]
    [InlineData("  Cat-FACE: of!", new[] { 9, 6, 7, 8, 10 })]
    [InlineData("cab", new[] { 9, 4, 2, 3, 10 })]
    [InlineData("cats", new[] { 9, 4, 2, 5, 1, 10 })]
    [InlineData("", new[] { 9, 10 })]
    [InlineData("猫 ☺ 7", new[] { 9, 1, 1, 10 })]
    public void Known_words_are_tokens_and_others_are_spelled(string text, int[] due)
    {
        (Tiny.Begin, Tiny.End, Tiny.VocabSize).ShouldBe((9, 10, 11));
        Tiny.Encode(text, 77).ShouldBe(due);
    }

    [Fact]
    public void A_text_that_is_too_long_keeps_its_end()
    {
        Tiny.Encode("cat cat cat cat", 4).ShouldBe([9, 6, 6, 10]);
        Tiny.Encode("cat", 3).ShouldBe([9, 6, 10]);
        Tiny.Encode("cat", 2).ShouldBe([9, 10]);
        var (tokens, length) = Tiny.EncodeAll(["cat", "face of"], 77);
        length.ShouldBe(4);
        tokens.ShouldBe([9, 6, 10, 0, 9, 7, 8, 10]);
    }

    [Fact]
    public void Words_of_two_names_are_known_and_those_of_one_only_are_spelled()
    {
        var made = NameTokenizer.Of(["cat face", "dog face", "dog face", "übercat", "cat and cat"], ["a photo of a {}", "Bag"]);
        made.Words.ShouldBe(["a", "bag", "cat", "face", "of", "photo"]); // dog is of one name only, however often it stands there
        made.Letters.ShouldContain("ü");
        made.Encode("dog", 77).Count.ShouldBe(5);
        made.Encode("bag", 77).Count.ShouldBe(3);
        made.Encode("zebra 9", 77).ShouldNotContain(1, "letters and digits are known in any case");
    }

    [Fact]
    public void A_file_gives_back_the_same_tokenizer_and_broken_ones_are_refused()
    {
        using var folder = new TemporaryFolder();
        var path = folder["graft_tokenizer.json"];
        Tiny.Save(path);
        var again = NameTokenizer.Load(path);
        again.Words.ShouldBe(Tiny.Words);
        again.Letters.ShouldBe(Tiny.Letters);
        foreach (var (key, value) in ((string, string)[])[("kind", "\"BPE\""), ("kind", "7"), ("words", "{}"), ("words", "[1]"), ("words", "[\"a b\"]"), ("words", "[\"a\", \"a\"]"), ("words", "[\"\"]"), ("words", "[null]"), ("words", "null"), ("letters", "\"A\""), ("letters", "\"aa\""), ("letters", "[]")])
        {
            Tiny.Save(path);
            var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            json[key] = JsonNode.Parse(value);
            File.WriteAllText(path, json.ToJsonString());
            Should.Throw<InputException>(() => NameTokenizer.Load(path), $"{key}: {value}").Message.ShouldContain(path);
        }
    }
}
