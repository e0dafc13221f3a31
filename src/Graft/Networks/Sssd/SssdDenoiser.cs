using Graft.Diffusion;
using Graft.Networks.SssdParts;
using Graft.Torch;

namespace Graft.Networks;

/// <summary>
/// SSSD-ECG (Alcaraz and Strodthoff: "Diffusion-based conditional ECG generation with structured state space models", Computers in Biology
/// and Medicine 2023): a WaveNet of residual blocks, each of two S4 layers (Gu et al. 2022), for recordings [N, leads, samples] and
/// sets of labels. Parameters have the published checkpoint's names.
/// </summary>
public sealed class SssdDenoiser : DenoisingNetwork
{
    private readonly NormedConv1d _in;
    private readonly Embedding? _labels;
    private readonly Linear _step1;
    private readonly Linear _step2;
    private readonly List<SssdBlock> _blocks = [];
    private readonly NormedConv1d _mixed;
    private readonly Conv1d _out;

    /// <summary>Builds the network; parameters are zero until they are initialised or loaded.</summary>
    public SssdDenoiser(SssdDenoiserOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        _in = Add("init_conv.0.conv", new NormedConv1d(options.InChannels, options.ResChannels, 1));
        _labels = options.LabelEmbedClasses > 0 ? Add("embedding", new Embedding(options.LabelEmbedClasses, options.LabelEmbedDim)) : null;
        _step1 = Add("residual_layer.fc_t1", new Linear(options.DiffusionStepEmbedDimIn, options.DiffusionStepEmbedDimMid));
        _step2 = Add("residual_layer.fc_t2", new Linear(options.DiffusionStepEmbedDimMid, options.DiffusionStepEmbedDimOut));
        for (var i = 0; i < options.NumResLayers; i++)
            _blocks.Add(Add($"residual_layer.residual_blocks.{i}", new SssdBlock(options)));
        _mixed = Add("final_conv.0.conv", new NormedConv1d(options.SkipChannels, options.SkipChannels, 1));
        _out = Add("final_conv.2.conv", new Conv1d(options.SkipChannels, options.InChannels, 1, startsAtZero: true));
    }

    /// <inheritdoc/>
    public override SssdDenoiserOptions Options { get; }

    /// <inheritdoc/>
    internal override bool HasBlocks => true;

    /// <summary>All but the state matrices and step sizes of the S4 layers, which stay as they were drawn, as in the published training.</summary>
    public override IEnumerable<NamedTensor> TrainableParameters() => Parameters().Where(p => !S4Kernel.IsFixed(p.Name));

    /// <summary>The prediction for recordings x_t.</summary>
    /// <param name="x">[N, leads, samples], at most <c>s4_lmax</c> samples.</param>
    /// <param name="t">Time steps, int64 [N].</param>
    /// <param name="condition">Sets of labels, float [N, classes] of zeros and ones; or one class each, int64 [N].</param>
    /// <returns>[N, leads, samples].</returns>
    /// <exception cref="InputException">The network takes labels and none were given, or the recordings are too long.</exception>
    public override Tensor Predict(Tensor x, Tensor t, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(t);
        var type = x.Type;
        var label = _labels is null ? null : Recomputation.Of(
            _ => _labels.OfLabels(condition?.ClassLabels ?? throw new InputException("The network is conditioned on labels: give some (none at all is a row of zeros)."), type));
        var step = Recomputation.Of(given => StepOf(given[0], type), t);
        var h = Functional.Relu(_in.Forward(x));
        Tensor? sum = null;
        foreach (var block in _blocks)
        {
            // What is used up goes at once; what gradients need of it, their operators hold.
            var (next, skip) = block.Forward(h, step, label);
            h.Dispose();
            h = next;
            if (sum is null)
            {
                sum = skip;
                continue;
            }

            var before = sum;
            sum = before + skip;
            before.Dispose();
            skip.Dispose();
        }

        return TensorScope.Of(() => _out.Forward(Functional.Relu(_mixed.Forward(sum! * Math.Sqrt(1.0 / _blocks.Count)))));
    }

    private Tensor StepOf(Tensor t, DType type)
    {
        var step = PositionalEmbedding.Of(t, Options.DiffusionStepEmbedDimIn, cosineFirst: false, shift: 1).To(type);
        return Functional.Silu(_step2.Forward(Functional.Silu(_step1.Forward(step))));
    }

    /// <summary>The S4 layers' kernels, by the names of the modules that hold them.</summary>
    internal IEnumerable<(string Name, S4Kernel Kernel)> Kernels() =>
        Modules().Where(m => m.Module is S4Kernel).Select(m => (m.Name, (S4Kernel)m.Module));
}
