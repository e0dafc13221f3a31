using Graft.Adapters;

namespace Graft.Inspection;

/// <summary>A layout, what stands before its names, and what it is in words.</summary>
internal sealed record RecognisedLayout(WeightLayout Layout, string Prefix, string Description);

/// <summary>Tells networks apart by the names and shapes of their parameters.</summary>
internal static class LayoutRecogniser
{
    internal static RecognisedLayout Of(NamedShapes tensors) =>
        Own(tensors) ?? UNet(tensors) ?? Clip(tensors) ?? Backbone(tensors) ?? StateSpace(tensors)
        ?? new RecognisedLayout(WeightLayout.Unknown, "", "a layout that is not known here");

    private static RecognisedLayout? Own(NamedShapes tensors)
    {
        if (tensors.Names.Count > 0 && tensors.Names.All(n => n.StartsWith(AdapterFolder.Prefix, StringComparison.Ordinal)))
            return new(WeightLayout.Adapter, AdapterFolder.Prefix, "the weights of an adapter");
        if (tensors.Has("proj_in.weight") && tensors.Has("blocks.0.fc1.weight") && tensors.Has("time_embedding.linear_1.weight") && tensors.Size("proj_out.weight", 0) is { } numbers)
            return new(WeightLayout.GraftDenoiser, "", $"the weights of a denoiser of points of Graft's (PointDenoiser), {numbers} numbers each");
        if (tensors.Has("time_embedding.linear_1.weight") && tensors.Has("mid_block.resnets.0.conv1.weight") && tensors.Size("conv_in.weight", 1) is { } folded && tensors.Size("conv_in.weight", 3) is null)
            return new(WeightLayout.GraftDenoiser, "", $"the weights of a denoiser of recordings of Graft's (SequenceUNet), {folded} leads times samples of a patch");
        return tensors.Has("blocks.0.norm1.weight") && tensors.Has("conv_in.weight") && tensors.Has("norm_out.weight") && tensors.Size("head.weight", 0) is { } classes
            ? new(WeightLayout.GraftClassifier, "", $"the weights of a classifier of Graft's (ResNetClassifier), {classes} classes")
            : null;
    }

    private static RecognisedLayout? UNet(NamedShapes tensors)
    {
        if (tensors.PrefixOf("model.diffusion_model.input_blocks.0.0.weight") is { } latent)
            return new(WeightLayout.LatentDiffusion, latent, "CompVis latent diffusion" + (tensors.HasAny("first_stage_model.") ? ", with its autoencoder" : ""));
        if (tensors.PrefixOf("conv_in.weight", "time_embedding.linear_1.weight", "down_blocks.0.resnets.0.conv1.weight", "mid_block.resnets.0.conv1.weight") is { } diffusers)
        {
            return tensors.HasAny(".transformer_blocks.")
                ? new(WeightLayout.DiffusersUNet2DCondition, diffusers, "diffusers UNet2DConditionModel, which takes text embeddings")
                : new(WeightLayout.DiffusersUNet2D, diffusers, "diffusers UNet2DModel");
        }

        if (tensors.PrefixOf("input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.0.in_layers.0.weight") is { } openAi)
        {
            if (tensors.HasAny(".transformer_blocks."))
                return new(WeightLayout.LatentDiffusion, openAi, "CompVis latent diffusion, the U-Net only");
            return tensors.Has(openAi + "output_blocks.0.0.in_layers.0.weight")
                ? new(WeightLayout.GuidedDiffusionUNet, openAi, "openai guided-diffusion UNetModel")
                : new(WeightLayout.GuidedDiffusionClassifier, openAi, Classifier(tensors.Under(openAi)));
        }

        return tensors.PrefixOf("temb.dense.0.weight", "down.0.block.0.norm1.weight", "conv_in.weight") is { } ho
            ? new(WeightLayout.HoUNet, ho, "the U-Net of Ho et al. (2020) under the names of its PyTorch ports (temb.dense, down.N.block)")
            : null;
    }

    private static string Classifier(NamedShapes tensors)
    {
        var classes = tensors.Size("out.2.c_proj.weight", 0) ?? tensors.Size("out.3.weight", 0) ?? tensors.Size("out.2.weight", 0);
        var pool = tensors.Has("out.2.positional_embedding") ? ", attention pooling" : "";
        return "openai guided-diffusion classifier (EncoderUNetModel)" + (classes is null ? "" : $", {classes} outputs") + pool;
    }

