namespace Graft.Torch.Tests.Distributed;

public class ProcessPlaceTests
{
    [Theory]
    [InlineData("")]
    [InlineData("MASTER_ADDR=somewhere MASTER_PORT=1")]
    [InlineData("RANK=0 WORLD_SIZE=1")]
    public void One_process_has_no_place_among_several(string environment) => Read(environment).ShouldBeNull();

    [Fact]
    public void The_environment_says_the_place()
    {
        var place = Read("RANK=3 WORLD_SIZE=4 MASTER_ADDR=node-0 MASTER_PORT=29500").ShouldNotBeNull();
        place.ShouldBe(new ProcessPlace { Rank = 3, Size = 4, Host = "node-0", Port = 29500, Prefix = "graft/0" });
        place.Timeout.ShouldBe(TimeSpan.FromMinutes(30));

        var started = Read("RANK=0 WORLD_SIZE=2 MASTER_ADDR=::1 MASTER_PORT=1 LOCAL_RANK=1 GRAFT_PEER_TIMEOUT=7 TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RESTART_COUNT=2").ShouldNotBeNull();
        (started.LocalRank, started.Timeout, started.Serves, started.Prefix).ShouldBe((1, TimeSpan.FromSeconds(7), false, "graft/2"));
    }

    [Theory]
    [InlineData("RANK=0", "The environment variable WORLD_SIZE is missing")]
    [InlineData("WORLD_SIZE=2", "The environment variable RANK is missing")]
    [InlineData("RANK=2 WORLD_SIZE=2", "RANK is '2' and must be from 0 to 1, since WORLD_SIZE is 2")]
    [InlineData("RANK=-1 WORLD_SIZE=2", "RANK is '-1'")]
    [InlineData("RANK=0 WORLD_SIZE=two", "WORLD_SIZE is 'two' and must be 1 or more")]
    [InlineData("RANK=0 WORLD_SIZE=0", "WORLD_SIZE is '0'")]
    [InlineData("RANK=0 WORLD_SIZE=2 MASTER_PORT=1", "MASTER_ADDR is missing and WORLD_SIZE is 2")]
    [InlineData("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a", "MASTER_PORT is missing")]
    [InlineData("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=65536", "MASTER_PORT is '65536' and must be from 1 to 65535")]
    [InlineData("RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1 GRAFT_PEER_TIMEOUT=0", "GRAFT_PEER_TIMEOUT is '0'")]
    public void What_makes_no_sense_is_named(string environment, string due)
    {
        var message = Should.Throw<InputException>(() => Read(environment)).Message;
        message.ShouldContain(due);
        message.ShouldEndWith("or unset RANK and WORLD_SIZE for one process.");
    }

    private static ProcessPlace? Read(string environment)
    {
        var values = environment.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToDictionary(p => p[0], p => p[1]);
        return ProcessPlace.FromEnvironment(name => values.GetValueOrDefault(name));
    }
}
