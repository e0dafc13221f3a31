using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Graft.Data;
using Graft.Diffusion;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// The architecture of a network that denoises, as the <c>config.json</c> of a model's folder holds it. A new kind of network is a record
/// of these options, a <see cref="DenoisingNetwork"/>, and a line in <see cref="DenoisingNetworks"/>.
/// </summary>
public abstract record DenoiserOptions
{
    /// <summary><c>_class_name</c>: which kind of network it is.</summary>
    [JsonIgnore]
    public abstract string ClassName { get; }

    /// <summary>Whether the network takes class labels or embeddings.</summary>
    [JsonIgnore]
    public abstract bool IsClassConditional { get; }

    /// <summary>Number of classes that it can be asked for; 0: it takes no labels.</summary>
    [JsonIgnore]
    public abstract long Classes { get; }

    /// <summary>Whether an item may have any number of labels, which are then given as sets, [N, classes] of zeros and ones.</summary>
    [JsonIgnore]
    public virtual bool TakesLabelSets => false;

    /// <summary>Whether its items are pictures, [C, H, W] in [-1, 1].</summary>
    [JsonIgnore]
    public virtual bool MakesPictures => false;

    /// <summary>Channels of x_t, and of the output: twice as many where the variance is learned.</summary>
    public abstract (long Input, long Output) Channels();

    /// <summary>The shape of the items.</summary>
    /// <param name="origin">Where the options are from, for messages.</param>
    /// <exception cref="InputException">The options do not say, or what they say is no shape.</exception>
    public abstract ItemShape ShapeOf(string origin);

    /// <summary>The configuration, over the keys that were read (which are kept).</summary>
    /// <param name="read">What was read; null: nothing.</param>
    public abstract JsonObject ToJson(JsonObject? read = null);

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    public abstract DenoisingNetwork Build();

    /// <summary>
    /// Names and shapes of parameters that every other size follows from. They are compared with a file before anything is allocated: a
    /// configuration that claims more than the file holds must not cost memory.
    /// </summary>
    internal virtual IEnumerable<(string Name, long[] Shape)> KeyParameters() => [];
}

/// <summary>A network that denoises: a module with its options, which <see cref="DiffusionModel"/> makes, copies, saves and loads.</summary>
public abstract class DenoisingNetwork : Module, IDenoiser
{
    /// <summary>The architecture.</summary>
    public abstract DenoiserOptions Options { get; }

    /// <summary>Whether it consists of blocks that run by <see cref="Recomputation"/>, so that they can be computed again in the backward pass.</summary>
    internal virtual bool HasBlocks => false;

    /// <summary>Every parameter that training changes: all but what is drawn once and stays.</summary>
    public virtual IEnumerable<NamedTensor> TrainableParameters() => Parameters();

    /// <inheritdoc/>
    public abstract Tensor Predict(Tensor x, Tensor t, Condition? condition = null);

    /// <summary>A network with the same parameters by name and shape, on the CPU; they are zero.</summary>
    public virtual DenoisingNetwork CreateSame() => Options.Build();
}
