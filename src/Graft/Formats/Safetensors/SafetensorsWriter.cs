using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Graft.Torch;

namespace Graft.Formats;

/// <summary>Writes safetensors files. The same tensors and metadata give the same bytes.</summary>
public static class SafetensorsWriter
{
    private const int HeaderAlignment = 8;

    // The JSON writer would put U+FFFD where text is not valid, and so two names could become one.
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes a file by way of a temporary one (see <see cref="AtomicFile"/>). Tensors with larger elements come first, then by name, so
    /// that each is aligned to its element size. PyTorch's loaders demand <c>"format": "pt"</c>; it is added if the metadata lack it.
    /// </summary>
    /// <param name="path">The file to create or replace; its folder must exist.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, or null.</param>
    /// <param name="tensors">The tensors, in any order.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, or a name is reserved, or text is not valid Unicode.</exception>
    /// <exception cref="InputException">The folder does not exist or cannot be written to.</exception>
    /// <exception cref="InvalidOperationException">A tensor wrote more or fewer bytes than its shape needs.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, string>? metadata, IReadOnlyList<TensorData> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var ordered = tensors
            .OrderByDescending(tensor => tensor.Type.Size()).ThenBy(tensor => tensor.Name, StringComparer.Ordinal).ToList();
        CheckNames(ordered);
        var header = Header(metadata, ordered);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (var tensor in ordered)
            {
                using var exact = new ExactLengthStream(stream, tensor);
                tensor.Write(exact);
                exact.CheckComplete();
            }
        });
    }

    private static void CheckNames(List<TensorData> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            if (tensor.Name == "__metadata__")
                throw new ArgumentException("The name '__metadata__' is reserved and cannot be given to a tensor.", nameof(tensors));
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"Two tensors have the name '{tensor.Name}'.", nameof(tensors));
        }
    }

    private static byte[] Header(IReadOnlyDictionary<string, string>? metadata, List<TensorData> tensors)
    {
        var strings = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            strings[Checked(key)] = Checked(value);

        var buffer = new ArrayBufferWriter<byte>();
        // Names are kept as they are, as the reference implementation does; the file is no web page.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in strings)
                json.WriteString(key, value);
            json.WriteEndObject();
            long offset = 0;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(Checked(tensor.Name));
                json.WriteString("dtype", SafetensorsDType.Name(tensor.Type));
                WriteNumbers(json, "shape", tensor.Shape);
                WriteNumbers(json, "data_offsets", [offset, checked(offset + tensor.Length)]);
                json.WriteEndObject();
                offset += tensor.Length;
            }

            json.WriteEndObject();
        }

        var padding = -buffer.WrittenCount & (HeaderAlignment - 1);
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenCount <= SafetensorsHeader.Longest
            ? buffer.WrittenSpan.ToArray()
            : throw new ArgumentException("The header would be longer than 100 MB, which no reader accepts.", nameof(tensors));
    }

    private static string Checked(string text)
    {
        _ = StrictUtf8.GetByteCount(text);
        return text;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    /// <summary>Passes bytes on, but not one more than the tensor has: a wrong count would shift every tensor behind it.</summary>
    private sealed class ExactLengthStream(Stream inner, TensorData tensor) : Stream
    {
        private long _written;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _written;

        public override long Position
        {
            get => _written;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (buffer.Length > tensor.Length - _written)
                throw new InvalidOperationException($"Tensor '{tensor.Name}' wrote more than its {tensor.Length} bytes.");
            inner.Write(buffer);
            _written += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public void CheckComplete()
        {
            if (_written != tensor.Length)
                throw new InvalidOperationException($"Tensor '{tensor.Name}' wrote {_written} of its {tensor.Length} bytes.");
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
