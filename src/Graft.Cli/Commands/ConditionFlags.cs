using System.CommandLine;
using Graft.Conditions;
using Graft.Data;
using Graft.Sampling;

namespace Graft.Cli.Commands;

/// <summary>The options of models that were tuned on condition pictures (ANL), for every command that draws from a model.</summary>
internal sealed class ConditionFlags
{
    private readonly Option<string?> _pictures = new("--condition") { Description = "A folder of pictures to draw from, in place of those that the model was tuned on." };
    private readonly Option<string?> _encoder = new("--encoder") { Description = "What encodes them: a folder or file of CLIP, a hub id, or a classifier's folder; without it where the model's record says." };
    private readonly Option<double> _rate = new("--mask-rate") { Description = "Masked sampling: the share of each condition's elements set to zero, 0 to below 1.", DefaultValueFactory = _ => 0 };
    private readonly Option<bool> _perStep = new("--mask-per-step") { Description = "Draw masks anew at every step (default: once for each sample).", DefaultValueFactory = _ => false };
    private readonly Option<bool> _rescale = new("--mask-rescale") { Description = "Divide what a mask leaves by 1 - rate (default: no).", DefaultValueFactory = _ => false };
    private readonly Option<double> _guidance = new("--guidance") { Description = "Scale of classifier-free guidance, for a model tuned with condition_dropout; 1 is none.", DefaultValueFactory = _ => 1 };

    private Option[] All => [_pictures, _encoder, _rate, _perStep, _rescale, _guidance];

    internal void AddTo(Command command)
    {
        foreach (var option in All)
            command.Add(option);
    }

    /// <summary>Whether any was given.</summary>
    internal bool AreGiven(ParseResult parsed) => All.Any(option => parsed.GetResult(option) is { Implicit: false });

    /// <summary>Tells a model what was asked for.</summary>
    /// <exception cref="InputException">The model takes no conditions, or another encoder's.</exception>
    internal void Apply(ParseResult parsed, DiffusionModel model, CancellationToken token)
    {
        model.Conditioning = new ConditionOptions
        {
            MaskRate = parsed.GetValue(_rate), MaskPerStep = parsed.GetValue(_perStep), MaskRescale = parsed.GetValue(_rescale), GuidanceScale = parsed.GetValue(_guidance),
        };
        if (parsed.GetValue(_pictures) is not { } folder)
        {
            if (parsed.GetValue(_encoder) is not null)
                throw new InputException("--encoder encodes the pictures of --condition, which is missing.");
            return;
        }

        if (model.Conditions is not { } own)
            throw new InputException($"The model {model.Origin} takes no condition pictures: leave out --condition.");
        var path = parsed.GetValue(_encoder) ?? own.EncoderPath
            ?? throw new InputException($"The model {model.Origin} does not say where its encoder lies ({own.Encoder}): name it with --encoder.");
        using var encoder = ConditionEncoders.Load(path, model.Device);
        model.ConditionOn(ConditionTable.Encode(encoder, ImageFolder.Open(folder, model.Shape, null, Terminal.Warning, token), path));
    }
}
