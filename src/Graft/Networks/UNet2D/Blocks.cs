using Graft.Torch;

namespace Graft.Networks.UNet2DParts;

/// <summary>One level on the way down: residual blocks, attention if the level has it, and a halving of the resolution.</summary>
internal sealed class DownLevel : Module
{
    private readonly List<ResnetBlock> _resnets = [];
    private readonly List<FeatureAttention> _attentions = [];
    private readonly Downsample? _downsample;
    private readonly ResnetBlock? _resnetDownsample;

    internal DownLevel(string type, long inputs, long outputs, long timeWidth, bool last, UNet2DOptions options)
    {
        var attends = type switch
        {
            "AttnDownBlock2D" => true,
            "DownBlock2D" or "ResnetDownsampleBlock2D" => false,
            _ => throw new InputException(
                $"The block type '{type}' is unknown: DownBlock2D, AttnDownBlock2D and ResnetDownsampleBlock2D are known."),
        };
        for (var j = 0; j < options.LayersPerBlock; j++)
        {
            _resnets.Add(Add($"resnets.{j}", new ResnetBlock(j == 0 ? inputs : outputs, outputs, timeWidth, options)));
            if (attends)
                _attentions.Add(Add($"attentions.{j}", FeatureAttention.Of(options, outputs)));
        }

        if (last)
            return;
        if (type == "ResnetDownsampleBlock2D" || (attends && options.DownsampleType == "resnet"))
            _resnetDownsample = Add("downsamplers.0", new ResnetBlock(outputs, outputs, timeWidth, options, resampling: Resampling.Down));
        else
            _downsample = Add("downsamplers.0", new Downsample(outputs, options.DownsamplePadding, options.ConvResample));
    }

    /// <summary>Appends what the way up needs to <paramref name="skips"/>.</summary>
    internal Tensor Forward(Tensor x, Tensor time, Skips skips, Tensor? context = null)
    {
        using var region = OperatorProfile.Region(this);
        for (var j = 0; j < _resnets.Count && !skips.AreMade; j++)
        {
            x = _resnets[j].Forward(x, time);
            if (_attentions.Count > 0)
                x = _attentions[j].Forward(x, context);
            skips.Push(x);
        }

        if (skips.AreMade || (_downsample is null && _resnetDownsample is null))
            return x;
        x = _resnetDownsample?.Forward(x, time) ?? Recomputation.Of(given => _downsample!.Forward(given[0]), x);
        skips.Push(x);
        return x;
    }
}

/// <summary>The middle: residual block, attention, residual block.</summary>
internal sealed class MiddleLevel : Module
{
    private readonly ResnetBlock _first;
    private readonly FeatureAttention? _attention;
    private readonly ResnetBlock _second;

    internal MiddleLevel(long channels, long timeWidth, bool attentionNorm, UNet2DOptions options)
    {
        var scale = options.MidBlockScaleFactor;
        _first = Add("resnets.0", new ResnetBlock(channels, channels, timeWidth, options, scale));
        if (options.AddAttention)
        {
            var groups = attentionNorm ? options.AttnNormNumGroups ?? options.NormNumGroups : (long?)null;
            _attention = Add("attentions.0", FeatureAttention.OfMiddle(options, channels, groups, scale));
        }

        _second = Add("resnets.1", new ResnetBlock(channels, channels, timeWidth, options, scale));
    }

    internal Tensor Forward(Tensor x, Tensor time, Tensor? context = null)
    {
        using var region = OperatorProfile.Region(this);
        x = _first.Forward(x, time);
        x = _attention?.Forward(x, context) ?? x;
        return _second.Forward(x, time);
    }
}

/// <summary>One level on the way up: each residual block also takes what the way down left at this resolution.</summary>
internal sealed class UpLevel : Module
{
    private readonly List<ResnetBlock> _resnets = [];
    private readonly List<FeatureAttention> _attentions = [];
    private readonly Upsample? _upsample;
    private readonly ResnetBlock? _resnetUpsample;

    internal UpLevel(string type, long skipInputs, long previous, long outputs, long timeWidth, bool last, UNet2DOptions options)
    {
        var attends = type switch
        {
            "AttnUpBlock2D" => true,
            "UpBlock2D" or "ResnetUpsampleBlock2D" => false,
            _ => throw new InputException(
                $"The block type '{type}' is unknown: UpBlock2D, AttnUpBlock2D and ResnetUpsampleBlock2D are known."),
        };
        for (var j = 0; j <= options.LayersPerBlock; j++)
        {
            var inputs = (j == 0 ? previous : outputs) + (j == options.LayersPerBlock ? skipInputs : outputs);
            _resnets.Add(Add($"resnets.{j}", new ResnetBlock(inputs, outputs, timeWidth, options)));
            if (attends)
                _attentions.Add(Add($"attentions.{j}", FeatureAttention.Of(options, outputs, up: true)));
        }

        if (last)
            return;
        if (type == "ResnetUpsampleBlock2D" || (attends && options.UpsampleType == "resnet"))
            _resnetUpsample = Add("upsamplers.0", new ResnetBlock(outputs, outputs, timeWidth, options, resampling: Resampling.Up));
        else
            _upsample = Add("upsamplers.0", new Upsample(outputs, options.ConvResample));
    }

    internal Tensor Forward(Tensor x, Tensor time, Skips skips, Tensor? context = null)
    {
        using var region = OperatorProfile.Region(this);
        var computed = false;
        for (var j = 0; j < _resnets.Count; j++)
        {
            // What is used up goes at once; what gradients need of it, their operators hold.
            var (below, resnet) = (x, _resnets[j]);
            if (skips.Take(x) is not { } skip)
                continue;
            computed = true;
            x = resnet.Forward(below, time, skip);
            below.Dispose();
            skip.Dispose();
            if (_attentions.Count > 0)
                x = Next(x, h => _attentions[j].Forward(h, context));
        }

        return !computed ? x : Next(x, h => _resnetUpsample?.Forward(h, time) ?? (_upsample is null ? h : Recomputation.Of(given => _upsample.Forward(given[0]), h)));

        static Tensor Next(Tensor x, Func<Tensor, Tensor> layer)
        {
            var y = layer(x);
            if (!ReferenceEquals(x, y))
                x.Dispose();
            return y;
        }
    }
}
