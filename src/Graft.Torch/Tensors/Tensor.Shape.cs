namespace Graft.Torch;

/// <content>Views, indexing and joining. Views share memory; negative dimensions count from the end.</content>
public sealed unsafe partial class Tensor
{
    private static readonly Operator ReshapeOp = new("aten::reshape");
    private static readonly Operator PermuteOp = new("aten::permute");
    private static readonly Operator TransposeOp = new("aten::transpose", "int");
    private static readonly Operator UnsqueezeOp = new("aten::unsqueeze");
    private static readonly Operator SqueezeOp = new("aten::squeeze", "dim");
    private static readonly Operator ExpandOp = new("aten::expand");
    private static readonly Operator SliceOp = new("aten::slice", "Tensor");
    private static readonly Operator SelectOp = new("aten::select", "int");
    private static readonly Operator IndexSelectOp = new("aten::index_select");
    private static readonly Operator IndexOp = new("aten::index", "Tensor");
    private static readonly Operator GatherOp = new("aten::gather");
    private static readonly Operator ChunkOp = new("aten::chunk");
    private static readonly Operator SplitOp = new("aten::split", "Tensor");
    private static readonly Operator CatOp = new("aten::cat");
    private static readonly Operator StackOp = new("aten::stack");
    private static readonly Operator FlipOp = new("aten::flip");
    private static readonly Operator PadOp = new("aten::constant_pad_nd");
    private static readonly Operator FlattenOp = new("aten::flatten", "using_ints");

    /// <summary>The elements in another shape; one size may be -1.</summary>
    public Tensor Reshape(params long[] shape) => ReshapeOp.Call(this, shape);

    /// <summary>The dimensions in another order.</summary>
    public Tensor Permute(params long[] dims) => PermuteOp.Call(this, dims);

    /// <summary>Two dimensions swapped.</summary>
    public Tensor Transpose(long dim0, long dim1) => TransposeOp.Call(this, dim0, dim1);

    /// <summary>A dimension of size 1 put in.</summary>
    public Tensor Unsqueeze(long dim) => UnsqueezeOp.Call(this, dim);

    /// <summary>A dimension of size 1 taken out.</summary>
    public Tensor Squeeze(long dim) => SqueezeOp.Call(this, dim);

    /// <summary>Dimensions of size 1 repeated without copying; -1 leaves a size.</summary>
    public Tensor Expand(params long[] shape) => ExpandOp.Call(this, shape);

    /// <summary>Dimensions from <paramref name="start"/> to <paramref name="end"/> (inclusive) made one.</summary>
    public Tensor Flatten(long start = 0, long end = -1) => FlattenOp.Call(this, start, end);

    /// <summary>Elements <paramref name="start"/> to below <paramref name="end"/> of a dimension.</summary>
    public Tensor Slice(long dim, long start, long end, long step = 1) => SliceOp.Call(this, dim, start, end, step);

    /// <summary>One element of a dimension, which goes.</summary>
    public Tensor Select(long dim, long index) => SelectOp.Call(this, dim, index);

    /// <summary>The elements of a dimension that <paramref name="index"/> (int64 [n]) names.</summary>
    public Tensor IndexSelect(long dim, Tensor index) => IndexSelectOp.Call(this, dim, index);

    /// <summary>Advanced indexing: one index tensor (int64 or bool) for each leading dimension; null takes all.</summary>
    public Tensor Index(params Tensor?[] indices) => IndexOp.Call(this, indices);

    /// <summary>out[i][j] = this[i][index[i][j]], for <paramref name="dim"/> = 1, and so on.</summary>
    public Tensor Gather(long dim, Tensor index) => GatherOp.Call(this, dim, index);

    /// <summary>The tensor in <paramref name="chunks"/> equal parts along a dimension.</summary>
    public Tensor[] Chunk(long chunks, long dim = 0) => ChunkOp.CallMany(this, chunks, dim);

    /// <summary>The tensor in parts of <paramref name="size"/> along a dimension; the last may be smaller.</summary>
    public Tensor[] Split(long size, long dim = 0) => SplitOp.CallMany(this, size, dim);

    /// <summary>The given dimensions in reverse.</summary>
    public Tensor Flip(params long[] dims) => FlipOp.Call(this, dims);

    /// <summary>A constant put around: pairs (before, after), last dimension first.</summary>
    public Tensor Pad(long[] padding, double value = 0) => PadOp.Call(this, padding, value);

    /// <summary>Tensors joined along an existing dimension.</summary>
    public static Tensor Cat(Tensor[] tensors, long dim = 0) => CatOp.Call(tensors, dim);

    /// <summary>Tensors of one shape joined along a new dimension.</summary>
    public static Tensor Stack(Tensor[] tensors, long dim = 0) => StackOp.Call(tensors, dim);
}
