using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Inspection;

/// <summary>Weight files with the names and shapes of known networks, filled with zeros.</summary>
internal static class ShapesFile
{
    public static string Write(string path, params (string Name, long[] Shape)[] tensors)
    {
        SafetensorsWriter.Write(path, null, [.. tensors.Select(t => new TensorData(
            t.Name, DType.Float16, t.Shape, stream => stream.Write(new byte[2 * t.Shape.Aggregate(1L, (a, b) => a * b)])))]);
        return path;
    }
}
