namespace Graft.Inspection;

/// <content>The classifier of guided-diffusion, which has a way down only.</content>
internal static partial class UNetInference
{
    /// <summary>
    /// What an <c>EncoderUNetModel</c> may be. A residual block that halves the resolution has the shapes of any other, so that without
    /// attention or a change of width to go by, several divisions into levels may fit.
    /// </summary>
    internal static IReadOnlyList<UNetArchitecture> Encoders(NamedShapes tensors)
    {
        var blocks = tensors.Names
            .Where(n => n.StartsWith("input_blocks.", StringComparison.Ordinal))
            .Select(n => int.TryParse(n.Split('.')[1], out var number) ? number : -1)
            .Max();
        if (tensors.Size("input_blocks.0.0.weight", 1) is not { } inputs || blocks < 1)
            return [];
        var fits = new List<UNetArchitecture>();
        for (var count = 1; count <= (blocks + 1) / 2; count++)
        {
            var layers = ((blocks + 1) / count) - 1;
            if ((blocks + 1) % count != 0 || Levels(tensors, count, layers) is not { } levels || Joints(tensors, count, layers) is not { } resampling)
                continue;
            fits.Add(new UNetArchitecture
            {
                InChannels = inputs,
                OutChannels = inputs,
                Levels = levels,
                LayersPerBlock = layers,
                Resampling = resampling,
                TimeEmbedding = "positional",
                ScaleShift = Doubled(tensors, "input_blocks.1.0.emb_layers.1.weight", "input_blocks.1.0.in_layers.2.weight"),
                MiddleAttention = true,
                MiddleAttentionNorm = true,
            });
        }

        return fits;
    }

    /// <summary>The levels, if each is made of blocks of one width that all attend or all do not.</summary>
    private static List<UNetLevel>? Levels(NamedShapes tensors, int count, int layers)
    {
        var levels = new List<UNetLevel>();
        for (var i = 0; i < count; i++)
        {
            UNetLevel? level = null;
            for (var j = 0; j < layers; j++)
            {
                var block = $"input_blocks.{1 + (i * (layers + 1)) + j}";
                if (tensors.Size($"{block}.0.in_layers.2.weight", 0) is not { } channels || (j > 0 && tensors.Has($"{block}.0.skip_connection.weight")))
                    return null;
                var attends = tensors.Has($"{block}.1.qkv.weight");
                level ??= new UNetLevel(channels, attends, attends);
                if (level != new UNetLevel(channels, attends, attends))
                    return null;
            }

            levels.Add(level!);
        }

        return levels;
    }

    /// <summary>How the levels are joined, if all are joined alike.</summary>
    private static string? Joints(NamedShapes tensors, int count, int layers)
    {
        var kinds = Enumerable.Range(1, count - 1).Select(i => $"input_blocks.{i * (layers + 1)}").Select(block =>
            tensors.Has($"{block}.0.op.weight") ? "conv"
            : !tensors.Has($"{block}.0.in_layers.2.weight") ? "none"
            : tensors.Has($"{block}.1.qkv.weight") || tensors.Has($"{block}.0.skip_connection.weight") ? "" : "resnet").Distinct().ToList();
        return kinds switch
        {
            [] => "none",
            [var one] when one.Length > 0 => one,
            _ => null,
        };
    }
}
