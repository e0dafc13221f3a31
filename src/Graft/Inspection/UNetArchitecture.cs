namespace Graft.Inspection;

/// <summary>One resolution of a U-Net.</summary>
/// <param name="Channels">Channels of its residual blocks.</param>
/// <param name="AttentionDown">Whether it attends on the way down.</param>
/// <param name="AttentionUp">Whether it attends on the way up.</param>
public sealed record UNetLevel(long Channels, bool AttentionDown, bool AttentionUp);

/// <summary>What the names and shapes of a U-Net's parameters tell about it.</summary>
public sealed record UNetArchitecture
{
    /// <summary>Channels of x_t.</summary>
    public required long InChannels { get; init; }

    /// <summary>Channels of the output.</summary>
    public required long OutChannels { get; init; }

    /// <summary>Levels, the highest resolution first.</summary>
    public required IReadOnlyList<UNetLevel> Levels { get; init; }

    /// <summary>Residual blocks of a level on the way down.</summary>
    public required int LayersPerBlock { get; init; }

    /// <summary>How levels are joined: <c>conv</c>, <c>resnet</c> or <c>none</c> (resampling without parameters).</summary>
    public required string Resampling { get; init; }

    /// <summary><c>positional</c>, <c>fourier</c> or <c>learned</c>.</summary>
    public required string TimeEmbedding { get; init; }

    /// <summary>Whether the time embedding scales and shifts (<c>scale_shift</c>), instead of being added (<c>default</c>).</summary>
    public required bool ScaleShift { get; init; }

    /// <summary>Classes that it can be asked for; null: it takes no labels.</summary>
    public long? Classes { get; init; }

    /// <summary>Whether the middle attends.</summary>
    public required bool MiddleAttention { get; init; }

    /// <summary>Whether the middle attention has a group norm of its own.</summary>
    public bool MiddleAttentionNorm { get; init; }

    /// <summary>Width of the context that attention looks at; null: it looks at none.</summary>
    public long? ContextWidth { get; init; }

    /// <summary>Transformer blocks of each attention layer; 0: they are plain attention.</summary>
    public int TransformerDepth { get; init; }

    /// <summary>Whether there are twice as many output channels as input channels: the second half is the variance.</summary>
    public bool LearnsVariance => OutChannels == 2 * InChannels;
}
