using System.Runtime.InteropServices;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>libtorch refused an operation; the message names the operator, the shapes and what was expected.</summary>
public sealed class TorchException : GraftException
{
    /// <summary>Creates the exception with its sentence.</summary>
    public TorchException(string message)
        : base(message)
    {
    }

    internal static unsafe TorchException Last() =>
        new(Marshal.PtrToStringUTF8((nint)NativeMethods.graft_last_error()) ?? "an unknown native error");
}
