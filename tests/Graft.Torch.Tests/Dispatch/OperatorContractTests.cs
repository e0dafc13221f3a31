using System.Reflection;
using Graft.Torch;

namespace Graft.Tests;

public class OperatorContractTests
{
    private const BindingFlags AnyStatic = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<string, FieldInfo> Fields = typeof(Operator).Assembly.GetTypes()
        .SelectMany(t => t.GetFields(AnyStatic))
        .Where(f => f.FieldType == typeof(Operator))
        .ToDictionary(f => $"{f.DeclaringType!.Name}.{f.Name}");

    public static TheoryData<string> Names => [.. Fields.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_operator_is_found_and_gives_what_it_should(string name) => TorchRuntime.Run(() =>
    {
        using var scope = new TensorScope();
        var op = (Operator)Fields[name].GetValue(null)!;
        op.Schema.ShouldContain("::");
        OperatorCases.All.ContainsKey(name).ShouldBeTrue("a new operator needs a case in OperatorCases");
        var expected = OperatorCases.All[name];
        var result = expected.Call(op);
        result.Shape.ToArray().ShouldBe(expected.Shape);
        result.To(DType.Float64).ToArray<double>().ShouldBe(expected.Values, 1e-12);
    });

    [Fact]
    public void No_case_is_left_over() => OperatorCases.All.Keys.Except(Fields.Keys).ShouldBeEmpty();

    [Fact]
    public void Operators_are_found_by_reflection() => Fields.Count.ShouldBeGreaterThan(60);
}
