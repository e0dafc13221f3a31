namespace Graft.Inspection;

/// <summary>Reads the architecture of a U-Net off its parameters.</summary>
internal static partial class UNetInference
{
    /// <summary>What no parameter of diffusers' UNet2DModel shows.</summary>
    internal static IReadOnlyList<string> HiddenInDiffusers(NamedShapes tensors)
    {
        var widths = tensors.Names
            .Where(n => n.EndsWith("norm1.weight", StringComparison.Ordinal) || n.EndsWith("norm2.weight", StringComparison.Ordinal))
            .Select(n => tensors.Size(n, 0) ?? 0);
        return
        [
            "sample_size",
            "attention_head_dim",
            $"norm_num_groups (a divisor of {widths.Aggregate(0L, Divisor)})",
            "norm_eps",
            "downsample_padding",
            "flip_sin_to_cos and freq_shift",
            "act_fn",
            "mid_block_scale_factor",
            "center_input_sample",
            "the noise schedule and what is predicted",
        ];
    }

    /// <summary>What no parameter of openai's UNetModel shows.</summary>
    internal static IReadOnlyList<string> HiddenInGuidedDiffusion { get; } =
        ["image_size", "num_heads or num_head_channels", "use_new_attention_order", "the noise schedule and what is predicted"];

    /// <summary>What no parameter of latent diffusion's UNetModel shows.</summary>
    internal static IReadOnlyList<string> HiddenInLatentDiffusion { get; } = ["image_size (of the latents)", "num_heads or num_head_channels", "what is predicted"];

    internal static UNetArchitecture? Diffusers(NamedShapes tensors)
    {
        var count = tensors.CountFrom("down_blocks.");
        if (tensors.Size("conv_in.weight", 1) is not { } inputs || tensors.Size("conv_out.weight", 0) is not { } outputs)
            return null;
        var levels = new List<UNetLevel>();
        for (var i = 0; i < count; i++)
        {
            if (tensors.Size($"down_blocks.{i}.resnets.0.conv1.weight", 0) is not { } channels)
                return null;
            levels.Add(new UNetLevel(
                channels,
                tensors.CountFrom($"down_blocks.{i}.attentions.") > 0,
                tensors.CountFrom($"up_blocks.{count - 1 - i}.attentions.") > 0));
        }

        var first = tensors.Size("conv_in.weight", 0);
        var middle = tensors.CountFrom("mid_block.attentions.") > 0;
        return new UNetArchitecture
        {
            InChannels = inputs,
            OutChannels = outputs,
            Levels = levels,
            LayersPerBlock = tensors.CountFrom("down_blocks.0.resnets."),
            Resampling = count < 2 ? "none" : tensors.HasAny(".downsamplers.0.conv1.") ? "resnet" : "conv",
            TimeEmbedding = tensors.TryShape("time_proj.weight", out var projection)
                ? projection.Count == 1 ? "fourier" : "learned"
                : tensors.Size("time_embedding.linear_1.weight", 1) == 2 * first ? "fourier" : "positional",
            ScaleShift = Doubled(tensors, "down_blocks.0.resnets.0.time_emb_proj.weight", "down_blocks.0.resnets.0.conv1.weight"),
            Classes = tensors.Size("class_embedding.weight", 0),
            MiddleAttention = middle,
            MiddleAttentionNorm = tensors.Has("mid_block.attentions.0.group_norm.weight"),
        };
    }

    /// <summary>
    /// openai's blocks are numbered through, with a resampling one after each level but the last: L levels of R blocks are
    /// L(R + 1) numbers on the way down, and as many up.
    /// </summary>
    internal static UNetArchitecture? GuidedDiffusion(NamedShapes tensors)
    {
        var numbers = tensors.CountFrom("output_blocks.");
        if (tensors.Size("input_blocks.0.0.weight", 1) is not { } inputs || tensors.Size("out.2.weight", 0) is not { } outputs || numbers == 0)
            return null;
        var (convolved, resnets) = (0, 0);
        for (var n = 0; n < numbers; n++)
        {
            if (tensors.Has($"output_blocks.{n}.1.conv.weight") || tensors.Has($"output_blocks.{n}.2.conv.weight"))
                convolved++;
            if (tensors.Has($"output_blocks.{n}.1.in_layers.0.weight") || tensors.Has($"output_blocks.{n}.2.in_layers.0.weight"))
                resnets++;
        }

        // Average pooling has no parameters, so its number is missing.
        var pooled = Enumerable.Range(1, numbers - 1)
            .Count(n => !tensors.Has($"input_blocks.{n}.0.in_layers.0.weight") && !tensors.Has($"input_blocks.{n}.0.op.weight"));
        var count = 1 + Math.Max(Math.Max(convolved, resnets), pooled);
        var layers = (numbers / count) - 1;
        if (layers < 1 || numbers % count != 0)
            return null;
        var levels = new List<UNetLevel>();
        for (var i = 0; i < count; i++)
        {
            var start = 1 + (i * (layers + 1));
            if (tensors.Size($"input_blocks.{start}.0.in_layers.2.weight", 0) is not { } channels)
                return null;
            levels.Add(new UNetLevel(
                channels,
                Attends(tensors, $"input_blocks.{start}.1"),
                Attends(tensors, $"output_blocks.{(count - 1 - i) * (layers + 1)}.1")));
        }

        var middle = Attends(tensors, "middle_block.1");
        return new UNetArchitecture
        {
            InChannels = inputs,
            OutChannels = outputs,
            Levels = levels,
            LayersPerBlock = layers,
            Resampling = convolved > 0 ? "conv" : resnets > 0 ? "resnet" : "none",
            TimeEmbedding = "positional",
            ScaleShift = Doubled(tensors, "input_blocks.1.0.emb_layers.1.weight", "input_blocks.1.0.in_layers.2.weight"),
            Classes = tensors.Size("label_emb.weight", 0),
            MiddleAttention = middle,
            MiddleAttentionNorm = middle,
            ContextWidth = tensors.Size("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1),
            TransformerDepth = tensors.CountFrom("middle_block.1.transformer_blocks."),
        };
    }

    /// <summary>Whether there is attention, or a spatial transformer, whose first layer is no other block's.</summary>
    private static bool Attends(NamedShapes tensors, string name) => tensors.Has($"{name}.qkv.weight") || tensors.Has($"{name}.proj_in.weight");

    private static bool Doubled(NamedShapes tensors, string embedding, string convolution) =>
        tensors.Size(embedding, 0) is { } width && width == 2 * tensors.Size(convolution, 0);

    private static long Divisor(long a, long b) => b == 0 ? a : Divisor(b, a % b);
}
