import pytest

from remit.policy import engine
from remit.policy.classes import Classes


def classes(*conditions):
    text = "\n".join(
        f'@id("p{n}") permit (principal, action, resource) when {{ {c} }};'
        for n, c in enumerate(conditions)
    )
    return Classes(engine.parse(text))


def alike(of, one, two):
    first, second = of.of(one), of.of(two)
    assert first is not None
    assert second is not None
    return first == second


TEXTS = [
    ('context.a like "*key*"', "no", "nothing", True),
    ('context.a like "*key*"', "a key", "no", False),
    ('context.a like "*key*"', "a key", "keys", True),
    ('context.a like "ab*ba"', "aba", "x", True),
    ('context.a like "ab*ba"', "abba", "aba", False),
    ('context.a like "a*b*c"', "abc", "a-b-b-c", True),
    ('context.a like "a*b*c"', "abc", "acb", False),
    ('context.a like "*b*b*"', "b", "x", True),
    ('context.a like "100\\*"', "100*", "1000", False),
    ('context.a like ""', "", "x", False),
    ('context.a like "*"', "", "x", True),
    ('context.a == "x"', "y", "z", True),
    ('context.a == "x"', "x", "z", False),
    ('"x" != context.a', "x", "z", False),
    ('["x", "y"].contains(context.a)', "z", "q", True),
    ('["x", "y"].contains(context.a)', "x", "q", False),
    ('context.a.greaterThan(decimal("10.5"))', "10.5000", "-3.0000", True),
    ('context.a.greaterThan(decimal("10.5"))', "10.5001", "10.5000", False),
    ('decimal("10.5").greaterThan(context.a)', "10.4999", "10.5000", False),
    ('context.a.lessThan(decimal("-0.5"))', "-0.6000", "-0.4000", False),
    ('context.a.lessThan(decimal("-0.5"))', "-0.4000", "0.4000", True),
]


@pytest.mark.parametrize(("condition", "one", "two", "same"), TEXTS)
def test_texts_are_alike_if_no_operator_tells_them_apart(condition, one, two, same):
    assert alike(classes(condition), {"a": one}, {"a": two}) is same


SETS = [
    ('context.a.contains("x")', ["y"], ["z"], True),
    ('context.a.contains("x")', ["x", "y"], ["x"], True),
    ('context.a.contains("x")', ["y"], ["x"], False),
    ('context.a.containsAny(["x", "y"])', ["q"], [], True),
    ('context.a.containsAll(["x", "y"])', ["x"], ["x", "y"], False),
    ('["x", "y"].containsAll(context.a)', ["x"], ["y", "x"], True),
    ('["x", "y"].containsAll(context.a)', ["x"], ["x", "z"], False),
    ('["x"].containsAny(context.a)', ["x"], ["z"], False),
    ('context.a == ["x"]', ["x"], ["x", "x"], True),
    ('context.a == ["x"]', ["x"], ["x", "z"], False),
    ("context.a.isEmpty()", ["x"], ["z"], True),
    ("context.a.isEmpty()", ["x"], [], False),
]


@pytest.mark.parametrize(("condition", "one", "two", "same"), SETS)
def test_sets_are_alike_if_no_operator_tells_them_apart(condition, one, two, same):
    assert alike(classes(condition), {"a": one}, {"a": two}) is same


NUMBERS = [
    ("context.a > 10", 11, 12, True),
    ("context.a > 10", 10, 11, False),
    ("10 > context.a", 9, 10, False),
    ("context.a == 3", 3, 4, False),
    ("context.a == 3", 5, 4, True),
    ("context.a + 1 > 10", 20, 30, False),
]


@pytest.mark.parametrize(("condition", "one", "two", "same"), NUMBERS)
def test_numbers_are_alike_on_one_side_of_every_bound(condition, one, two, same):
    assert alike(classes(condition), {"a": one}, {"a": two}) is same


def test_one_other_use_keeps_the_whole_value():
    of = classes('context.a like "x*"', "context.a == context.b")
    assert not alike(of, {"a": "y", "b": "q"}, {"a": "z", "b": "q"})


def test_presence_is_always_told():
    of = classes('context.input has a && context.input.a like "x*"')
    assert not alike(of, {"input": {}}, {"input": {"a": "y"}})
    assert alike(of, {"input": {"a": "z"}}, {"input": {"a": "y"}})
    assert not alike(classes("context.input has a.b"), {"input": {"a": {}}}, {"input": {}})


def test_what_no_policy_reads_tells_nothing():
    assert alike(classes('context.a == "x"'), {"a": "x", "b": 1}, {"a": "x", "b": 2})


def test_the_context_as_a_whole_stays_whole():
    of = classes('context.a == "x"', "context == context")
    assert not alike(of, {"a": "y"}, {"a": "z"})


@pytest.mark.parametrize(
    ("condition", "context"),
    [
        ('context.a like "x"', {"a": 1}),
        ("context.a > 1", {"a": True}),
        ("context.a == true", {"a": 1}),
        ('context.a.contains("x")', {"a": "xx"}),
        ('context.a.b == "x"', {"a": "text"}),
        ('context.a.lessThan(decimal("1.0"))', {"a": "1e3"}),
        ('context.a.lessThan(decimal("1.0"))', {"a": "1.00001"}),
        ("context.a == context.b", {"a": "\ud800", "b": ""}),
    ],
)
def test_a_value_of_another_type_has_no_class(condition, context):
    assert classes(condition).of(context) is None


def test_an_attribute_that_is_looked_at_as_two_types_stays_whole():
    of = classes('context.a like "x*"', "context.a > 1")
    assert not alike(of, {"a": "y"}, {"a": "z"})
