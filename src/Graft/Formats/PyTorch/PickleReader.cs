using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace Graft.Formats;

/// <summary>What the pickle reader leaves to its surroundings. Everything else it does alone.</summary>
internal interface IPickleHost
{
    /// <summary>Turns a persistent id into a storage.</summary>
    object? PersistentLoad(object? id);

    /// <summary>Stands in for the call of an allowed name.</summary>
    object? Call(PickleGlobal function, PickleList arguments);
}

/// <summary>
/// Reads one pickle of protocol 2 to 5 without executing anything: opcodes that build plain values are obeyed, names are looked up in
/// <see cref="PickleGlobals"/>, and whatever could run code is refused. Sizes that the stream claims are held against the bytes left.
/// </summary>
/// <remarks>
/// Opcodes: CPython's Lib/pickle.py. With <paramref name="scripts"/>, as TorchScript's archives need, an object of a class that the archive
/// defines itself (module <c>__torch__</c>) is read as the dictionary of its attributes; the class's program is not looked at.
/// </remarks>
internal ref struct PickleReader(ReadOnlySpan<byte> data, FileFault fault, IPickleHost host, bool scripts = false)
{
    private const int HighestProtocol = 5;
    private const int LongestInteger = 1024;
    private const string ScriptModule = "__torch__";
    private const string Refuse = "do not trust the file; save the weights alone (a state dict) as safetensors where it came from";

    private static readonly object Undefined = new();

    private readonly ReadOnlySpan<byte> _data = data;
    private readonly FileFault _fault = fault;
    private readonly IPickleHost _host = host;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly List<object?> _memo = [];
    private readonly HashSet<object>? _objects = scripts ? new HashSet<object>(ReferenceEqualityComparer.Instance) : null;
    private int _position;

    /// <summary>Bytes consumed.</summary>
    public readonly int Position => _position;

    /// <summary>Reads up to the STOP opcode and returns the object.</summary>
    public object? Read()
    {
        while (true)
        {
            var opcode = (char)Take(1)[0];
            if (opcode == '.')
                return Pop();
            if (!Constant(opcode) && !Container(opcode) && !Memo(opcode))
                Other(opcode);
        }
    }

    private bool Constant(char opcode)
    {
        switch (opcode)
        {
            case 'N': Push(null); return true;
            case '\x88': Push(true); return true;
            case '\x89': Push(false); return true;
            case 'K': Push((long)Take(1)[0]); return true;
            case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); return true;
            case 'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); return true;
            case '\x8a': PushInteger(Take(1)[0]); return true;
            case '\x8b': PushInteger(BinaryPrimitives.ReadInt32LittleEndian(Take(4))); return true;
            case 'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); return true;
            case 'U' or '\x8c': Push(Text(Take(1)[0])); return true;
            case 'T': Push(Text(BinaryPrimitives.ReadInt32LittleEndian(Take(4)))); return true;
            case 'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))); return true;
            case '\x8d': Push(Text(BinaryPrimitives.ReadInt64LittleEndian(Take(8)))); return true;
            case 'C': Push(Take(Take(1)[0]).ToArray()); return true;
            case 'B': Push(Take(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))).ToArray()); return true;
            case '\x8e': Push(Take(BinaryPrimitives.ReadInt64LittleEndian(Take(8))).ToArray()); return true;
            default: return false;
        }
    }

    private readonly bool Container(char opcode)
    {
        switch (opcode)
        {
            case '(': _marks.Add(_stack.Count); return true;
            case '}': Push(new PickleDictionary()); return true;
            case ']': Push(new PickleList(isTuple: false, [])); return true;
            case ')': Push(new PickleList(isTuple: true, [])); return true;
            case 'l': Push(new PickleList(isTuple: false, PopToMark())); return true;
            case 't': Push(new PickleList(isTuple: true, PopToMark())); return true;
            case '\x85' or '\x86' or '\x87': Push(new PickleList(isTuple: true, PopMany(opcode - '\x84'))); return true;
            case 'd':
                var dictionary = new PickleDictionary();
                AddPairs(dictionary, PopToMark());
                Push(dictionary);
                return true;
            case 'a': Append(PopMany(1)); return true;
            case 'e': Append(PopToMark()); return true;
            case 's': SetItems(PopMany(2)); return true;
            case 'u': SetItems(PopToMark()); return true;
            default: return false;
        }
    }

    private bool Memo(char opcode)
    {
        switch (opcode)
        {
            case 'q': Put(Take(1)[0]); return true;
            case 'r': Put(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))); return true;
            case '\x94': Put(_memo.Count); return true;
            case 'h': Get(Take(1)[0]); return true;
            case 'j': Get(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))); return true;
            case '0':
                if (_marks.Count > 0 && _marks[^1] == _stack.Count)
                    _marks.RemoveAt(_marks.Count - 1);
                else
                    Pop();
                return true;
            case '1': PopToMark(); return true;
            case '2': Push(Peek()); return true;
            default: return false;
        }
    }

    private void Other(char opcode)
    {
        switch (opcode)
        {
            case '\x80':
                int protocol = Take(1)[0];
                if (protocol > HighestProtocol)
                    throw Broken($"uses protocol {protocol}, but there are none above {HighestProtocol}");
                break;
            case '\x95':
                var frame = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                if (frame > (ulong)(_data.Length - _position))
                    throw Broken("is cut short");
                break;
            case 'c': Push(Global(Line(), Line())); break;
            case '\x93':
                var name = Pop();
                var module = Pop();
                Push(Global(
                    module as string ?? throw Broken("names a module by something that is not a string"),
                    name as string ?? throw Broken("names a class by something that is not a string")));
                break;
            case 'R': Reduce(); break;
            case 'b': Build(); break;
            case 'Q': Push(_host.PersistentLoad(Pop())); break;
            case 'i': throw Executes("INST");
            case 'o': throw Executes("OBJ");
            case '\x81': NewObject(); break;
            case '\x92': throw Executes("NEWOBJ_EX");
            case '\x82' or '\x83' or '\x84': throw Executes("EXT");
            default: throw Broken($"holds the opcode 0x{(int)opcode:x2}, which no checkpoint needs");
        }
    }

    private readonly void Reduce()
    {
        var arguments = Pop() as PickleList;
        var function = Pop() as PickleGlobal;
        if (arguments is not { IsTuple: true } || function is null)
            throw Broken("calls something that is not a function");
        Push(_host.Call(function, arguments));
    }

    /// <summary>An object of a class that the archive defines: a dictionary, which <see cref="Build"/> fills.</summary>
    private readonly void NewObject()
    {
        if (_objects is null || Pop() is not PickleList { IsTuple: true, Count: 0 } || Pop() is not PickleGlobal { Kind: GlobalKind.ScriptClass })
            throw Executes("NEWOBJ");
        var made = new PickleDictionary();
        _objects.Add(made);
        Push(made);
    }

    /// <summary>
    /// The attributes of a dictionary (PyTorch's <c>_metadata</c>) are not needed, nor are those of what was ignored; those of an archive's own
    /// object are all it has.
    /// </summary>
    private readonly void Build()
    {
        var state = Pop();
        if (Peek() is null)
            return;
        if (Peek() is PickleDictionary made && _objects?.Remove(made) == true)
        {
            if (state is not PickleDictionary attributes)
                throw _fault.Read("one of its modules keeps its state in a way of its own", "load it in PyTorch with torch.jit.load and save its state_dict()");
            foreach (var (name, value) in attributes)
                PickleKeys.Add(_fault, made, name, value);
            return;
        }

        if (Peek() is not PickleDictionary || state is not PickleDictionary)
            throw _fault.Read("its pickle sets the attributes of an object that is not a dictionary", Refuse);
    }

    private readonly object Global(string module, string name) =>
        PickleGlobals.Find(module, name)
        ?? (_objects is not null && (module == ScriptModule || module.StartsWith(ScriptModule + ".", StringComparison.Ordinal))
            ? new PickleGlobal($"{module}.{name}", GlobalKind.ScriptClass)
            : null)
        ?? throw _fault.Read(
            $"its pickle refers to {FileFault.Quote($"{module}.{name}")}, which is not part of a plain checkpoint", Refuse);

    private readonly void Append(List<object?> items)
    {
        if (Peek() is not PickleList { IsTuple: false } list)
            throw Broken("appends to something that is not a list");
        list.AddRange(items);
    }

    private readonly void SetItems(List<object?> items)
    {
        if (Peek() is not PickleDictionary dictionary)
            throw Broken("sets items of something that is not a dictionary");
        AddPairs(dictionary, items);
    }

    private readonly void AddPairs(PickleDictionary dictionary, List<object?> items)
    {
        if (items.Count % 2 != 0)
            throw Broken("gives a key without a value");
        for (var i = 0; i < items.Count; i += 2)
            PickleKeys.Add(_fault, dictionary, items[i], items[i + 1]);
    }

    // PyTorch numbers the memo from zero upwards, so an index beyond the bytes read so far is made up; the list never grows past them.
    private readonly void Put(long index)
    {
        if (index >= _position)
            throw Broken("stores a value under a number that is out of order");
        var value = Peek();
        while (_memo.Count <= index)
            _memo.Add(Undefined);
        _memo[(int)index] = value;
    }

    private readonly void Get(long index)
    {
        if (index >= _memo.Count || ReferenceEquals(_memo[(int)index], Undefined))
            throw Broken("refers to a value that it has not stored");
        Push(_memo[(int)index]);
    }

    private void PushInteger(int length)
    {
        if (length is < 0 or > LongestInteger)
            throw Broken("holds an integer of an impossible length");
        var value = new BigInteger(Take(length));
        if (value >= long.MinValue && value <= long.MaxValue)
            Push((long)value);
        else
            Push(value);
    }

    private string Text(long length)
    {
        var bytes = Take(length);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Broken("holds a string that is not valid UTF-8");
    }

    private string Line()
    {
        var length = _data[_position..].IndexOf((byte)'\n');
        if (length < 0)
            throw Broken("is cut short");
        var text = Text(length);
        _position++;
        return text;
    }

    private ReadOnlySpan<byte> Take(long length)
    {
        if (length < 0 || length > _data.Length - _position)
            throw Broken("is cut short, or claims a length that it does not have");
        var bytes = _data.Slice(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    private readonly void Push(object? value) => _stack.Add(value);

    private readonly object? Peek() => _stack.Count > Floor ? _stack[^1] : throw Broken("takes a value where there is none");

    private readonly object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private readonly List<object?> PopMany(int count)
    {
        if (_stack.Count - count < Floor)
            throw Broken("takes a value where there is none");
        var values = _stack.GetRange(_stack.Count - count, count);
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private readonly List<object?> PopToMark()
    {
        if (_marks.Count == 0)
            throw Broken("closes a list that it has not begun");
        var values = PopMany(_stack.Count - _marks[^1]);
        _marks.RemoveAt(_marks.Count - 1);
        return values;
    }

    private readonly int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    private readonly InputException Broken(string what) => _fault.Read($"its pickle {what}");

    private readonly InputException Executes(string opcode) =>
        _fault.Read($"its pickle uses the opcode {opcode}, which creates objects of arbitrary classes", Refuse);
}
