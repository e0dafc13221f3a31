using Graft.Formats;
using Graft.Torch;

namespace Graft.Tests.Formats;

/// <summary>A checkpoint as PyTorch Lightning writes it, with a class as a key and NumPy's numbers beside the weights.</summary>
public sealed class LightningCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_lies_beside_the_weights_does_not_stand_in_their_way()
    {
        var path = Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "ldm", "lightning.ckpt");
        using var file = CheckpointFile.Open(path);
        file.StateDict().Keys.ShouldBe(["model.diffusion_model.out.2.bias", "model_ema.num_updates", "betas"]);
        file.Find("global_step").ShouldBe(40L);
        var callback = (PickleDictionary)file.Find("callbacks/pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")!;
        callback["monitor"].ShouldBe("val/loss");
        callback["current_score"].ShouldBeNull(); // a NumPy number is not made
        ((PickleList)file.Find("lr_schedulers/0/_last_lr")!).ShouldBe([null]);
        TorchRuntime.Run(() =>
        {
            using var scope = new TensorScope();
            using var weights = WeightFile.Open(path);
            weights.Read("model.diffusion_model.out.2.bias").ToArray<float>().ShouldBe([0.5f, -1, 2]);
        });
    }

    [Fact]
    public void No_other_class_is_let_in_and_none_becomes_a_value()
    {
        Refused(CraftedCheckpoint.Dictionary(CraftedCheckpoint.Global("pytorch_lightning.callbacks.model_checkpoint", "Other"), CraftedCheckpoint.None)).ShouldContain("not part of a plain checkpoint");
        Refused(CraftedCheckpoint.Dictionary(CraftedCheckpoint.Text("a"), CraftedCheckpoint.Global("numpy", "dtype"))).ShouldContain("is a class");
    }

    private string Refused(byte[] value)
    {
        File.WriteAllBytes(_folder["a.pt"], CraftedCheckpoint.Legacy(value, []));
        return Should.Throw<InputException>(() => CheckpointFile.Open(_folder["a.pt"])).Message;
    }
}
