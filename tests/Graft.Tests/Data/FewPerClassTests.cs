using Graft.Data;
using Graft.Recipes;
using Graft.Tests.Training;

namespace Graft.Tests.Data;

public class FewPerClassTests
{
    [Fact]
    public void The_first_of_each_class_of_a_permutation_are_chosen_and_the_rest_left()
    {
        var set = new TinyPictures(30, labels: [.. Enumerable.Range(0, 30).Select(i => i % 3)]);
        var (chosen, others) = FewPerClass.Of(set, 4, seed: 1);
        chosen.Count.ShouldBe(12);
        Enumerable.Range(0, 12).GroupBy(i => chosen.Label(i)).Select(g => g.Count()).ShouldBe([4, 4, 4]);
        var names = Enumerable.Range(0, 12).Select(chosen.Name).ToArray();
        names.Concat(others.Select(i => $"{i}")).Order().ShouldBe(Enumerable.Range(0, 30).Select(i => $"{i}").Order());
        Names(4, 1).ShouldBe(names);
        Names(4, 2).ShouldNotBe(names);
        Names(2, 1).ShouldBeSubsetOf(names); // fewer are the first of more
        chosen.Description.ShouldBe("12 (4 a class, seed 1) of 30 tiny pictures of seed 1");
        FewPerClass.Of(set, 10, 1).Others.ShouldBeEmpty();

        string[] Names(int count, long seed) => FewPerClass.Of(set, count, seed).Chosen is var c ? [.. Enumerable.Range(0, c.Count).Select(c.Name)] : [];
    }

    [Fact]
    public void Too_few_and_pictures_without_labels_are_refused()
    {
        Should.Throw<InputException>(() => FewPerClass.Of(new TinyPictures(5, labels: [0, 1, 0, 1, 0]), 3, 1)).Message.ShouldContain("The class 1 has 2 pictures");
        Should.Throw<InputException>(() => FewPerClass.Of(new TinyPictures(5), 3, 1)).Message.ShouldContain("has no label");
        Should.Throw<InputException>(() => new DataOptions { Folder = "x", PerClass = -1 }.Open(new ImageShape(1, 8, 8))).Message.ShouldContain("per_class");
    }
}
