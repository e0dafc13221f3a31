using Graft.Networks;
using Graft.Torch;

namespace Graft.Formats.GuidedDiffusion;

/// <summary>How a parameter of openai's becomes one of ours.</summary>
internal enum NameKind
{
    /// <summary>It is the same tensor.</summary>
    Same,

    /// <summary>A Conv1d of kernel 1, [C, C, 1], is a linear layer, [C, C].</summary>
    Pointwise,

    /// <summary>One layer is three: q, k, v.</summary>
    Qkv,
}

/// <summary>A parameter under both names.</summary>
/// <param name="Theirs">openai's.</param>
/// <param name="Ours">Ours: one, or those of q, k and v.</param>
/// <param name="Kind">How it changes.</param>
/// <param name="Heads">Heads of an attention layer.</param>
internal sealed record NamePair(string Theirs, string[] Ours, NameKind Kind, long Heads);

/// <summary>
/// openai's parameter names and ours, in the order of openai's files. <c>input_blocks</c> and <c>output_blocks</c> are numbered through:
/// each level's residual blocks, then, on the way down, one number for the halving; on the way up the doubling is part of the last block.
/// </summary>
internal sealed class GuidedDiffusionNames
{
    private readonly List<NamePair> _pairs = [];

    private GuidedDiffusionNames()
    {
    }

    /// <summary>All pairs, also those of layers that a network may lack (<c>skip_connection</c>).</summary>
    internal IReadOnlyList<NamePair> Pairs => _pairs;

    /// <summary>The names of a <c>UNetModel</c>.</summary>
    internal static GuidedDiffusionNames Of(UNet2DOptions options)
    {
        var names = new GuidedDiffusionNames();
        names.Down(options);
        var n = 0;
        for (var i = options.BlockOutChannels.Length - 1; i >= 0; i--)
        {
            var up = options.BlockOutChannels.Length - 1 - i;
            for (var j = 0; j <= options.LayersPerBlock; j++, n++)
            {
                names.Resnet($"output_blocks.{n}.0", $"up_blocks.{up}.resnets.{j}");
                if (options.AttendsUp(i))
                    names.Attention($"output_blocks.{n}.1", $"up_blocks.{up}.attentions.{j}", options, i, up: true);
            }

            if (i == 0)
                continue;
            var (theirs, ours) = ($"output_blocks.{n - 1}.{(options.AttendsUp(i) ? 2 : 1)}", $"up_blocks.{up}.upsamplers.0");
            if (ResamplesByResnet(options.UpBlockTypes[up], options.UpsampleType))
                names.Resnet(theirs, ours);
            else if (options.ConvResample)
                names.Layer($"{theirs}.conv", $"{ours}.conv");
        }

        names.Layer("out.0", "conv_norm_out");
        names.Layer("out.2", "conv_out");
        return names;
    }

    /// <summary>The names of an <c>EncoderUNetModel</c>: the way down and the middle, and the pool, which has the same names here.</summary>
    /// <param name="options">The way down and the middle.</param>
    /// <param name="pool">Names of the pool's parameters.</param>
    internal static GuidedDiffusionNames OfEncoder(UNet2DOptions options, IEnumerable<string> pool)
    {
        var names = new GuidedDiffusionNames();
        names.Down(options);
        foreach (var name in pool)
        {
            var pointwise = name.EndsWith("_proj.weight", StringComparison.Ordinal);
            names._pairs.Add(new NamePair(name, [name], pointwise ? NameKind.Pointwise : NameKind.Same, 1));
        }

        return names;
    }

    /// <summary>Gives a network's parameters out of a file under openai's names.</summary>
    /// <param name="file">The file.</param>
    /// <param name="prefix">What stands before every name.</param>
    /// <param name="order">How qkv layers lie in it.</param>
    internal Func<string, Tensor?> Reader(WeightFile file, string prefix, AttentionOrder order) => Reader(file, name => prefix + name, order);

    /// <summary>Gives a network's parameters out of a file that has names of its own for openai's.</summary>
    /// <param name="file">The file.</param>
    /// <param name="inFile">What the file calls a parameter of openai's.</param>
    /// <param name="order">How qkv layers lie in it.</param>
    internal Func<string, Tensor?> Reader(WeightFile file, Func<string, string> inFile, AttentionOrder order)
    {
        var ours = _pairs.SelectMany(p => p.Ours.Select((name, part) => (name, part, pair: p))).ToDictionary(p => p.name, StringComparer.Ordinal);
        return name =>
        {
            if (!ours.TryGetValue(name, out var found) || !file.Contains(inFile(found.pair.Theirs)))
                return null;
            var value = file.Read(inFile(found.pair.Theirs));
            return found.pair.Kind switch
            {
                NameKind.Qkv => Qkv.Take(value, found.part, found.pair.Heads, order),
                NameKind.Pointwise => value.Reshape(value.Size(0), -1),
                _ => value,
            };
        };
    }