    private static RecognisedLayout? Clip(NamedShapes tensors)
    {
        if (tensors.PrefixOf("embeddings.patch_embedding.weight", "pre_layrnorm.weight") is { } huggingFace)
        {
            var patch = tensors.Size(huggingFace + "embeddings.patch_embedding.weight", 2);
            var text = tensors.HasAny("text_model.") ? "; the text tower is there too" : "";
            return new(WeightLayout.ClipVisionHuggingFace, huggingFace, Tower("Hugging Face", patch,
                tensors.Size(huggingFace + "embeddings.patch_embedding.weight", 0),
                tensors.CountFrom(huggingFace + "encoder.layers."),
                tensors.Size(huggingFace + "embeddings.position_embedding.weight", 0)) + text);
        }

        if (tensors.PrefixOf("class_embedding", "conv1.weight", "ln_pre.weight", "transformer.resblocks.0.attn.in_proj_weight") is { } openAi)
        {
            var text = tensors.HasAny("token_embedding.") ? "; the text tower is there too" : "";
            return new(WeightLayout.ClipVisionOpenAi, openAi, Tower("openai", tensors.Size(openAi + "conv1.weight", 2),
                tensors.Size(openAi + "conv1.weight", 0),
                tensors.CountFrom(openAi + "transformer.resblocks."),
                tensors.Size(openAi + "positional_embedding", 0)) + text);
        }

        return null;
    }

    private static string Tower(string names, long? patch, long? width, int layers, long? tokens)
    {
        var edge = patch * (long)Math.Sqrt((tokens ?? 1) - 1);
        return $"CLIP vision tower ({names} names): pictures of {edge}, patches of {patch}, width {width}, {layers} layers";
    }

    private static RecognisedLayout? Backbone(NamedShapes tensors)
    {
        var heads = tensors.PrefixOf("lin0.model.1.weight", "lin1.model.1.weight", "lin4.model.1.weight");
        if (heads is not null)
        {
            var network = (tensors.CountFrom(heads + "lin"), tensors.Size(heads + "lin1.model.1.weight", 1)) switch
            {
                _ when tensors.Has(heads + "lin6.model.1.weight") => "SqueezeNet",
                (_, 192) => "AlexNet",
                (_, 128) => "VGG-16",
                _ => "a backbone that is not known here",
            };
            return new(WeightLayout.LpipsHeads, heads, $"LPIPS linear heads for {network}" + (tensors.HasAny("slice1.") ? ", with the backbone" : ""));
        }

        if (tensors.PrefixOf("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch1x1.conv.weight") is { } inception)
        {
            return tensors.Size(inception + "fc.weight", 0) is 1008 or null
                ? new(WeightLayout.FidInception, inception, "Inception v3 of FID (1008 outputs)")
                : new(WeightLayout.Unknown, inception, "Inception v3, which is not the one of FID (that has 1008 outputs)");
        }

        if (tensors.PrefixOf("features.0.weight", "features.3.squeeze.weight") is { } squeeze)
        {
            return new(WeightLayout.SqueezeNet, squeeze,
                "torchvision SqueezeNet " + (tensors.Size(squeeze + "features.0.weight", 2) == 7 ? "1.0" : "1.1") + Classification(tensors, squeeze));
        }

        if (tensors.PrefixOf("features.0.weight", "features.3.weight", "features.6.weight", "features.8.weight", "features.10.weight") is { } alex
            && tensors.Size(alex + "features.0.weight", 2) == 11)
        {
            return new(WeightLayout.AlexNet, alex, "torchvision AlexNet" + Classification(tensors, alex));
        }

        if (tensors.PrefixOf("features.0.weight") is { } vgg && tensors.Size(vgg + "features.0.weight", 2) == 3)
        {
            var convolutions = tensors.Names.Count(n => n.StartsWith(vgg + "features.", StringComparison.Ordinal)
                && tensors.TryShape(n, out var shape) && shape.Count == 4);
            if (convolutions is 8 or 10 or 13 or 16)
            {
                var norm = tensors.HasAny("running_mean") ? " with batch norm" : "";
                return new(WeightLayout.Vgg, vgg, $"torchvision VGG-{convolutions + 3}{norm}" + Classification(tensors, vgg));
            }
        }

        return null;
    }

    private static string Classification(NamedShapes tensors, string prefix) =>
        tensors.Names.Any(n => n.StartsWith(prefix + "classifier.", StringComparison.Ordinal)) ? "" : ", features only";

    private static RecognisedLayout? StateSpace(NamedShapes tensors)
    {
        if (tensors.PrefixOf("residual_layer.residual_blocks.0.S41.s4_layer.kernel.kernel.C") is { } sssd)
        {
            var label = tensors.HasAny(".fc_label.") ? ", label-conditional" : "";
            var channels = tensors.Size(sssd + "init_conv.0.conv.weight_v", 1) ?? tensors.Size(sssd + "init_conv.0.conv.weight", 1);
            return new(WeightLayout.SssdEcg, sssd,
                $"SSSD-ECG: {tensors.CountFrom(sssd + "residual_layer.residual_blocks.")} residual blocks of S4 layers, {channels} leads{label}");
        }

        return tensors.PrefixOf("kernel.kernel.C", "kernel.kernel.log_dt") is { } s4
            ? new(WeightLayout.S4Layer, s4, "structured state-space (S4) layer")
            : null;
    }
}
