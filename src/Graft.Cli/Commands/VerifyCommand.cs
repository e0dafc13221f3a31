using System.CommandLine;
using System.Globalization;
using Graft.Evaluation;
using Graft.Formats;
using Graft.Torch;

namespace Graft.Cli.Commands;

/// <summary><c>graft verify</c>: does a model compute what another implementation says it does?</summary>
internal static class VerifyCommand
{
    internal static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model: a diffusers folder." };
        var reference = new Argument<string>("REFERENCE")
        {
            Description = "A safetensors file with x, t, class_labels (if the model takes them), and sample or output to compare with.",
        };
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "The largest absolute error that is accepted.",
            DefaultValueFactory = _ => 1e-4,
        };
        var device = CommonOptions.Device();
        var command = new Command("verify", "Compare a model's output with a stored one. Exit code 0: within the tolerance; 1: beyond; 2: bad input.")
        {
            model, reference, tolerance, device,
        };
        command.SetAction(parsed => Verify(
            parsed.GetValue(model)!, parsed.GetValue(reference)!, parsed.GetValue(tolerance), parsed.GetValue(device)!));
        return command;
    }

    private static int Verify(string model, string reference, double tolerance, string device)
    {
        if (!(tolerance >= 0))
            throw new InputException($"--tolerance is {tolerance}: it must be 0 or more.");

        // What can be refused without libtorch is refused before it is loaded.
        using var file = WeightFile.Open(reference);
        ModelVerification.Check(file);
        using var loaded = DiffusionModel.Load(model, Device.Parse(device));
        var report = ModelVerification.Of(loaded, file, tolerance);

        Terminal.Result($"model      {model}, on {loaded.Device}");
        Terminal.Result($"reference  {reference}, '{report.Compared}'");
        Terminal.Result($"shapes     x {Shape(report.InputShape)} to {Shape(report.OutputShape)}");
        Terminal.Result($"absolute   {Number(report.LargestError)} (largest |output - reference|; tolerance {Number(tolerance)})");
        Terminal.Result($"relative   {Number(report.RelativeError)} (the same, divided by max |reference| = {Number(report.LargestReference)})");
        Terminal.Result(report.IsWithin ? "result     within the tolerance" : "result     BEYOND the tolerance");
        return report.IsWithin ? 0 : 1;
    }

    private static string Shape(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";

    private static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