    /// <summary>A network's parameters under openai's names, in the order of openai's files. The tensors belong to the current scope or to the network.</summary>
    internal IEnumerable<NamedTensor> Named(Module network, AttentionOrder order)
    {
        var parameters = network.Parameters().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        foreach (var pair in _pairs.Where(p => parameters.ContainsKey(p.Ours[0])))
        {
            var first = parameters[pair.Ours[0]].Detach();
            yield return new NamedTensor(pair.Theirs, pair.Kind switch
            {
                NameKind.Qkv => Qkv.Join([.. pair.Ours.Select(o => parameters[o].Detach())], pair.Heads, order),
                NameKind.Pointwise when first.Dims == 2 => first.Unsqueeze(-1),
                _ => first,
            });
        }
    }

    private static bool ResamplesByResnet(string type, string resampling) =>
        type.StartsWith("Resnet", StringComparison.Ordinal) || (type.StartsWith("Attn", StringComparison.Ordinal) && resampling == "resnet");

    private void Down(UNet2DOptions options)
    {
        Layer("time_embed.0", "time_embedding.linear_1");
        Layer("time_embed.2", "time_embedding.linear_2");
        if (options.NumClassEmbeds is not null && !options.ClassesAreContext)
            Add("label_emb.weight", NameKind.Same, 1, "class_embedding.weight");
        Layer("input_blocks.0.0", "conv_in");
        var n = 1;
        var levels = options.BlockOutChannels.Length;
        for (var i = 0; i < levels; i++)
        {
            for (var j = 0; j < options.LayersPerBlock; j++, n++)
            {
                Resnet($"input_blocks.{n}.0", $"down_blocks.{i}.resnets.{j}");
                if (options.AttendsDown(i))
                    Attention($"input_blocks.{n}.1", $"down_blocks.{i}.attentions.{j}", options, i);
            }

            if (i == levels - 1)
                break;
            var (theirs, ours) = ($"input_blocks.{n++}.0", $"down_blocks.{i}.downsamplers.0");
            if (ResamplesByResnet(options.DownBlockTypes[i], options.DownsampleType))
                Resnet(theirs, ours);
            else if (options.ConvResample)
                Layer($"{theirs}.op", $"{ours}.conv");
        }

        Resnet("middle_block.0", "mid_block.resnets.0");
        Attention("middle_block.1", "mid_block.attentions.0", options, levels - 1);
        Resnet("middle_block.2", "mid_block.resnets.1");
    }

    private void Resnet(string theirs, string ours)
    {
        Layer($"{theirs}.in_layers.0", $"{ours}.norm1");
        Layer($"{theirs}.in_layers.2", $"{ours}.conv1");
        Layer($"{theirs}.emb_layers.1", $"{ours}.time_emb_proj");
        Layer($"{theirs}.out_layers.0", $"{ours}.norm2");
        Layer($"{theirs}.out_layers.3", $"{ours}.conv2");
        Layer($"{theirs}.skip_connection", $"{ours}.conv_shortcut");
    }

    private void Attention(string theirs, string ours, UNet2DOptions options, int level, bool up = false)
    {
        if (options.CrossAttentionDim is not null)
        {
            Transformer(theirs, ours, options.TransformerDepth);
            return;
        }

        var heads = options.HeadsOf(options.BlockOutChannels[level], up);
        Layer($"{theirs}.norm", $"{ours}.group_norm");
        foreach (var parameter in (string[])["weight", "bias"])
            Add($"{theirs}.qkv.{parameter}", NameKind.Qkv, heads, $"{ours}.to_q.{parameter}", $"{ours}.to_k.{parameter}", $"{ours}.to_v.{parameter}");
        Add($"{theirs}.proj_out.weight", NameKind.Pointwise, 1, $"{ours}.to_out.0.weight");
        Add($"{theirs}.proj_out.bias", NameKind.Same, 1, $"{ours}.to_out.0.bias");
    }

    /// <summary>latent diffusion's <c>SpatialTransformer</c>, whose layers have the same names here.</summary>
    private void Transformer(string theirs, string ours, int depth)
    {
        Layer($"{theirs}.norm", $"{ours}.norm");
        Layer($"{theirs}.proj_in", $"{ours}.proj_in");
        for (var i = 0; i < depth; i++)
        {
            var block = $"transformer_blocks.{i}";
            foreach (var attention in (string[])["attn1", "attn2"])
            {
                foreach (var projection in (string[])["to_q", "to_k", "to_v"])
                    Add($"{theirs}.{block}.{attention}.{projection}.weight", NameKind.Same, 1, $"{ours}.{block}.{attention}.{projection}.weight");
                Layer($"{theirs}.{block}.{attention}.to_out.0", $"{ours}.{block}.{attention}.to_out.0");
            }

            foreach (var layer in (string[])["ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"])
                Layer($"{theirs}.{block}.{layer}", $"{ours}.{block}.{layer}");
        }

        Layer($"{theirs}.proj_out", $"{ours}.proj_out");
    }

    private void Layer(string theirs, string ours)
    {
        Add($"{theirs}.weight", NameKind.Same, 1, $"{ours}.weight");
        Add($"{theirs}.bias", NameKind.Same, 1, $"{ours}.bias");
    }

    private void Add(string theirs, NameKind kind, long heads, params string[] ours) => _pairs.Add(new NamePair(theirs, ours, kind, heads));
}
