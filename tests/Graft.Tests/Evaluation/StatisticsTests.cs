using Graft.Evaluation;

namespace Graft.Tests.Evaluation;

public class StatisticsTests
{
    /// <summary>statsmodels' proportion_confint(method="wilson"), and by hand z² / (n + z²) for none of n, n / (n + z²) for all.</summary>
    [Theory]
    [InlineData(5, 10, 0.236593, 0.763407)]
    [InlineData(0, 10, 0, 0.277533)]
    [InlineData(10, 10, 0.722467, 1)]
    [InlineData(1, 1, 0.206549, 1)]
    public void Wilsons_interval(int count, int of, double low, double high)
    {
        var share = new Share(count, of);
        share.Interval.Low.ShouldBe(low, 1e-6);
        share.Interval.High.ShouldBe(high, 1e-6);
    }

    [Fact]
    public void The_interval_holds_the_share_stays_within_0_and_1_and_shrinks()
    {
        for (var of = 1; of <= 60; of++)
        {
            for (var count = 0; count <= of; count++)
            {
                var share = new Share(count, of);
                var (low, high) = share.Interval;
                low.ShouldBeInRange(0, share.Value);
                high.ShouldBeInRange(share.Value, 1);
                var opposite = new Share(of - count, of).Interval;
                opposite.Low.ShouldBe(1 - high, 1e-12);
                var more = new Share(4 * count, 4 * of).Interval;
                (more.High - more.Low).ShouldBeLessThan(high - low);
            }
        }
    }

    [Fact]
    public void A_share_is_never_said_without_its_number() =>
        new Share(3, 32).ToString().ShouldBe("9 % (3 of 32, 95 % interval 3 to 24 %)");

    /// <summary>numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], q).</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.25, 1.75)]
    [InlineData(0.5, 3.5)]
    [InlineData(0.95, 7.95)]
    [InlineData(1, 9)]
    public void Quantiles_interpolate(double share, double due) => Quantiles.At([3, 1, 4, 1, 5, 9, 2, 6], share).ShouldBe(due, 1e-12);

    [Fact]
    public void Nothing_has_no_quantile() => Should.Throw<ArgumentOutOfRangeException>(() => Quantiles.Median([]));
}
