using System.IO.Compression;

namespace Graft.Hub;

/// <summary>Undoes encodings that servers apply although they were asked not to.</summary>
internal static class Encodings
{
    /// <summary>Whether an answer's body is not the content itself.</summary>
    internal static bool IsEncoded(HttpResponseMessage response) =>
        response.Content.Headers.ContentEncoding.Any(e => !e.Equals("identity", StringComparison.OrdinalIgnoreCase));

    /// <summary>The content of an answer.</summary>
    /// <param name="body">Its body.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="name">What was asked for.</param>
    /// <exception cref="GraftException">The encoding is not known.</exception>
    internal static Stream Decode(Stream body, WebAnswer answer, string name)
    {
        if (!IsEncoded(answer.Response))
            return body;
        var encodings = string.Join(", ", answer.Response.Content.Headers.ContentEncoding);
        // Some servers call a .gz file that lies there an encoding of something else.
        var path = answer.Source.AbsolutePath;
        var isArchive = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase);
        return encodings.ToUpperInvariant() switch
        {
            "GZIP" or "X-GZIP" when isArchive => body,
            "GZIP" or "X-GZIP" => new GZipStream(body, CompressionMode.Decompress),
            "DEFLATE" => new ZLibStream(body, CompressionMode.Decompress),
            "BR" => new BrotliStream(body, CompressionMode.Decompress),
            _ => throw new GraftException($"{answer.Source.Host} sends {name} encoded as {encodings}, which was not asked for and is not understood: try another address."),
        };
    }
}
