using System.Text;
using Graft.Data.Ecg;
using Graft.Formats.Ecg;

namespace Graft.Fuzz;

/// <content>ECGs: WFDB, MATLAB, tables.</content>
internal static partial class Parsers
{
    private static readonly string[] Records = ["00001_lr", "A0001", "A0002", "fmt212_gains", "fmt212_two_leads", "no_count_uV", "two_files"];

    private static string Good(string file) => Fixture("ecg", "wfdb", "good", file);

    // Headers of several records, with the signal files of all of them beside it.
    private static FuzzedParser WfdbHeader() => new()
    {
        Name = "wfdb-header",
        File = "input.hea",
        Seeds = () =>
        [
            .. Enumerable.Repeat(Records.Select(r => File.ReadAllBytes(Good(r + ".hea"))), 4).SelectMany(r => r),
            .. Directory.EnumerateFiles(Fixture("ecg", "wfdb", "bad"), "*.hea", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes),
        ],
        Mutators = Text,
        Open = folder =>
        {
            foreach (var file in Directory.EnumerateFiles(Fixture("ecg", "wfdb", "good")).Where(f => !f.EndsWith(".hea", StringComparison.Ordinal) && !f.EndsWith(".json", StringComparison.Ordinal)))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
            return path =>
            {
                ReadWfdb(path, verify: false);
                ReadWfdb(path, verify: true);
            };
        },
    };

    private static FuzzedParser WfdbSamples() => new()
    {
        Name = "wfdb-samples",
        File = "input.dat",
        Seeds = () => [File.ReadAllBytes(Good("fmt212_two_leads.dat")), File.ReadAllBytes(Good("00001_lr.dat"))],
        Mutators = [ByteMutator.Mutate],
        Open = folder =>
        {
            string[] headers = ["12 100\ninput.dat 16 200 16 0 0 0 0 I", "2 100 300\ninput.dat 212 200 12 0 0 0 0 I", "3 100\ninput.dat 24 200", "1 100\ninput.dat 80 200", "1 100 10\ninput.dat 16+7 200 16 0 0 99 0 I"];
            for (var i = 0; i < headers.Length; i++)
            {
                var (record, signal) = (headers[i].Split('\n')[0], headers[i].Split('\n')[1]);
                File.WriteAllText(Path.Combine(folder, $"h{i}.hea"), $"h{i} {record}\n{string.Concat(Enumerable.Repeat(signal + "\n", int.Parse(record.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture)))}");
            }

            // The file's length says which header reads it; the last one asks for a checksum.
            return path => ReadWfdb(Path.Combine(Path.GetDirectoryName(path)!, $"h{new FileInfo(path).Length % headers.Length}.hea"), verify: true);
        },
    };

    // Deflate gives 1032 bytes for one, which may be kept twice over, and each may become a number of 8 bytes.
    private static FuzzedParser Matlab() => new()
    {
        Name = "matlab",
        File = "input.mat",
        Seeds = () =>
        [
            File.ReadAllBytes(Good("A0001.mat")), Level4(2, 3), Level5(packed: false), Level5(packed: false), Level5(packed: true), Level5(packed: true),
        ],
        Mutators = [ByteMutator.Mutate, ContainerMutators.Matlab, ContainerMutators.Matlab],
        Open = _ => path =>
        {
            foreach (var variable in MatlabFile.Read(path).Variables)
                Touch(variable);
        },
        AllowancePerByte = 1032 * 12,
    };

    private static FuzzedParser PtbXlRows() => new()
    {
        Name = "ptbxl-table",
        File = "ptbxl_database.csv",
        Seeds = () => new[]
        {
            "ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr\n1,15709.0,56.0,1,\"{'NORM': 100.0, 'SR': 0.0}\",3,records100/00000/00001_lr,records500/00000/00001_hr\n"
                + "2,13243.0,19.0,0,\"{'LAO/LAE': 80.0}\",10,records100/00000/00002_lr,records500/00000/00002_hr\n",
            "ecg_id,strat_fold,scp_codes,filename_lr,filename_hr\n7,1,{},a,b\n8,9.0,{'PRC(S)': 0},a,b\n",
        }.Select(Encoding.UTF8.GetBytes).ToArray(),
        Mutators = Text,
        Open = _ => path => PtbXlTable.Read(path),
    };

    private static void ReadWfdb(string path, bool verify)
    {
        var record = WfdbRecord.Read(path, verify);
        for (var i = 0; i < record.Header.Signals.Count; i++)
        {
            _touched ^= record.Digital(i)[^1] ^ (int)record.Checksum(i) ^ (int)record.InitialValue(i);
            _touched ^= double.IsNaN(record.Physical(i)[0]) ? 1 : 0;
        }
    }

    private static void Touch(MatlabArray array)
    {
        switch (array.Kind)
        {
            case MatlabKind.Struct:
                foreach (var field in array.Fields.Values)
                    Touch(field);
                break;
            case MatlabKind.Text:
                _touched ^= array.ToText().Length;
                break;
            default:
                _touched ^= array.ToDoubles().Length;
                break;
        }

        _touched ^= array.ToString().Length;
    }

    private static byte[] Level4(int rows, int columns) =>
    [
        .. Integers(1010, rows, columns, 0, 2).Chunk(4).SelectMany(i => i.Reverse()), .. "x\0"u8, .. Enumerable.Range(0, rows * columns).SelectMany(i => BitConverter.GetBytes((float)i).Reverse()),
        .. Integers(51, 1, 4, 0, 2), .. "t\0text"u8,
    ];

    private static byte[] Level5(bool packed)
    {
        byte[] Matrix(int kind, int rows, int columns, string name, params byte[] content) =>
            Element(14, [.. Element(6, Integers(kind, 0)), .. Element(5, Integers(rows, columns)), .. Element(1, Encoding.ASCII.GetBytes(name)), .. content]);

        var ecg = Matrix(2, 1, 1, "ECG",
        [
            .. Integers(5 | (4 << 16), 4), .. Element(1, "sex\0age\0dat\0"u8.ToArray()), .. Matrix(4, 1, 4, "", Element(16, "Male"u8.ToArray())),
            .. Matrix(6, 1, 1, "", [.. Integers(2 | (1 << 16)), 74, 0, 0, 0]), .. Matrix(6, 12, 8, "", Element(9, [.. Enumerable.Range(0, 96).SelectMany(i => BitConverter.GetBytes(i / 10.0))])),
        ]);
        var matrix = Matrix(10, 2, 3, "val", Element(3, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]));
        return ContainerMutators.Level5([ecg, matrix], packed);
    }

    private static byte[] Element(int type, byte[] data) => [.. Integers(type, data.Length), .. data, .. new byte[(8 - (data.Length & 7)) & 7]];

    private static byte[] Integers(params IEnumerable<int> values) => [.. values.SelectMany(BitConverter.GetBytes)];
}
