namespace Graft.Tests.Evaluation;

public class FeatureWeightsTests
{
    /// <summary>The kit's check table.</summary>
    [Theory]
    [InlineData("conv_in.weight", new long[] { 128, 3, 3, 3 }, 3, "1ce69906bdc574a7", 0, 0.14250015078630818, 0.0475000516f)]
    [InlineData("conv_in.weight", new long[] { 128, 3, 3, 3 }, 3, "1ce69906bdc574a7", 3455, 0.29000353107288568, 0.0966678411f)]
    [InlineData("conv_in.bias", new long[] { 128 }, 3, "29f32b7d35d784a2", 5, 0.91077868889572056, 0.0910778716f)]
    [InlineData("mid_block.attentions.0.group_norm.weight", new long[] { 256 }, 3, "ae07c29d74a3d8ac", 7, -0.99464944732035021, 0.900535047f)]
    [InlineData("Conv2d_1a_3x3.bn.running_var", new long[] { 32 }, 9, "477aaf1193cc31e4", 2, 0.74716013603455189, 1.27912414f)]
    [InlineData("Conv2d_1a_3x3.bn.running_mean", new long[] { 32 }, 9, "27aa592b98676722", 2, 0.90098735941306729, 0.0900987387f)]
    [InlineData("features.0.weight", new long[] { 64, 3, 11, 11 }, 6, "f70f941a24398456", 100, -0.83941275403517168, -0.107918993f)]
    public void Values_are_those_of_the_table(string name, long[] shape, double gain, string hash, int i, double r, float value)
    {
        FeatureWeights.Hash(name).ToString("x16").ShouldBe(hash);
        FeatureWeights.Uniform(FeatureWeights.Hash(name), i).ShouldBe(r);
        FeatureWeights.Values(name, shape, gain)[i].ShouldBe(value);
    }
}
