using Graft.Adapters;
using Graft.Conditions;
using Graft.Data;
using Graft.Data.Ecg;
using Graft.Diffusion;
using Graft.Formats;
using Graft.Formats.Diffusers;
using Graft.Formats.GuidedDiffusion;
using Graft.Networks;
using Graft.Sampling;
using Graft.Torch;
using Graft.Transfer;

namespace Graft;

/// <summary>
/// A denoiser with the noise schedule it was trained for: what is adapted, and what comes out of it. Every sampler can draw from it
/// and every metric can judge what was drawn.
/// </summary>
public sealed partial class DiffusionModel : IDisposable
{
    private readonly DiffusersConfiguration _configuration;
    private string? _sourceFingerprint;

    private DiffusionModel(DenoisingNetwork network, DiffusersConfiguration configuration, ItemShape shape, Device device, string origin)
    {
        _configuration = configuration;
        Network = network;
        Schedule = new NoiseSchedule(ScheduleOptions.FromJson(configuration.Scheduler));
        ItemShape = shape;
        Device = device;
        Origin = origin;
    }

    /// <summary>The network.</summary>
    public DenoisingNetwork Network { get; }

    /// <summary>The model as samplers see it.</summary>
    public IDenoiser Denoiser => Attachment?.Around(Network, Schedule) ?? Network;

    /// <summary>The schedule.</summary>
    public NoiseSchedule Schedule { get; }

    /// <summary>Shape of the items it makes.</summary>
    public ItemShape ItemShape { get; }

    /// <summary>Whether it makes pictures.</summary>
    public bool MakesPictures => Network.Options.MakesPictures;

    /// <summary>Shape of the pictures it makes.</summary>
    /// <exception cref="InputException">It makes something else.</exception>
    public ImageShape Shape => FirstStage is not null ? FirstStage.Options.PicturesOf(ItemShape, Origin)
        : MakesPictures ? new ImageShape((int)ItemShape.Sizes[0], (int)ItemShape.Sizes[1], (int)ItemShape.Sizes[2])
        : throw new InputException($"The model {Origin} ({Network.Options.ClassName}) makes items of {ItemShape}, which are no pictures: take a model of pictures for this.");

    /// <summary>Where it computes.</summary>
    public Device Device { get; }

    /// <summary>Where it came from, for messages.</summary>
    public string Origin { get; private init; }

    /// <summary>Where it was opened from, or null if it was made in memory.</summary>
    public string? SourcePath { get; private init; }

    /// <summary>The modules beside the network, where the model is an adapter of a frozen one; else null.</summary>
    public Attachment? Attachment { get; private set; }

    /// <summary>What it draws from, where it was tuned on condition pictures; else null.</summary>
    public ConditionTable? Conditions => Attachment?.Conditions;

    /// <summary>How it looks at its conditions while it draws.</summary>
    public ConditionOptions Conditioning { get; set; } = ConditionOptions.Default;

    /// <summary>What is known of the ECGs that it makes; null where it makes something else, or nobody has said.</summary>
    public EcgModelRecord? Ecg { get; internal set; }

    /// <summary>Number of classes that it can be asked for; 0: it takes no labels.</summary>
    public long Classes => Network.Options.Classes;

