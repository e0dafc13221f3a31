using System.Globalization;

namespace Graft.Tests.Parity;

/// <summary>The check table of the kit.</summary>
public class FormulaWeightsTests
{
    [Theory]
    [InlineData("conv_in.weight", "128,3,3,3", 3, "1ce69906bdc574a7", 0, 0.14250015078630818, 0.0475000516f)]
    [InlineData("conv_in.weight", "128,3,3,3", 3, "1ce69906bdc574a7", 3455, 0.29000353107288568, 0.0966678411f)]
    [InlineData("conv_in.bias", "128", 3, "29f32b7d35d784a2", 5, 0.91077868889572056, 0.0910778716f)]
    [InlineData("mid_block.attentions.0.group_norm.weight", "256", 3, "ae07c29d74a3d8ac", 7, -0.99464944732035021, 0.900535047f)]
    [InlineData("Conv2d_1a_3x3.bn.running_var", "32", 9, "477aaf1193cc31e4", 2, 0.74716013603455189, 1.27912414f)]
    [InlineData("Conv2d_1a_3x3.bn.running_mean", "32", 9, "27aa592b98676722", 2, 0.90098735941306729, 0.0900987387f)]
    [InlineData("features.0.weight", "64,3,11,11", 6, "f70f941a24398456", 100, -0.83941275403517168, -0.107918993f)]
    public void Equals_the_check_table(string name, string shape, double gain, string hash, long i, double uniform, float value)
    {
        FormulaWeights.Hash(name).ShouldBe(ulong.Parse(hash, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        FormulaWeights.Uniform(FormulaWeights.Hash(name), i).ShouldBe(uniform);
        long[] sizes = [.. shape.Split(',').Select(long.Parse)];
        FormulaWeights.Value(name, sizes, gain, i).ShouldBe(value);
        FormulaWeights.Values(name, sizes, gain)[i].ShouldBe(value);
    }
}
