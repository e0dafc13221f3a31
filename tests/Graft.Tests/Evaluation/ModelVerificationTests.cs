using Graft.Evaluation;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Evaluation;

public sealed class ModelVerificationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedTheory("reference/unet2d")]
    [InlineData("old_class_conditional")]
    [InlineData("new_scale_shift_gray28")]
    public void Models_of_diffusers_are_verified(string name)
    {
        var folder = SharedFiles.Reference("unet2d", name);
        using var model = DiffusionModel.Load(folder);
        using var reference = WeightFile.Open(Path.Combine(folder, "io.safetensors"));
        var report = ModelVerification.Of(model, reference, 2e-5);
        report.IsWithin.ShouldBeTrue();
        report.LargestError.ShouldBeGreaterThan(0);
        ModelVerification.Of(model, reference, 1e-12).IsWithin.ShouldBeFalse();
    }

    [Theory]
    [InlineData(0.0, true)]
    [InlineData(0.5, false)]
    [InlineData(double.NaN, false)]
    public void The_largest_error_decides(double shift, bool within)
    {
        using var model = TinyModel.Create();
        using var reference = Write(model, shift, labels: false);
        var report = ModelVerification.Of(model, reference, 1e-3);
        report.IsWithin.ShouldBe(within);
        report.Compared.ShouldBe("output");
        report.OutputShape.ShouldBe([2, 1, 8, 8]);
        if (!double.IsNaN(shift))
        {
            report.LargestError.ShouldBe(shift, 1e-6);
            report.RelativeError.ShouldBe(shift / report.LargestReference, 1e-5);
        }
    }

    [Theory]
    [InlineData("t:2 output:2,1,8,8", "no tensor 'x'")]
    [InlineData("x:2,1,8,8 output:2,1,8,8", "no tensor 't'")]
    [InlineData("x:2,1,8,8 t:2", "neither 'sample' nor 'output'")]
    [InlineData("x:2,8,8 t:2 output:2,1,8,8", "[N, C, H, W]")]
    [InlineData("x:2,1,8,8 t:3 output:2,1,8,8", "one value for each")]
    [InlineData("x:2,1,8,8 t:2 output:3,1,8,8", "does not fit")]
    [InlineData("x:2,3,8,8 t:2 output:2,1,8,8", "has 3 channels")]
    [InlineData("x:2,1,7,8 t:2 output:2,1,7,8", "multiples of 2")]
    [InlineData("x:2,1,8,8 t:2 output:2,2,8,8", "that of another model")]
    [InlineData("x:2,1,8,8 t:2 output:2,1,8,8 class_labels:2", "takes none")]
    public void A_reference_that_does_not_fit_is_refused(string tensors, string reason)
    {
        var path = Inspection.ShapesFile.Write(_folder["r.safetensors"], [.. tensors.Split(' ').Select(t => t.Split(':')).Select(t => (t[0], t[1].Split(',').Select(long.Parse).ToArray()))]);
        using var model = TinyModel.Create();
        using var reference = WeightFile.Open(path);
        Should.Throw<InputException>(() => ModelVerification.Of(model, reference)).Message.ShouldContain(reason);
    }

    [Fact]
    public void Labels_must_be_there_and_in_range()
    {
        using var model = TinyModel.Create(TinyModel.Network with { NumClassEmbeds = 2 });
        using (var reference = Write(model, 0, labels: true))
            ModelVerification.Of(model, reference).IsWithin.ShouldBeTrue();
        using (var reference = Write(model, 0, labels: true, wrong: 7))
            Should.Throw<InputException>(() => ModelVerification.Of(model, reference)).Message.ShouldContain("class 7");
        using (var reference = Write(model, 0, labels: false))
            Should.Throw<InputException>(() => ModelVerification.Of(model, reference)).Message.ShouldContain("class-conditional");
        using (var reference = Write(model, 0, labels: true))
            Should.Throw<InputException>(() => ModelVerification.Of(model, reference, -1)).Message.ShouldContain("tolerance");
    }

    private WeightFile Write(DiffusionModel model, double shift, bool labels, long? wrong = null) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        using var mode = Autograd.NoGrad();
        var x = new KeyedRandom(1, "test").Normal(0, [0, 1], [1, 8, 8]);
        var t = Tensor.From([3L, 900], 2);
        var classes = Tensor.From([0L, 1], 2);
        var output = model.Denoiser.Predict(x, t, model.Classes > 0 ? new() { ClassLabels = classes } : null) + shift;
        List<NamedTensor> tensors = [new("x", x), new("t", t), new("output", output)];
        if (labels)
            tensors.Add(new("class_labels", wrong is null ? classes : Tensor.From([0L, wrong.Value], 2)));
        WeightFile.Write(_folder["r.safetensors"], tensors);
        return WeightFile.Open(_folder["r.safetensors"]);
    });
}
