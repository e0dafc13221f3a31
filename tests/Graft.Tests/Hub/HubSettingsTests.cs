using Graft.Hub;

namespace Graft.Tests.Hub;

public sealed class HubSettingsTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void The_caches_are_where_others_look_for_them()
    {
        Of(("HOME", "/h")).ShouldSatisfyAllConditions(
            s => s.HubCache.ShouldBe("/h/.cache/huggingface/hub"),
            s => s.GraftCache.ShouldBe("/h/.cache/graft"),
            s => s.Endpoint.ShouldBe(new Uri("https://huggingface.co")),
            s => s.Offline.ShouldBeFalse(),
            s => s.Token.ShouldBeNull());
        Of(("HOME", "/h"), ("XDG_CACHE_HOME", "/x")).ShouldSatisfyAllConditions(s => s.HubCache.ShouldBe("/x/huggingface/hub"), s => s.GraftCache.ShouldBe("/x/graft"));
        Of(("HOME", "/h"), ("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/x"), ("GRAFT_CACHE", "/g")).ShouldSatisfyAllConditions(
            s => s.HubCache.ShouldBe("/h/hf/hub"), s => s.GraftCache.ShouldBe("/g"));
        Of(("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")).HubCache.ShouldBe("/old");
        Of(("HF_HUB_CACHE", "/new"), ("HUGGINGFACE_HUB_CACHE", "/old")).HubCache.ShouldBe("/new");
        Of(("HF_HUB_OFFLINE", "1")).Offline.ShouldBeTrue();
        Of(("HF_HUB_OFFLINE", "true")).Offline.ShouldBeTrue();
        Of(("HF_HUB_OFFLINE", "0")).Offline.ShouldBeFalse();
        Of(("HF_ENDPOINT", "https://mirror.example/hub/")).Endpoint.ShouldBe(new Uri("https://mirror.example/hub"));
    }

    [Fact]
    public void The_token_comes_from_the_environment_or_from_its_file()
    {
        File.WriteAllText(_temporary["token"], "hf_file\n");
        Of(("HF_HOME", _temporary.Path)).Token.ShouldBe("hf_file");
        Of(("HF_HOME", _temporary.Path), ("HF_TOKEN", "hf_variable")).Token.ShouldBe("hf_variable");
        Should.Throw<InputException>(() => Of(("HF_TOKEN", "hf\nInjected: yes"))).Message.ShouldNotContain("Injected");
        foreach (var bad in (string[])["huggingface.co", "ftp://x.org", "https://user@x.org"])
            Should.Throw<InputException>(() => Of(("HF_ENDPOINT", bad))).Message.ShouldContain("HF_ENDPOINT");
    }

    private HubSettings Of(params (string Name, string Value)[] variables) => HubSettings.FromEnvironment(name =>
        Array.Find(variables, v => v.Name == name) is { Name: not null } found ? found.Value : name == "HOME" ? _temporary["home"] : null);
}
