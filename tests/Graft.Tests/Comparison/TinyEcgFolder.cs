using System.Globalization;
using System.Runtime.InteropServices;
using Graft.Data.Ecg;
using Graft.Formats;
using Graft.Tests.Evaluation.Ecg;
using Graft.Torch;

namespace Graft.Tests.Comparison;

/// <summary>A folder of the form of PTB-XL's subset: every second record beats fast and is said to fibrillate, the others slowly. 5 s, twelve leads, millivolts.</summary>
internal static class TinyEcgFolder
{
    private const double Scale = 0.0001;

    /// <summary>Writes it: records of the three splits, half of each with AFIB and half with NORM.</summary>
    internal static void Write(string folder, int training = 24, int validation = 4, int test = 12)
    {
        (string Split, EcgSet Set)[] parts =
        [
            ("train", TinyEcgs.Set(training, EcgSplit.Train, seed: 1)), ("val", TinyEcgs.Set(validation, EcgSplit.Validation, seed: 2)), ("test", TinyEcgs.Set(test, EcgSplit.Test, seed: 3)),
        ];
        Directory.CreateDirectory(folder);
        var records = parts.SelectMany(p => p.Set.Records.Select(r => (p.Split, Record: r))).ToArray();
        var metadata = new Dictionary<string, string>
        {
            ["leads"] = string.Join(' ', EcgLeads.Standard), ["scale"] = Scale.ToString(CultureInfo.InvariantCulture), ["sampling_rate_hz"] = "100", ["unit"] = "mV",
        };
        SafetensorsWriter.Write(Path.Combine(folder, "signals.safetensors"), metadata, [new TensorData("signals", DType.Int16, [records.Length, 12, 500], stream =>
        {
            foreach (var (_, record) in records)
                stream.Write(MemoryMarshal.AsBytes<short>(Array.ConvertAll(record.Samples.ToArray(), v => (short)Math.Round(v / Scale))));
        })]);
        File.WriteAllLines(Path.Combine(folder, "records.csv"), ["row,ecg_id,split,atrial_fibrillation,age,sex,scp_codes", .. records.Select((r, i) =>
        {
            var fast = r.Record.Statements.Count > 0;
            return FormattableString.Invariant($"{i},{i + 1},{r.Split},{(fast ? 1 : 0)},,,{{'{(fast ? "AFIB" : "NORM")}': 100.0}}");
        })]);
    }
}
