namespace Graft.Torch;

/// <summary>Kinds of device. The values are those of libtorch's <c>c10::DeviceType</c>.</summary>
public enum DeviceType
{
    /// <summary>The processor.</summary>
    Cpu = 0,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda = 1,
}

/// <summary>Where a tensor lives.</summary>
/// <param name="Type">The kind of device.</param>
/// <param name="Index">Which of them.</param>
public readonly record struct Device(DeviceType Type, int Index = 0)
{
    /// <summary>The processor.</summary>
    public static Device Cpu => new(DeviceType.Cpu);

    /// <summary>Reads <c>cpu</c>, <c>cuda</c>, <c>cuda:1</c> or <c>auto</c> (a GPU if libtorch sees one, else the processor).</summary>
    /// <exception cref="InputException">The text is none of these, or the device is not there.</exception>
    public static Device Parse(string text)
    {
        if (text == "cpu")
            return Cpu;
        if (text == "auto")
            return TorchRuntime.DeviceCount(DeviceType.Cuda) > 0 ? new Device(DeviceType.Cuda) : Cpu;
        var index = 0;
        if (text != "cuda" && !(text.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(text.AsSpan(5), out index)))
            throw new InputException($"The device '{text}' is unknown: give cpu, cuda, cuda:N or auto.");
        var count = TorchRuntime.DeviceCount(DeviceType.Cuda);
        if (index < 0 || index >= count)
            throw new InputException($"The device '{text}' is not there: this libtorch sees {count} CUDA devices.");
        return new Device(DeviceType.Cuda, index);
    }

    /// <inheritdoc/>
    public override string ToString() => Type == DeviceType.Cpu ? "cpu" : $"cuda:{Index}";

    internal long Packed => ((long)Type << 32) | (uint)(Type == DeviceType.Cpu ? -1 : Index);
}
