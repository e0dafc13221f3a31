using Graft.Formats.Images;
using Graft.Formats.TensorBoard;
using Graft.Tests.Formats.Images;
using Graft.Tests.Training;
using Graft.Training;
using Graft.Transfer;

namespace Graft.Tests.Formats.TensorBoard;

public sealed class EventWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_checksum_of_the_tests_gives_the_known_answers()
    {
        // RFC 3720, B.4.
        EventFile.Crc32C(new byte[32]).ShouldBe(0x8a9136aau);
        EventFile.Crc32C([.. Enumerable.Repeat((byte)0xff, 32)]).ShouldBe(0x62a8ab43u);
        EventFile.Crc32C([.. Enumerable.Range(0, 32).Select(i => (byte)i)]).ShouldBe(0x46dd794eu);
        EventFile.Crc32C([.. Enumerable.Range(0, 32).Select(i => (byte)(31 - i))]).ShouldBe(0x113fdb5cu);
        byte[] read =
        [
            0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0,
            0x02, 0, 0, 0, 0, 0, 0, 0,
        ];
        EventFile.Crc32C(read).ShouldBe(0xd9963a56u);
    }

    [Fact]
    public void Numbers_and_pictures_are_read_back()
    {
        var picture = PictureFixtures.Noise(7, 5, 3);
        string path;
        using (var writer = EventWriter.Create(_folder["run"], 1))
        {
            path = writer.Path;
            writer.WriteScalars(1, [("loss", 0.25), ("terms/kl", -3e-5), ("bad", double.NaN), ("huge", double.MaxValue)]);
            writer.WriteScalars(3_000_000_000, [("loss", 1.5)]);
            writer.WriteImage(2, "samples", ImageCodec.EncodePng(picture));

            // Nothing waits in a buffer: a kill here would lose nothing.
            EventFile.Read(path).Count.ShouldBe(5);
        }

        System.IO.Path.GetFileName(path).ShouldMatch($@"^events\.out\.tfevents\.\d{{10}}\.graft\.{Environment.ProcessId}\.0$");
        EventWriter.IsEventFile(path).ShouldBeTrue();
        var events = EventFile.Read(path);
        (events[0].FileVersion, events[0].Writer, events[0].Step).ShouldBe(("brain.Event:2", "graft", 0));
        (events[1].SessionStatus, events[1].Step).ShouldBe((1ul, 1));
        events[2].Scalars.ShouldBe(new Dictionary<string, float> { ["loss"] = 0.25f, ["terms/kl"] = -3e-5f, ["bad"] = float.NaN, ["huge"] = float.PositiveInfinity });
        (events[3].Step, events[3].Scalars["loss"]).ShouldBe((3_000_000_000, 1.5f));
        var image = events[4].Images["samples"];
        (image[1], image[2], image[3]).ShouldBe((5ul, 7ul, 3ul));
        ImageCodec.Decode((byte[])image[4], "event").ShouldEqual(picture, "the picture");
        events.ShouldAllBe(e => Math.Abs(e.WallTime - TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()) < 600);
    }

    [Fact]
    public void Records_of_every_length_have_right_checksums()
    {
        using var writer = EventWriter.Create(_folder.Path, 0);
        for (var length = 1; length <= 70; length++)
            writer.WriteScalars(length, [(new string('x', length), length)]);
        var events = EventFile.Read(writer.Path);
        Enumerable.Range(1, 70).ShouldAllBe(i => events[i + 1].Scalars[new string('x', i)] == i);
    }

    [Fact]
    public void Later_files_come_later_in_the_order_of_names()
    {
        var clock = new Clock { Now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000) };
        var paths = new List<string>();
        foreach (var seconds in new[] { 0, 0, 5, -100 }) // the same second twice, and a clock that is put back
        {
            clock.Now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000 + seconds);
            using var writer = EventWriter.Create(_folder.Path, 1, clock);
            paths.Add(writer.Path);
        }

        paths.ShouldBe(paths.Order(StringComparer.Ordinal));
        paths.ShouldBeUnique();
        EventFile.Read(paths[3])[0].WallTime.ShouldBe(1_699_999_900);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_is_told()
    {
        File.WriteAllText(_folder["file"], "");
        Should.Throw<InputException>(() => EventWriter.Create(_folder["file"], 0)).Message.ShouldContain("TensorBoard");
    }

    [Fact]
    public void A_resumed_run_starts_a_file_that_takes_over_after_the_checkpoint()
    {
        var options = TinyRun.Options(8) with { Tensorboard = true, SampleEvery = 3, SampleCount = 4, SampleSteps = 2 };
        var target = new TinyPictures();
        using var source = TinyRun.Model();
        Should.Throw<TrainingStoppedException>(() => new Finetune { Training = options }.Adapt(source, target, TinyRun.StopAfter(_folder["run"], 5)));
        using var again = TinyRun.Model();
        new Finetune { Training = options }.Adapt(again, target, new TrainingRun { Folder = _folder["run"], Resume = true }).Dispose();

        var files = Directory.GetFiles(_folder["run"]).Where(EventWriter.IsEventFile).Order(StringComparer.Ordinal).Select(EventFile.Read).ToArray();
        files.Length.ShouldBe(2);
        files.Select(file => (file[1].SessionStatus, file[1].Step)).ShouldBe([(1ul, 1L), (1ul, 6L)]);
        Steps(files[0], e => e.Scalars.Count > 0).ShouldBe([1, 2, 3, 4, 5]);
        Steps(files[1], e => e.Scalars.Count > 0).ShouldBe([6, 7, 8]);
        Steps(files[0], e => e.Images.Count > 0).ShouldBe([3]);
        Steps(files[1], e => e.Images.Count > 0).ShouldBe([6]);
        ((byte[])files[1].Single(e => e.Images.Count > 0).Images["samples"][4])
            .ShouldBe(File.ReadAllBytes(System.IO.Path.Combine(_folder["run"], "samples", "step-0000006.png")));

        // Every term of the log, with its values.
        var log = File.ReadLines(System.IO.Path.Combine(_folder["run"], "log.jsonl")).Select(line => System.Text.Json.Nodes.JsonNode.Parse(line)!.AsObject()).ToArray();
        var scalars = files.SelectMany(file => file.Where(e => e.Scalars.Count > 0)).ToArray();
        for (var i = 0; i < log.Length; i++)
        {
            scalars[i].Scalars.Keys.ShouldBe(log[i].Select(p => p.Key).Where(key => key != "step"));
            foreach (var (name, value) in scalars[i].Scalars)
                value.ShouldBe((float)(double)log[i][name]!);
        }

        static IEnumerable<long> Steps(IEnumerable<ReadEvent> events, Func<ReadEvent, bool> which) => events.Where(which).Select(e => e.Step);
    }

    [Fact]
    public void Without_the_option_there_are_none()
    {
        using var source = TinyRun.Model();
        new Finetune { Training = TinyRun.Options(2) }.Adapt(source, new TinyPictures(), new TrainingRun { Folder = _folder["run"] }).Dispose();
        Directory.GetFiles(_folder["run"]).ShouldNotContain(path => EventWriter.IsEventFile(path));
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
