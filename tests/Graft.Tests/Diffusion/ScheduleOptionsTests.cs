using System.Text.Json.Nodes;
using Graft.Diffusion;

namespace Graft.Tests.Diffusion;

public class ScheduleOptionsTests
{
    [Fact]
    public void An_empty_configuration_is_all_defaults()
    {
        var options = ScheduleOptions.FromJson([]);
        options.ShouldBe(new ScheduleOptions());
        options.LearnedRangeUpper.ShouldBe(LearnedRangeUpper.RespacedBeta);
        options.PreviousTimestep.ShouldBe(PreviousTimestep.Listed);
    }

    [Fact]
    public void Every_name_reads_and_writes_and_unknown_keys_stay()
    {
        var text = """
            {"_class_name":"DDIMScheduler","_diffusers_version":"0.27.2","beta_end":0.012,"beta_schedule":"squaredcos_cap_v2","beta_start":0.00085,
             "clip_sample":false,"clip_sample_range":2.0,"dynamic_thresholding_ratio":0.9,"graft_beta_precision":"double","graft_learned_range_upper":"training_beta",
             "graft_previous_timestep":"uniform","num_train_timesteps":3,"prediction_type":"v_prediction","rescale_betas_zero_snr":true,
             "sample_max_value":3.0,"set_alpha_to_one":false,"steps_offset":1,"thresholding":true,"timestep_spacing":"trailing",
             "trained_betas":[0.1,0.2,0.3],"variance_type":"fixed_large_log","zz_nested":{"a":[1,null]}}
            """;
        var json = JsonNode.Parse(text)!.AsObject();
        var written = ScheduleOptions.FromJson(json).ToJson();
        JsonNode.DeepEquals(written, json).ShouldBeTrue(written.ToJsonString());
        written.Select(p => p.Key).ShouldBe(json.Select(p => p.Key));
    }

    [Fact]
    public void Old_files_say_sample_by_predict_epsilon() =>
        ScheduleOptions.FromJson(new JsonObject { ["predict_epsilon"] = false }).PredictionType.ShouldBe(PredictionType.Sample);

    [Theory]
    [InlineData("num_train_timesteps", "0")]
    [InlineData("num_train_timesteps", "10.5")]
    [InlineData("num_train_timesteps", "1e12")]
    [InlineData("beta_start", "\"small\"")]
    [InlineData("beta_start", "0")]
    [InlineData("beta_end", "1.5")]
    [InlineData("beta_schedule", "\"exponential\"")]
    [InlineData("beta_schedule", "\"Linear\"")]
    [InlineData("trained_betas", "[0.1]")]
    [InlineData("trained_betas", "\"file.npy\"")]
    [InlineData("variance_type", "7")]
    [InlineData("clip_sample", "1")]
    [InlineData("clip_sample_range", "-1")]
    [InlineData("prediction_type", "\"flow\"")]
    [InlineData("dynamic_thresholding_ratio", "2")]
    [InlineData("sample_max_value", "0.5")]
    [InlineData("timestep_spacing", "\"even\"")]
    [InlineData("steps_offset", "-1")]
    public void A_bad_value_is_refused_by_its_key(string key, string value)
    {
        var error = Should.Throw<InputException>(() => ScheduleOptions.FromJson(new JsonObject { [key] = JsonNode.Parse(value) }));
        error.Message.ShouldContain(key);
        error.Message.ShouldNotContain("\n");
    }
}
