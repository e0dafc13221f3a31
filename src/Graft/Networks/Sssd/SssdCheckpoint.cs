using Graft.Data.Ecg;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.GuidedDiffusion;
using Graft.Inspection;
using Graft.Networks.SssdParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>SSSD-ECG's checkpoints, <c>{'model_state_dict', 'optimizer_state_dict'}</c> by <c>torch.save</c>, or the weights alone.</summary>
public static class SssdCheckpoint
{
    private const float NodeTolerance = 1e-3f;

    /// <summary>The published schedule: T = 200, β from 1e-4 to 0.02 in a line, ε predicted, ancestral sampling with the posterior's variance.</summary>
    public static ScheduleOptions Schedule { get; } = new() { NumTrainTimesteps = 200, BetaStart = 1e-4, BetaEnd = 0.02, ClipSample = false };

    /// <summary>What the published model's ECGs are, told by its eight leads and 71 labels; null for others, of which nobody says.</summary>
    internal static EcgModelRecord? PublishedRecord(SssdDenoiserOptions options) =>
        options.InChannels != EcgLeads.Independent.Count || options.LabelEmbedClasses != ScpCodes.All.Count
            ? null
            : new EcgModelRecord(
                new EcgCard { Name = "PTB-XL", Licence = "CC BY 4.0, PTB-XL (Wagner et al. 2020, PhysioNet)", Leads = EcgLeads.Independent, SamplingRate = 100, Unit = "mV", Classes = ScpCodes.All },
                []);

    /// <summary>Whether a file holds such weights.</summary>
    /// <param name="path">A file of weights.</param>
    /// <exception cref="InputException">It is missing or broken.</exception>
    public static bool Is(string path)
    {
        if (!File.Exists(path))
            return false;
        using var file = WeightFile.Open(path);
        return LayoutRecogniser.Of(GuidedDiffusionFile.ShapesOf(file)).Layout == WeightLayout.SssdEcg;
    }

    /// <summary>The architecture, which follows from names and shapes.</summary>
    /// <param name="file">The weights.</param>
    /// <param name="sampleLength">Samples of each lead; null: as many as the kernels are long. Where it is more, the kernels are doubled.</param>
    /// <returns>The options, and what stands before the file's names.</returns>
    /// <exception cref="InputException">The file holds other weights, or a shape does not fit the others.</exception>
    internal static (SssdDenoiserOptions Options, string Prefix) Describe(WeightFile file, int? sampleLength)
    {
        var recognised = LayoutRecogniser.Of(GuidedDiffusionFile.ShapesOf(file));
        if (recognised.Layout != WeightLayout.SssdEcg)
            throw new InputException($"The file {file.Path} is {recognised.Description}, and a checkpoint of SSSD-ECG is due.");
        var prefix = recognised.Prefix;
        const string Kernel = "residual_layer.residual_blocks.0.S41.s4_layer.kernel.kernel.";
        var longest = (Size(Kernel + "omega", 0) - 1) * 2;
        var length = sampleLength ?? longest;
        var blocks = file.Names.Select(n => n.StartsWith(prefix + "residual_layer.residual_blocks.", StringComparison.Ordinal) ? n[(prefix.Length + 31)..].Split('.')[0] : null).Distinct().Count(n => n is not null);
        var options = new SssdDenoiserOptions
        {
            InChannels = Size("init_conv.0.conv.weight_v", 1),
            SampleLength = Math.Min(length, longest),
            NumResLayers = blocks,
            ResChannels = Size("init_conv.0.conv.weight_v", 0),
            SkipChannels = Size("final_conv.0.conv.weight_v", 0),
            DiffusionStepEmbedDimIn = Size("residual_layer.fc_t1.weight", 1),
            DiffusionStepEmbedDimMid = Size("residual_layer.fc_t1.weight", 0),
            DiffusionStepEmbedDimOut = Size("residual_layer.fc_t2.weight", 0),
            S4Lmax = longest,
            S4DState = Size(Kernel + "C", 2) * 2,
            S4Bidirectional = Size(Kernel + "C", 0) == 2,
            S4Layernorm = file.Contains(prefix + "residual_layer.residual_blocks.0.S41.norm_layer.weight"),
            LabelEmbedClasses = file.Contains(prefix + "embedding.weight") ? Size("embedding.weight", 0) : 0,
            LabelEmbedDim = file.Contains(prefix + "embedding.weight") ? Size("embedding.weight", 1) : new SssdDenoiserOptions().LabelEmbedDim,
        };
        options.Validate($"that {file.Path} implies");
        while (options.S4Lmax < length)
            options = options with { S4Lmax = options.S4Lmax * 2, SampleLength = Math.Min(length, options.S4Lmax * 2) };
        options.Validate($"that {file.Path} implies");
        return (options, prefix);

        int Size(string name, int dimension)
        {
            var shape = file.Contains(prefix + name) ? file.Describe(prefix + name).Shape : throw new InputException($"The file {file.Path} is no whole checkpoint of SSSD-ECG: {prefix + name} is missing.");
            return dimension < shape.Length && shape[dimension] is >= 1 and <= int.MaxValue
                ? (int)shape[dimension]
                : throw new InputException($"The file {file.Path} is no checkpoint of SSSD-ECG: {prefix + name} is [{string.Join(", ", shape)}].");
        }
    }

