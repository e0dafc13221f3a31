using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Graft.Torch.Native;

namespace Graft.Torch;

/// <summary>
/// An operator of libtorch's dispatcher, found by name on first use and called boxed.
/// Arguments are checked and coerced against the operator's schema; those left out take their defaults.
/// Keyword-only arguments follow the positional ones in the schema's order.
/// </summary>
public sealed unsafe class Operator
{
    private const int ScratchSize = 1024;
    private const int MaxResults = 8;
    private readonly string _name;
    private readonly string _overload;
    private nint _handle;

    /// <summary>Names an operator.</summary>
    /// <param name="name">Name with namespace, as <c>aten::conv2d</c>.</param>
    /// <param name="overload">The overload's name; empty for the default one.</param>
    public Operator(string name, string overload = "")
    {
        _name = name;
        _overload = overload;
    }

    /// <summary>The operator's schema as libtorch prints it.</summary>
    public string Schema => Marshal.PtrToStringUTF8((nint)NativeMethods.graft_operator_schema(Find()))!;

    /// <summary>Calls an operator that returns one tensor.</summary>
    /// <exception cref="TorchException">The arguments do not fit, or libtorch refused.</exception>
    public Tensor Call(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[MaxResults];
        var count = Invoke(arguments, results);
        if (count < 1 || results[0].Kind != NativeKind.Tensor)
        {
            ReleaseAll(results, count);
            throw new TorchException($"{_name} gave no tensor first: it was called as one that does [schema: {Schema}]");
        }

        for (var i = 1; i < count; i++)
            Release(results[i]);
        return Tensor.Wrap(results[0].Pointer);
    }

    /// <summary>Calls an operator that returns a fixed number of tensors, or one list of tensors.</summary>
    /// <exception cref="TorchException">The arguments do not fit, libtorch refused, or a result is no tensor.</exception>
    public Tensor[] CallMany(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[MaxResults];
        var count = Invoke(arguments, results);
        if (count == 1 && results[0].Kind == NativeKind.Tensors)
        {
            var list = new Tensor[results[0].Count];
            for (var i = 0; i < list.Length; i++)
                list[i] = Tensor.Wrap(((nint*)results[0].Pointer)[i]);
            NativeMethods.graft_free((void*)results[0].Pointer);
            return list;
        }

        for (var i = 0; i < count; i++)
        {
            if (results[i].Kind == NativeKind.Tensor)
                continue;
            ReleaseAll(results, count); // leaving one out would shift those behind it
            throw new TorchException($"{_name} gave no tensor as its result {i} [schema: {Schema}]");
        }

        var tensors = new Tensor[count];
        for (var i = 0; i < count; i++)
            tensors[i] = Tensor.Wrap(results[i].Pointer);
        return tensors;
    }

    /// <summary>Calls an operator that returns one int.</summary>
    /// <exception cref="TorchException">The arguments do not fit, libtorch refused, or the result is no int.</exception>
    public long CallInteger(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[MaxResults];
        var count = Invoke(arguments, results);
        if (count == 1 && results[0].Kind == NativeKind.Int)
            return results[0].Int;
        ReleaseAll(results, count);
        throw new TorchException($"{_name} gave no int: it was called as one that does [schema: {Schema}]");
    }

    /// <summary>Calls an operator for its effect (an in-place one).</summary>
    /// <exception cref="TorchException">The arguments do not fit, or libtorch refused.</exception>
    public void Apply(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc NativeValue[MaxResults];
        var count = Invoke(arguments, results);
        ReleaseAll(results, count);
        foreach (var argument in arguments)
            (argument.Reference as Tensor)?.Forget();
    }

    private static void ReleaseAll(NativeValue* results, int count)
    {
        for (var i = 0; i < count; i++)
            Release(results[i]);
    }

    private static void Release(NativeValue value)
    {
        if (value.Kind == NativeKind.Tensor)
            NativeMethods.graft_tensor_release(value.Pointer);
        if (value.Kind != NativeKind.Tensors)
            return;
        for (var i = 0; i < value.Count; i++)
            NativeMethods.graft_tensor_release(((nint*)value.Pointer)[i]);
        NativeMethods.graft_free((void*)value.Pointer);
    }

    private nint Find()
    {
        if (_handle != 0)
            return _handle;
        TorchRuntime.VerifyThread();
        _handle = NativeMethods.graft_find_operator(_name, _overload);
        return _handle != 0 ? _handle : throw TorchException.Last();
    }

    [SkipLocalsInit]
    private int Invoke(ReadOnlySpan<Argument> arguments, NativeValue* results)
    {
        TorchRuntime.VerifyThread();
        var handle = Find();
        var values = stackalloc NativeValue[arguments.Length];
        var scratch = stackalloc byte[ScratchSize];
        var used = 0;
        List<nint>? spilled = null;
        try
        {
            for (var i = 0; i < arguments.Length; i++)
            {
                ref readonly var argument = ref arguments[i];
                values[i] = new NativeValue { Kind = argument.Kind, Int = argument.Bits };
                if (argument.Kind == NativeKind.Tensor)
                    values[i].Pointer = ((Tensor)argument.Reference!).Handle; // throws here if it was disposed meanwhile
                else if (argument.Reference is not null)
                    values[i].Pointer = CopyList(argument.Reference, out values[i].Count, scratch, ref used, ref spilled);
            }

            var count = NativeMethods.graft_call(handle, Autograd.IsEnabled ? 1 : 0, values, arguments.Length, results, MaxResults);
            return count >= 0 ? count : throw TorchException.Last();
        }
        finally
        {
            if (spilled is not null)
            {
                foreach (var memory in spilled)
                    NativeMemory.Free((void*)memory);
            }
        }
    }

    private static nint CopyList(object list, out int count, byte* scratch, ref int used, ref List<nint>? spilled)
    {
        switch (list)
        {
            case long[] values:
                count = values.Length;
                var longs = Room(count * sizeof(long), scratch, ref used, ref spilled);
                values.CopyTo(new Span<long>((void*)longs, count));
                return longs;
            case double[] values:
                count = values.Length;
                var doubles = Room(count * sizeof(double), scratch, ref used, ref spilled);
                values.CopyTo(new Span<double>((void*)doubles, count));
                return doubles;
            case bool[] values:
                count = values.Length;
                var bools = Room(count, scratch, ref used, ref spilled);
                for (var i = 0; i < count; i++)
                    ((byte*)bools)[i] = values[i] ? (byte)1 : (byte)0;
                return bools;
            case Tensor?[] values:
                count = values.Length;
                var handles = Room(count * sizeof(nint), scratch, ref used, ref spilled);
                for (var i = 0; i < count; i++)
                    ((nint*)handles)[i] = values[i]?.Handle ?? 0;
                return handles;
            case string text:
                count = Encoding.UTF8.GetByteCount(text);
                var bytes = Room(count, scratch, ref used, ref spilled);
                Encoding.UTF8.GetBytes(text, new Span<byte>((void*)bytes, count));
                return bytes;
            default:
                throw new ArgumentException($"{list.GetType()} is no argument of an operator", nameof(list));
        }
    }

    private static nint Room(int size, byte* scratch, ref int used, ref List<nint>? spilled)
    {
        var aligned = (size + 7) & ~7;
        if (used + aligned <= ScratchSize)
        {
            var place = (nint)(scratch + used);
            used += aligned;
            return place;
        }

        var memory = (nint)NativeMemory.Alloc((nuint)size);
        (spilled ??= []).Add(memory);
        return memory;
    }
}
