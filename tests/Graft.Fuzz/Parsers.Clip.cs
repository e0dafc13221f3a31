using Graft.Formats;
using Graft.Networks.Clip;

namespace Graft.Fuzz;

/// <content>What CLIP's models are read from, beside safetensors and checkpoints.</content>
internal static partial class Parsers
{
    private static FuzzedParser TorchScript() => new()
    {
        Name = "torchscript",
        File = "input.pt",
        Seeds = () => [.. Valid("*.pt", "torchscript", 8), .. Files("*.pt", "malformed/pickle").Where(IsZip)],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Zip, ContainerMutators.Zip, ContainerMutators.Zip],
        Open = _ => path => ReadCheckpoint(path, scripts: true),
    };

    private static FuzzedParser ClipConfiguration() => new()
    {
        Name = "clip-config",
        File = "model/config.json",
        Seeds = () =>
        [
            """{"architectures": ["CLIPVisionModelWithProjection"], "hidden_act": "quick_gelu", "hidden_size": 64, "image_size": 32, "intermediate_size": 256, "layer_norm_eps": 1e-05, "model_type": "clip_vision_model", "num_attention_heads": 1, "num_channels": 3, "num_hidden_layers": 2, "patch_size": 8, "projection_dim": 16}"""u8.ToArray(),
            """{"model_type": "clip", "projection_dim": 768, "text_config": {}, "vision_config": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}, "vision_config_dict": {"intermediate_size": 4096, "hidden_act": "gelu"}}"""u8.ToArray(),
        ],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(ClipVisionOptions.FromJson(JsonStyle.ReadObject(path), path).Shapes().Count()),
    };

    private static FuzzedParser ClipProcessor() => new()
    {
        Name = "clip-processor",
        File = "model/preprocessor_config.json",
        Seeds = () =>
        [
            """{"crop_size": {"height": 32, "width": 32}, "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 32}}"""u8.ToArray(),
            """{"crop_size": 224, "size": 224, "resample": 2, "feature_extractor_type": "CLIPFeatureExtractor"}"""u8.ToArray(),
            """{"do_center_crop": false, "size": {"height": 20, "width": 30}, "do_normalize": false, "do_rescale": false}"""u8.ToArray(),
        ],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(new ClipImageProcessor(ClipImageProcessorOptions.FromJson(JsonStyle.ReadObject(path), path))),
    };

    private static FuzzedParser NameTokens() => new()
    {
        Name = "graft-tokenizer",
        File = "model/graft_tokenizer.json",
        Seeds = () => ["""{"kind": "words and letters", "letters": "abcdefghijklmnopqrstuvwxyz", "words": ["a", "face", "of", "photo"]}"""u8.ToArray()],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(NameTokenizer.Load(path).Encode("a photo of a cat face", 16)),
    };

    private static FuzzedParser ClipTextConfiguration() => new()
    {
        Name = "clip-text-config",
        File = "model/config.json",
        Seeds = () => ["""{"bos_token_id": 437, "eos_token_id": 438, "hidden_act": "quick_gelu", "hidden_size": 64, "intermediate_size": 128, "layer_norm_eps": 1e-05, "max_position_embeddings": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "projection_dim": 64, "vocab_size": 439}"""u8.ToArray()],
        Mutators = Text,
        Open = _ => path => GC.KeepAlive(ClipTextOptions.FromJson(JsonStyle.ReadObject(path), path).Shapes().Count()),
    };
}
