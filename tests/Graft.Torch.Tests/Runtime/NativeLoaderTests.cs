using System.Reflection;
using System.Runtime.Loader;
using Graft.Torch;

namespace Graft.Tests;

/// <summary>Start-up, seen in further copies of the assembly: each has a loader and a thread of its own.</summary>
public class NativeLoaderTests
{
    [Fact]
    public void Looking_loads_nothing()
    {
        var copy = new Copy(AppContext.BaseDirectory);
        copy.Get("IsLoaded").ShouldBe(false);
        copy.Get("LiveTensors").ShouldBe(0L);
        copy.Get("LeakedTensors").ShouldBe(0L);
        copy.Get("Threads").ShouldBe(TorchRuntime.Threads);
        copy.Set("Threads", 1);
        copy.Get("IsLoaded").ShouldBe(false);
        ((string)copy.Get("Version")!).ShouldNotBeEmpty();
        copy.Get("IsLoaded").ShouldBe(true);
    }

    [Fact]
    public void A_missing_library_is_one_sentence_each_time()
    {
        using var folder = new TemporaryFolder();
        var copy = new Copy(folder.Path);
        var messages = Enumerable.Range(0, 3).Select(_ => copy.Failure("Version")).ToArray();
        messages[0].ShouldBe(
            $"The native library {folder["libgraft_torch.so"]} is missing: run ./graft once, which builds it, or build native/ with CMake and copy it there.");
        messages.Distinct().Count().ShouldBe(1);
        copy.Get("IsLoaded").ShouldBe(false);
        copy.Get("LiveTensors").ShouldBe(0L);
    }

    [Fact]
    public void A_library_that_cannot_be_loaded_is_one_sentence_each_time()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["libgraft_torch.so"], "no library");
        var copy = new Copy(folder.Path);
        var messages = Enumerable.Range(0, 2).Select(_ => copy.Failure("BuildInformation")).ToArray();
        messages[0].ShouldStartWith("libtorch could not be loaded (");
        messages[0].ShouldContain("libgraft_torch.so");
        messages[0].ShouldContain("): install libtorch-dev");
        messages[0].ShouldNotContain("strace");
        messages[0].ShouldNotContain("\n");
        messages.Distinct().Count().ShouldBe(1);
        copy.Get("IsLoaded").ShouldBe(false);
    }

    private sealed class Copy
    {
        private readonly Type _runtime;

        public Copy(string libraries)
        {
            var context = new AssemblyLoadContext("copy", isCollectible: false);
            var assembly = context.LoadFromAssemblyPath(typeof(Tensor).Assembly.Location);
            _runtime = assembly.GetType("Graft.Torch.TorchRuntime", throwOnError: true)!;
            assembly.GetType("Graft.Torch.Native.NativeLoader", throwOnError: true)!
                .GetProperty("Folder", BindingFlags.Static | BindingFlags.NonPublic)!.SetValue(null, libraries);
        }

        public object? Get(string property) =>
            _runtime.GetProperty(property)!.GetMethod!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null);

        public void Set(string property, object value) => _runtime.GetProperty(property)!.SetValue(null, value);

        /// <summary>The exception's sentence; a hang is a failure.</summary>
        public string Failure(string property)
        {
            Exception? error = null;
            var thread = new Thread(() => error = Record.Exception(() => Get(property)));
            thread.Start();
            thread.Join(TimeSpan.FromSeconds(20)).ShouldBeTrue("a second attempt hangs");
            error.ShouldNotBeNull().GetType().FullName.ShouldBe("Graft.GraftException");
            return error.Message;
        }
    }
}
