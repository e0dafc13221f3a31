using System.Text;

namespace Graft.Fuzz;

/// <summary>Damage to text that keeps its tokens whole: words, numbers and single marks are exchanged, repeated and taken out.</summary>
internal static class TextMutator
{
    private const int Longest = 1 << 20;

    private static readonly string[] Tokens =
    [
        "null", "true", "false", "~", "0", "-1", "-0", "0.5", "1e999", "1e30", "-1e-30", "NaN", ".inf", "2147483647", "2147483648", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551616", "123456789012345678901234567890", "\"\"", "\"x\"", "''",
        "\"\\ud800\"", "\"\\u001b[31mred\"", "\"\\u0000\"", "\"\\n\"", "\"\\u202e\"", "\"\\u2028\"", "\u001b[2J", "\u0007", "\0", "\u0085", "\u202e", "\u2028", "\u200b",
        "\ufeff", "\ufffd", "🙂", "é", "[]", "{}", "[", "]", "{", "}", "[[[[", "}}}}", ":", ": ", ",", ",,", "- ", "? ", "| ", "> ", "&a ", "*a", "!!binary ", "!x ", "%", "@", "`",
        "---", "...", "#", "\"", "'", "\\", "\\u", "/", "../", "..", ".", "\t", "\r", "\n", "\r\n", "\n\n", " ", "=", "--", "--=", "<<", "__metadata__", "F64", "BOOL", "BF16", "U64",
    ];

    /// <summary>One to four edits; one time in four the bytes are damaged as well.</summary>
    public static byte[] Mutate(byte[] original, byte[] donor, ref SplitMix random)
    {
        var tokens = Split(Encoding.UTF8.GetString(original));
        var others = Split(Encoding.UTF8.GetString(donor));
        for (var edits = 1 + random.Next(4); edits > 0 && tokens.Count > 0; edits--)
            Edit(tokens, others, ref random);
        var text = string.Concat(tokens);
        var bytes = Encoding.UTF8.GetBytes(text.Length > Longest ? text[..Longest] : text);
        return random.Next(4) == 0 ? ByteMutator.Mutate(bytes, donor, ref random) : bytes;
    }

    private static void Edit(List<string> tokens, List<string> others, ref SplitMix random)
    {
        var at = random.Next(tokens.Count);
        var length = Math.Min(1 + random.Next(1 << random.Next(6)), tokens.Count - at);
        switch (random.Next(9))
        {
            case 0 or 1: tokens[at] = Tokens[random.Next(Tokens.Length)]; break;
            case 2: tokens.Insert(at, Tokens[random.Next(Tokens.Length)]); break;
            case 3: tokens.RemoveRange(at, length); break;
            case 4: tokens.InsertRange(at, tokens.GetRange(at, length)); break;
            case 5:
                var other = random.Next(tokens.Count);
                (tokens[at], tokens[other]) = (tokens[other], tokens[at]);
                break;
            case 6 when random.Next(8) == 0: // the long and the deep
                tokens[at] = string.Concat(Enumerable.Repeat(Tokens[random.Next(Tokens.Length)], 1 + random.Next(2000)));
                break;
            case 6 or 7:
                // Mostly what changes a value and leaves the form: a word for a word, a number for a number.
                var value = tokens.FindIndex(at, t => char.IsLetterOrDigit(t[0]));
                if (value >= 0)
                    tokens[value] = random.Next(2) == 0 ? Tokens[random.Next(23)] : tokens[random.Next(tokens.Count)];
                break;
            default:
                if (others.Count > 0)
                {
                    var from = random.Next(others.Count);
                    tokens.InsertRange(at, others.GetRange(from, Math.Min(length, others.Count - from)));
                }

                break;
        }
    }

    private static List<string> Split(string text)
    {
        var tokens = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var end = at + 1;
            if (IsWord(text[at]))
            {
                while (end < text.Length && IsWord(text[end]))
                    end++;
            }

            tokens.Add(text[at..end]);
            at = end;
        }

        return tokens;
    }

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c is '_' or '.' or '-' or '+';
}
