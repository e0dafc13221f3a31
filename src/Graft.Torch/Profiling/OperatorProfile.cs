using System.Runtime.InteropServices;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>What one operator, or one backward function, took in one region.</summary>
/// <param name="Name">libtorch's name, as <c>aten::add</c>; empty: outside of all operators (bytes alone).</param>
/// <param name="Region">An index of <see cref="OperatorProfile.Regions"/>.</param>
/// <param name="Backward">Whether a backward pass called it.</param>
/// <param name="Calls">How often.</param>
/// <param name="Seconds">Less what it called itself; convolutions and products of matrices keep that, so that it fits their operations.</param>
/// <param name="Bytes">Allocated in it, whatever was given back.</param>
/// <param name="Operations">Of convolutions and products of matrices, 2 for each multiply-add; else 0.</param>
public sealed record ProfiledOperator(string Name, int Region, bool Backward, long Calls, double Seconds, long Bytes, double Operations);

/// <summary>A part of the work that has a name, as a module's pass.</summary>
/// <param name="Label">The name; the whole's is empty.</param>
/// <param name="Parent">The region around it, an index; -1: it is the whole.</param>
/// <param name="Held">Bytes at its end less those at its beginning, over all its passes.</param>
/// <param name="Peak">Most bytes that were held at once during it, by whatever.</param>
/// <param name="BackwardPeak">The same during its backward functions.</param>
public sealed record ProfiledRegion(string Label, int Parent, long Held, long Peak, long BackwardPeak);

/// <summary>
/// Times every operator on this thread, and those of the backward passes it begins, and counts their operations and bytes: by libtorch's own
/// observers, which are there only as long as the profile. One at a time; inside <see cref="TorchRuntime.Run{T}"/>. On a processor alone: a
/// GPU's kernels run on after their operator returned.
/// </summary>
public sealed class OperatorProfile : IDisposable
{
    private static OperatorProfile? _current;
    private readonly AllocationMeter _meter;
    private readonly Dictionary<Module, string> _names = [];
    private bool _ended;

    /// <summary>Begins.</summary>
    /// <param name="root">Passes of modules below it become regions, by their dotted names; null: none do.</param>
    /// <exception cref="TorchException">Another one observes or counts.</exception>
    public OperatorProfile(Module? root = null)
    {
        _meter = new AllocationMeter();
        foreach (var (name, module) in root?.Modules() ?? [])
            _names[module] = name;
        if (NativeMethods.graft_profile_begin() < 0)
        {
            var error = TorchException.Last();
            _meter.Dispose();
            throw error;
        }

        _current = this;
    }

    /// <summary>What was called, in no order; empty until <see cref="End"/>.</summary>
    public IReadOnlyList<ProfiledOperator> Operators { get; private set; } = [];

    /// <summary>The regions; the first is the whole. Empty until <see cref="End"/>.</summary>
    public IReadOnlyList<ProfiledRegion> Regions { get; private set; } = [];

    /// <summary>Most bytes at once, beside those that were there at the beginning; 0 until <see cref="End"/>.</summary>
    public long Peak { get; private set; }

    /// <summary>A module's pass is a region while a profile of a network runs that it belongs to; otherwise this does nothing.</summary>
    public static ProfileRegion Region(Module module) =>
        _current is { } profile && profile._names.TryGetValue(module, out var name) && name.Length > 0 ? ProfileRegion.Enter(name) : default;

    /// <summary>The work until the region's end has a name while a profile runs; otherwise this does nothing.</summary>
    public static ProfileRegion Region(string label) => _current is null ? default : ProfileRegion.Enter(label);

    /// <summary>Ends: observers are gone, and what was seen can be read.</summary>
    public unsafe void End()
    {
        if (_ended)
            return;
        _ended = true;
        _current = null;
        Peak = _meter.Read().Peak;
        NativeProfileRow* rows;
        NativeProfileRegion* regions;
        int rowCount, regionCount;
        var failed = NativeMethods.graft_profile_end(&rows, &rowCount, &regions, &regionCount) < 0;
        _meter.Dispose();
        if (failed)
            throw TorchException.Last();
        var operators = new ProfiledOperator[rowCount];
        for (var i = 0; i < rowCount; i++)
        {
            ref readonly var r = ref rows[i];
            operators[i] = new ProfiledOperator(Text(r.Name), r.Region, r.Backward != 0, r.Calls, r.Nanoseconds / 1e9, r.Bytes, r.Operations);
        }

        var named = new ProfiledRegion[regionCount];
        for (var i = 0; i < regionCount; i++)
        {
            ref readonly var r = ref regions[i];
            named[i] = new ProfiledRegion(Text(r.Label), r.Parent, r.Held, r.Peak, r.BackwardPeak);
        }

        (Operators, Regions) = (operators, named);
    }

    /// <inheritdoc/>
    public void Dispose() => End();

    private static unsafe string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}

/// <summary>Ends a region (<see cref="OperatorProfile.Region(Module)"/>) when it is disposed.</summary>
public readonly ref struct ProfileRegion
{
    private readonly bool _open;

    private ProfileRegion(bool open) => _open = open;

    /// <summary>Ends it.</summary>
    /// <exception cref="TorchException">The profile ended first.</exception>
    public void Dispose()
    {
        if (_open && NativeMethods.graft_profile_leave() < 0)
            throw TorchException.Last();
    }

    internal static ProfileRegion Enter(string label) =>
        NativeMethods.graft_profile_enter(label) < 0 ? throw TorchException.Last() : new ProfileRegion(open: true);
}