    /// <summary>Draws from other conditions from now on.</summary>
    /// <param name="conditions">Embeddings by the encoder that the model was tuned with.</param>
    /// <exception cref="InputException">The model takes none, or another encoder made them.</exception>
    public void ConditionOn(ConditionTable conditions)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        if (Conditions is not { } own)
            throw new InputException($"The model {Origin} takes no condition pictures: leave them out.");
        if (own.EncoderHash != conditions.EncoderHash)
            throw new InputException($"The conditions were encoded by {conditions.Encoder} and the model {Origin} was tuned with {own.Encoder}: their hashes differ, so encode them with the model's encoder{(own.EncoderPath is { } path ? $", which lay at {path}" : "")}.");
        Attachment!.Conditions = conditions;
    }

    /// <summary>SHA-256 over the names and values of all parameters, in lower-case hexadecimal: which weights these are, wherever they lie.</summary>
    public string Fingerprint() => WeightFingerprint.Of(Parameters());

    /// <summary>Whether a folder looks like a model that <see cref="Load"/> opens.</summary>
    public static bool Is(string folder) => ModelFolder.Is(folder) || AdapterFolder.Is(folder);

    /// <summary>The network's parameters and, after them, the adapter's.</summary>
    public IEnumerable<NamedTensor> Parameters() => Attachment is null ? Network.Parameters() : Network.Parameters().Concat(Attachment.Parameters());

    /// <summary>Opens a model: a diffusers folder, or an adapter's folder, which names its source.</summary>
    /// <param name="path">The folder, or the hub id of a model that was pulled (<see cref="Hub.ModelReference"/>).</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <param name="source">Where an adapter's source model lies, if not where the folder says.</param>
    /// <exception cref="InputException">There is none, or it is broken.</exception>
    public static DiffusionModel Load(string path, Device device = default, string? source = null)
    {
        path = Hub.ModelReference.Resolve(path);
        if (AdapterFolder.Is(path))
            return LoadAdapter(AdapterFolder.Read(path), source, device);
        if (!Directory.Exists(path))
            throw new InputException(File.Exists(path) ? BareFile.Refusal(path) : $"There is no model at {path}: give a folder with unet/ and scheduler/.");
        if (!ModelFolder.Is(path))
            throw new InputException($"The folder {path} holds no model: unet/config.json is missing.");
        return TorchRuntime.Run(() =>
        {
            var (network, configuration) = ModelFolder.Read(path);
            var model = Finish(network, configuration, device, path, path, FirstStageFolder.Read(path));
            model.Ecg = EcgModelRecord.Read(path);
            return model;
        });
    }

    /// <summary>
    /// Opens a model of openai's guided- or improved-diffusion: bare weights, and the flags that say what their shapes do not show. The
    /// schedule has openai's double precision (<see cref="ScheduleOptions.BetaPrecision"/>), which a folder that is saved keeps.
    /// </summary>
    /// <param name="path">The file: <c>.pt</c> or <c>.safetensors</c> under openai's names.</param>
    /// <param name="flags">The flags it was trained with (<see cref="GuidedDiffusionFlags.Parse"/>); null: those that a file written by Graft carries.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is broken or another network, or a flag is missing or contradicts a shape.</exception>
    public static DiffusionModel LoadGuidedDiffusion(string path, GuidedDiffusionFlags? flags = null, Device device = default)
    {
        using var file = GuidedDiffusionFile.Open(path);
        var model = file.Describe(flags);
        var schedule = model.Schedule with { BetaPrecision = BetaPrecision.Double };
        return TorchRuntime.Run(() => Finish(file.Read(model), DiffusersFolder.Configure(model.Options, schedule), device, path));
    }

    /// <summary>Opens a checkpoint of SSSD-ECG, whose architecture follows from its shapes.</summary>
    /// <param name="path">The file, <c>.pkl</c> as published, or safetensors under the same names.</param>
    /// <param name="schedule">The schedule it was trained with; null: the published one, <see cref="SssdCheckpoint.Schedule"/>.</param>
    /// <param name="sampleLength">Samples of each lead; null: as many as the kernels are long (1000 of the published one). Where it is more, the kernels are doubled.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The file is broken or another network.</exception>
    public static DiffusionModel LoadSssd(string path, ScheduleOptions? schedule = null, int? sampleLength = null, Device device = default) => TorchRuntime.Run(() =>
    {
        var network = SssdCheckpoint.Read(path, sampleLength);
        var model = Finish(network, ModelFolder.Configure(network.Options, schedule ?? SssdCheckpoint.Schedule), device, path);
        model.Ecg = SssdCheckpoint.PublishedRecord(network.Options);
        return model;
    });

    /// <summary>Makes a new model with initial weights.</summary>
    /// <param name="network">The architecture; the shape of its items must be set.</param>
    /// <param name="schedule">The noise schedule.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="device">Where it is to compute; the CPU if not given.</param>
    /// <exception cref="InputException">The architecture does not say of which shape its items are.</exception>
    public static DiffusionModel Create(DenoiserOptions network, ScheduleOptions schedule, long seed, Device device = default) =>
        TorchRuntime.Run(() =>
        {
            var made = network.Build();
            made.Initialise(seed);
            return Finish(made, ModelFolder.Configure(network, schedule), device, "a new model");
        });

    /// <summary>
    /// A model of the same architecture, schedule and weights that shares nothing with this one. An adapter is worked into the weights,
    /// so that the copy stands on its own.
    /// </summary>
    /// <exception cref="InputException">The adapter cannot be worked into the weights.</exception>
    public DiffusionModel Clone() => TorchRuntime.Run(() =>
    {
        if (Attachment is { CanMerge: false } fixedBeside)
            throw new InputException($"The model {Origin} is an adapter of kind {fixedBeside.Kind}, which cannot be worked into its source's weights: start from the source.");
        var network = Network.CreateSame();
        network.MoveTo(Device);
        var own = Network.Parameters().ToDictionary(p => p.Name, p => p.Value);
        network.Load(name => own[name].Detach(), Origin);
        Attachment?.MergeInto(network);
        return new DiffusionModel(network, _configuration, ItemShape, Device, Origin) { SourcePath = SourcePath, Ecg = Ecg, FirstStage = FirstStage?.Copy() };
    });

    /// <summary>Takes over what is known of the ECGs that it is trained on; of other items it does nothing.</summary>
    internal void Learns(ISampleSource data)
    {
        if (data is EcgItems ecgs && ecgs.ItemShape == ItemShape)
            Ecg = EcgModelRecord.Of(ecgs.Set);
    }

    /// <summary>Writes the model: as a diffusers folder, or as an adapter's, which names its source.</summary>
    public void Save(string folder) => TorchRuntime.Run(() =>
    {
        if (Attachment is null)
            ModelFolder.Write(folder, Network, _configuration);
        else
            AdapterFolder.Write(folder, Attachment, SourcePath, _sourceFingerprint!);
        if (Attachment is null && FirstStage is not null)
            FirstStageFolder.Write(folder, FirstStage);
        Ecg?.Write(folder);
    });

    /// <summary>Puts trained modules beside the network, which stays frozen; from now on the model is an adapter of what it was.</summary>
    /// <exception cref="InvalidOperationException">The model is an adapter already.</exception>
    internal void Attach(Attachment attachment)
    {
        if (Attachment is not null)
            throw new InvalidOperationException("The model is an adapter already.");
        _sourceFingerprint = Fingerprint();
        TorchRuntime.Run(() =>
        {
            attachment.MoveTo(Device);
            attachment.Attach();
        });
        Attachment = attachment;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Attachment?.Dispose();
        Network.Dispose();
        FirstStage?.Dispose();
    }

    private static DiffusionModel LoadAdapter(AdapterConfiguration configuration, string? given, Device device)
    {
        var path = configuration.FindSource(given);
        DiffusionModel source;
        try
        {
            source = Load(path, device);
        }
        catch (InputException e)
        {
            throw new InputException($"The adapter {configuration.Folder} belongs to the source model {path}, which cannot be opened: {e.Message} Name another place with --source.", e);
        }

        try
        {
            if (source.Attachment is not null)
                throw new InputException($"The adapter {configuration.Folder} names as its source {path}, which is an adapter itself.");
            if (configuration.Fingerprint is { } due && source.Fingerprint() != due)
                throw new InputException($"The adapter {configuration.Folder} belongs to other weights than those of {path} (their SHA-256 differs): name its source model with --source.");
            source.Attach(TorchRuntime.Run(() =>
            {
                var attachment = TransferMethods.RestoreAttachment(configuration.Kind, source.Network, configuration.Json, configuration.Folder);
                AdapterFolder.Load(configuration.Folder, attachment);
                return attachment;
            }));
            return source.Named(configuration.Folder);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private DiffusionModel Named(string origin) => new(Network, _configuration, ItemShape, Device, origin)
    {
        SourcePath = SourcePath, Attachment = Attachment, _sourceFingerprint = _sourceFingerprint, Ecg = EcgModelRecord.Read(origin) ?? Ecg, FirstStage = FirstStage,
    };

    private static DiffusionModel Finish(
        DenoisingNetwork network, DiffusersConfiguration configuration, Device device, string origin, string? path = null, VqAutoencoder? firstStage = null)
    {
        try
        {
            network.MoveTo(device);
            firstStage?.MoveTo(device);
            var shape = network.Options.ShapeOf(origin);
            _ = firstStage?.Options.PicturesOf(shape, origin); // refuses what does not belong together
            return new DiffusionModel(network, configuration, shape, device, origin) { SourcePath = path, FirstStage = firstStage };
        }
        catch
        {
            network.Dispose();
            firstStage?.Dispose();
            throw;
        }
    }
}
