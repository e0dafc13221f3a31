namespace Graft.Tests.Sampling;

/// <summary>
/// Trajectories of diffusers 0.14.0 and 0.27.2: all 357 cases of DDPM and DDIM (every beta schedule, prediction and variance type,
/// spacing, clipping, thresholding, zero terminal SNR and custom time steps), and all 214 of DPM-Solver (orders, algorithms and solver
/// types; Karras sigmas, thresholding, spacings and every way to end). None is left out.
/// </summary>
public class TrajectoryParityTests
{
    private const int CasesInKit = 138 + 65 + 84 + 70 + 130 + 84;

    public static TheoryData<string, string> Kit => Rows(
        ["ddpm_v0_14", "ddpm_v0_27", "ddim_v0_14", "ddim_v0_27", "dpmsolver_v0_14", "dpmsolver_v0_27"], InKit);

    /// <summary>A slice of the same cases that is in the repository.</summary>
    public static TheoryData<string, string> Slice => Rows(["ddpm_v0_27", "ddim_v0_27", "dpmsolver_v0_14", "dpmsolver_v0_27"], InRepository);

    [SharedTheory("reference/schedulers")]
    [MemberData(nameof(Kit))]
    public void Same_trajectory(string file, string name) => TrajectoryCase.Check(InKit(file), name);

    [Theory]
    [MemberData(nameof(Slice))]
    public void Same_trajectory_as_in_the_repository(string file, string name) => TrajectoryCase.Check(InRepository(file), name);

    [SharedFact("reference/schedulers")]
    public void Every_case_is_covered() => Kit.Count.ShouldBe(CasesInKit);

    private static string InKit(string file) => SharedFiles.Reference("schedulers", file + ".json");

    private static string InRepository(string file) => Path.Combine(SharedFiles.Repository, "tests", "Graft.Tests", "Fixtures", "schedulers", file + ".json");

    private static TheoryData<string, string> Rows(string[] files, Func<string, string> path)
    {
        var rows = new TheoryData<string, string>();
        foreach (var file in files)
        {
            foreach (var name in TrajectoryCase.Names(path(file)))
                rows.Add(file, name);
        }

        return rows;
    }
}
