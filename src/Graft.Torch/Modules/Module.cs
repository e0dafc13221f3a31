namespace Graft.Torch;

/// <summary>A parameter or buffer and its full, dotted name: PyTorch's, so that checkpoints load by name.</summary>
/// <param name="Name">The name, as <c>down_blocks.0.resnets.1.conv1.weight</c>.</param>
/// <param name="Value">The tensor.</param>
public readonly record struct NamedTensor(string Name, Tensor Value);

/// <summary>
/// A network or a part of one: named parameters and named children. Constructors leave parameters zero;
/// <see cref="Initialise"/> draws PyTorch's default values, <see cref="Load"/> takes those of a checkpoint.
/// </summary>
public abstract class Module : IDisposable
{
    [ThreadStatic]
    private static bool _shapesOnly;

    private readonly List<(string Name, Module Child)> _children = [];
    private readonly List<NamedTensor> _parameters = [];

    /// <summary>Whether this is a training pass (it matters to drop-out and to batch norms).</summary>
    public bool IsTraining { get; private set; }

    /// <summary>Children with their dotted names.</summary>
    public IEnumerable<(string Name, Module Module)> Children => _children;

    /// <summary>All parameters, in order of registration.</summary>
    public IEnumerable<NamedTensor> Parameters() => Parameters("");

    /// <summary>This module and all below it, with their dotted names; its own is empty.</summary>
    public IEnumerable<(string Name, Module Module)> Modules()
    {
        yield return ("", this);
        foreach (var (name, child) in _children)
        {
            foreach (var (inner, module) in child.Modules())
                yield return (inner.Length == 0 ? name : $"{name}.{inner}", module);
        }
    }

    /// <summary>Number of parameters.</summary>
    public long ParameterCount => Parameters().Sum(p => p.Value.Count);

    /// <summary>
    /// Names and shapes of the parameters that a module has, without the memory that their values would take: what a file is compared with
    /// before anything is read of it.
    /// </summary>
    /// <param name="build">Makes the module, which is gone afterwards.</param>
    public static IReadOnlyList<(string Name, long[] Shape)> ShapesOf(Func<Module> build)
    {
        ArgumentNullException.ThrowIfNull(build);
        return TorchRuntime.Run(() =>
        {
            var outer = _shapesOnly;
            _shapesOnly = true;
            try
            {
                using var module = build();
                return (IReadOnlyList<(string, long[])>)[.. module.Parameters().Select(p => (p.Name, p.Value.Shape.ToArray()))];
            }
            finally
            {
                _shapesOnly = outer;
            }
        });
    }

    /// <summary>Draws PyTorch's default initial values; each is a function of the seed and the parameter's name.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="prefix">Stands before every name: networks of one kind that must not begin alike have different ones.</param>
    public void Initialise(long seed, string prefix = "")
    {
        using var mode = Autograd.NoGrad();
        foreach (var (name, module) in Modules())
            module.Reset(new Initialiser(seed, prefix + name));
    }

    /// <summary>Copies values into the parameters.</summary>
    /// <param name="source">Gives the tensor of a name, or null where it has none.</param>
    /// <param name="where">What is being read, for messages.</param>
    /// <exception cref="InputException">A name is missing or a shape differs; the message lists the first few.</exception>
    public void Load(Func<string, Tensor?> source, string where)
    {
        using var mode = Autograd.NoGrad();
        var faults = new List<string>();
        foreach (var (name, value) in Parameters())
        {
            using var scope = new TensorScope();
            var given = source(name);
            if (given is null)
                faults.Add($"{name} is missing");
            else if (!given.Shape.SequenceEqual(value.Shape))
                faults.Add($"{name} is {given} where {value} is due");
            else
                value.CopyFrom(given);
        }

        if (faults.Count > 0)
        {
            var more = faults.Count > 4 ? $", and {faults.Count - 4} more" : "";
            throw new InputException($"The weights of {where} do not fit the network: {string.Join("; ", faults.Take(4))}{more}.");
        }
    }

    /// <summary>Says whether passes are for training from now on.</summary>
    public void Train(bool training = true)
    {
        foreach (var (_, module) in Modules())
            module.IsTraining = training;
    }

    /// <summary>Says whether operators record what is done with the parameters.</summary>
    public void RequireGrad(bool value)
    {
        foreach (var (_, parameter) in Parameters())
            parameter.RequiresGrad = value;
    }

    /// <summary>Moves the parameters to a device.</summary>
    public virtual void MoveTo(Device device)
    {
        using var mode = Autograd.NoGrad();
        foreach (var (_, module) in Modules())
            module.Replace(p => p.To(device));
    }

    /// <summary>Converts the parameters.</summary>
    public virtual void ConvertTo(DType type)
    {
        using var mode = Autograd.NoGrad();
        foreach (var (_, module) in Modules())
            module.Replace(p => p.To(type));
    }

    /// <summary>Says which items the next batch holds: what drop-out masks are keyed by.</summary>
    public void BeginBatch(long seed, long step, ReadOnlySpan<long> items)
    {
        foreach (var (name, module) in Modules())
        {
            if (module is Dropout dropout)
                dropout.Key(seed, name, step, items);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the parameters.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        TorchRuntime.Run(() =>
        {
            foreach (var (_, child) in _children)
                child.Dispose();
            foreach (var (_, value) in _parameters)
                value.Dispose();
        });
    }

    /// <summary>Adds a child under a (possibly dotted) name.</summary>
    protected T Add<T>(string name, T child)
        where T : Module
    {
        _children.Add((name, child));
        return child;
    }

    /// <summary>Adds a parameter of zeros.</summary>
    protected Tensor AddParameter(string name, params long[] shape)
    {
        var value = (_shapesOnly ? TensorScope.Of(() => Tensor.Zeros([]).Expand(shape)) : Tensor.Zeros(shape)).Keep();
        _parameters.Add(new NamedTensor(name, value));
        return value;
    }

    /// <summary>Draws the initial values of this module's own parameters.</summary>
    protected virtual void Reset(Initialiser initialiser)
    {
    }

    /// <summary>Called after a parameter was put elsewhere: fields that hold it take the new one.</summary>
    protected virtual void OnReplaced(Tensor old, Tensor replacement)
    {
    }

    private IEnumerable<NamedTensor> Parameters(string prefix)
    {
        foreach (var (name, value) in _parameters)
            yield return new NamedTensor(prefix + name, value);
        foreach (var (name, child) in _children)
        {
            foreach (var parameter in child.Parameters($"{prefix}{name}."))
                yield return parameter;
        }
    }

    private void Replace(Func<Tensor, Tensor> convert)
    {
        for (var i = 0; i < _parameters.Count; i++)
        {
            var (name, old) = _parameters[i];
            using var scope = new TensorScope();
            var replacement = convert(old);
            var requiresGrad = old.RequiresGrad;
            if (replacement.Type == old.Type && replacement.Device == old.Device)
                continue;
            replacement.Keep();
            replacement.RequiresGrad = requiresGrad;
            _parameters[i] = new NamedTensor(name, replacement);
            OnReplaced(old, replacement);
            old.Dispose();
        }
    }
}
