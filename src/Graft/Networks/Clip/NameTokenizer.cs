using System.Text;
using System.Text.Json.Nodes;
using Graft.Formats;

namespace Graft.Networks.Clip;

/// <summary>
/// A small tokenizer of our own for names of things: a known word is one token, another word is spelled, a token for each letter. It is none
/// of CLIP's (byte pairs), whose vocabulary of 49,408 would be most of a small model.
/// </summary>
/// <remarks>
/// Text is made lower-case; every run of letters and digits is a word, and all else only parts words. Tokens in order: padding (0), unknown
/// letter (1), letters, words, beginning, end. The end is the largest, so that both of Hugging Face's ways to find it (largest token,
/// <c>eos_token_id</c>) find it.
/// </remarks>
public sealed class NameTokenizer
{
    internal const string FileName = "graft_tokenizer.json";
    private const string Kind = "words and letters";
    private const int Unknown = 1;
    private const int First = 2;
    private readonly Dictionary<string, int> _words;
    private readonly Dictionary<char, int> _letters;

    /// <summary>Makes a tokenizer.</summary>
    /// <param name="words">The known words: lower-case, letters and digits, each once.</param>
    /// <param name="letters">What other words are spelled with: lower-case letters and digits, each once.</param>
    /// <exception cref="ArgumentException">One is empty, stands twice, or is nothing that a text is split into.</exception>
    public NameTokenizer(IReadOnlyList<string> words, string letters)
    {
        ArgumentNullException.ThrowIfNull(words);
        ArgumentNullException.ThrowIfNull(letters);
        (Words, Letters) = (words, letters);
        _letters = [];
        foreach (var letter in letters)
        {
            if (!char.IsLetterOrDigit(letter) || char.ToLowerInvariant(letter) != letter || !_letters.TryAdd(letter, First + _letters.Count))
                throw new ArgumentException($"'{letter}' stands twice among the letters, or is no lower-case letter or digit", nameof(letters));
        }

        _words = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var word in words)
        {
            if (Split(word) is not [var whole] || whole != word || !_words.TryAdd(word, First + letters.Length + _words.Count))
                throw new ArgumentException($"'{word}' stands twice among the words, or is no lower-case word", nameof(words));
        }
    }

    /// <summary>The known words, in the order of their tokens.</summary>
    public IReadOnlyList<string> Words { get; }

    /// <summary>What others are spelled with, in the order of their tokens.</summary>
    public string Letters { get; }

    /// <summary>The token a text begins with.</summary>
    public int Begin => First + Letters.Length + Words.Count;

    /// <summary>The token a text ends with.</summary>
    public int End => Begin + 1;

    /// <summary>Tokens that there are.</summary>
    public int VocabSize => End + 1;

    /// <summary>Makes a vocabulary: words that stand in two or more of the names, all of <paramref name="always"/>'s, and every letter of either.</summary>
    /// <param name="names">Names that are trained on; words of one only are spelled, so that spelling is learnt too.</param>
    /// <param name="always">Texts whose words are tokens in any case, as the templates.</param>
    public static NameTokenizer Of(IEnumerable<string> names, IEnumerable<string> always)
    {
        var fixedWords = always.SelectMany(Split).Distinct(StringComparer.Ordinal).ToList();
        var words = names.Distinct(StringComparer.Ordinal).SelectMany(n => Split(n).Distinct(StringComparer.Ordinal)).ToList();
        var letters = new string([.. words.Concat(fixedWords).SelectMany(w => w).Concat("abcdefghijklmnopqrstuvwxyz0123456789").Distinct().Order()]);
        return new NameTokenizer(
            [.. words.GroupBy(w => w, StringComparer.Ordinal).Where(g => g.Count() > 1).Select(g => g.Key).Union(fixedWords, StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            letters);
    }

    /// <summary>The tokens of one text, its beginning and its end among them.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="most">At least 2: what is beyond is cut, and the end stays.</param>
    public IReadOnlyList<int> Encode(string text, int most)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 2);
        var tokens = new List<int> { Begin };
        foreach (var word in Split(text))
        {
            if (_words.TryGetValue(word, out var whole))
                tokens.Add(whole);
            else
                tokens.AddRange(word.Select(letter => _letters.GetValueOrDefault(letter, Unknown)));
        }

        if (tokens.Count > most - 1)
            tokens.RemoveRange(most - 1, tokens.Count - most + 1);
        tokens.Add(End);
        return tokens;
    }

    /// <summary>The tokens of several texts, filled up with padding behind their ends: rows of the longest one's length.</summary>
    /// <param name="texts">At least one.</param>
    /// <param name="most">Longest row.</param>
    /// <returns>Row by row, and the length of a row.</returns>
    public (long[] Tokens, int Length) EncodeAll(IReadOnlyList<string> texts, int most)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var rows = texts.Select(t => Encode(t, most)).ToArray();
        var length = rows.Max(r => r.Count);
        var tokens = new long[rows.Length * length];
        for (var i = 0; i < rows.Length; i++)
        {
            for (var k = 0; k < rows[i].Count; k++)
                tokens[(i * length) + k] = rows[i][k];
        }

        return (tokens, length);
    }

    /// <summary>Reads <c>graft_tokenizer.json</c>.</summary>
    /// <exception cref="InputException">It is missing, broken, or another tokenizer's.</exception>
    public static NameTokenizer Load(string path)
    {
        var json = JsonStyle.ReadObject(path);
        try
        {
            if ((string?)json["kind"] != Kind)
                throw new InputException($"The file {path} is no tokenizer of the kind '{Kind}', the only one known: take the file that lay beside the model.");
            return new NameTokenizer([.. json["words"]!.AsArray().Select(w => (string)w!)], (string)json["letters"]!);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or NullReferenceException or FormatException)
        {
            throw new InputException($"The file {path} is a broken tokenizer ({FileFault.Shorten(e.Message.Split(" (Parameter")[0].TrimEnd('.'))}): take the file that lay beside the model.", e);
        }
    }

    /// <summary>Writes <c>graft_tokenizer.json</c>.</summary>
    public void Save(string path) => AtomicFile.WriteText(path, JsonStyle.Sorted(ToJson()));

    /// <summary>What the file holds.</summary>
    internal JsonObject ToJson() => new() { ["kind"] = Kind, ["letters"] = Letters, ["words"] = new JsonArray([.. Words.Select(w => (JsonNode)w)]) };

    /// <summary>The runs of letters and digits of a text, lower-case.</summary>
    private static List<string> Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        foreach (var c in text.ToLowerInvariant())
        {
            if (char.IsLetterOrDigit(c))
                word.Append(c);
            else
                Flush();
        }

        Flush();
        return words;

        void Flush()
        {
            if (word.Length > 0)
                words.Add(word.ToString());
            word.Clear();
        }
    }
}
