using Graft.Torch;

namespace Graft.Diagnostics;

/// <summary>Looks at what is installed, measures it, and tests that it computes what it should.</summary>
public static class Doctor
{
    /// <summary>
    /// Examines this machine, one finding after the other (a few seconds in all). A check that cannot run is a finding too: nothing is thrown.
    /// </summary>
    public static IEnumerable<Finding> Examine()
    {
        foreach (var finding in SystemChecks.All())
            yield return finding;
        yield return Guarded("picture codecs", SelfTest.Codecs);
        yield return Guarded("keyed random", SelfTest.KeyedNumbers);

        var torch = Guarded("libtorch", TorchChecks.Version);
        yield return torch;
        if (torch.Status == FindingStatus.Fail)
            yield break;
        yield return Guarded("BLAS", TorchChecks.Blas);
        yield return Guarded("matrix product", TorchChecks.MatrixProduct);
        yield return Guarded("threads", TorchChecks.Threads);
        yield return Guarded("devices", TorchChecks.Devices);
        yield return Guarded("U-Net", SelfTest.UNet);
        yield return Guarded("keyed tensors", SelfTest.KeyedTensors);
        yield return Guarded("safetensors", SelfTest.Safetensors);
        for (var i = 0; i < TorchRuntime.DeviceCount(DeviceType.Cuda); i++)
        {
            var device = new Device(DeviceType.Cuda, i);
            yield return Guarded(device.ToString(), () => DeviceTest.Of(device));
        }
    }

    /// <summary>What does not load or work is what a doctor is for, whatever it throws.</summary>
    private static Finding Guarded(string name, Func<Finding> check)
    {
        try
        {
            return check();
        }
        catch (GraftException e)
        {
            return Finding.Fail(name, e.Message, "Do what the message says, then run the check again.");
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            return Finding.Fail(name, $"a native library does not fit this program: {e.Message}", "Run ./graft once, which builds the native libraries anew.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Finding.Fail(name, e.Message, "Check the temporary folder (TMPDIR) and its rights.");
        }
    }
}