    /// <summary>Reads the network; the parameters are on the CPU, float32.</summary>
    /// <param name="path">The file.</param>
    /// <param name="sampleLength">Samples of each lead; null: as many as the kernels are long. Where it is more, the kernels are doubled.</param>
    /// <exception cref="InputException">The file is broken or another network.</exception>
    internal static SssdDenoiser Read(string path, int? sampleLength = null)
    {
        using var file = WeightFile.Open(path);
        var (options, prefix) = Describe(file, sampleLength);
        var stored = options with { S4Lmax = (int)(file.Describe(prefix + "residual_layer.residual_blocks.0.S41.s4_layer.kernel.kernel.omega").Shape[0] - 1) * 2 };
        stored = stored with { SampleLength = Math.Min(stored.SampleLength, stored.S4Lmax) };
        var network = Load(stored, name => file.Contains(prefix + name) ? file.Read(prefix + name) : null, path);
        try
        {
            CheckNodes(network, path);
            var own = network.Parameters().Select(p => prefix + p.Name).ToHashSet(StringComparer.Ordinal);
            if (file.Names.FirstOrDefault(n => !own.Contains(n)) is { } surplus)
                throw new InputException($"The file {path} holds '{FileFault.Shorten(surplus)}', which a network of SSSD-ECG has no place for.");
            while (network.Options.S4Lmax < options.S4Lmax)
                network = Doubled(network, path);
            return network.Options == options ? network : Replaced(network, options, path);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>The same network for sequences twice as long.</summary>
    private static SssdDenoiser Doubled(SssdDenoiser network, string path)
    {
        var longer = network.Options with { S4Lmax = network.Options.S4Lmax * 2 };
        var kernels = network.Kernels().ToDictionary(k => k.Name, k => k.Kernel, StringComparer.Ordinal);
        var (omega, z) = S4Kernel.Nodes(longer.S4Lmax);
        var own = network.Parameters().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        var result = Load(longer, name => name[(name.LastIndexOf('.') + 1)..] switch
        {
            "C" => kernels[name[..^2]].DoubledC(),
            "omega" => Tensor.From(omega, omega.Length / 2, 2),
            "z" => Tensor.From(z, z.Length / 2, 2),
            _ => own[name],
        }, path);
        network.Dispose();
        return result;
    }

    private static SssdDenoiser Replaced(SssdDenoiser network, SssdDenoiserOptions options, string path)
    {
        var own = network.Parameters().ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
        var result = Load(options, name => own[name].Detach(), path);
        network.Dispose();
        return result;
    }

    private static SssdDenoiser Load(SssdDenoiserOptions options, Func<string, Tensor?> source, string path)
    {
        var network = new SssdDenoiser(options);
        try
        {
            network.Load(source, path);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>The roots of unity are computed here and not read: a file that has others means another kernel.</summary>
    private static void CheckNodes(SssdDenoiser network, string path)
    {
        var (omega, _) = S4Kernel.Nodes(network.Options.S4Lmax);
        using var scope = new TensorScope();
        foreach (var (name, value) in network.Parameters().Where(p => p.Name.EndsWith(".omega", StringComparison.Ordinal)))
        {
            if (value.ToArray<float>().Zip(omega).Any(p => !(Math.Abs(p.First - p.Second) <= NodeTolerance)))
                throw new InputException($"The file {path} has a kernel of another length than its shapes imply: {name} does not hold the roots of unity of order {network.Options.S4Lmax}.");
        }
    }
}
