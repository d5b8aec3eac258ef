"""Patterns of repositories and tags."""

import pytest

from remit.hub.errors import HubError
from remit.hub.patterns import check_pattern, check_tag_pattern, first, matches
from remit.hub.registry.access import Grant


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/bc", False),
        ("a/b", "x/a/b", False),
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("a/*", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**", "ab/c", False),
        ("**", "a/b/c", True),
        ("*", "a/b", False),
        ("*/prod", "team/prod", True),
        ("a.b", "axb", False),
        ("a+", "aa", False),
        ("v*", "v1.0", True),
    ],
)
def test_what_a_pattern_means(pattern, name, meant):
    assert matches(pattern, name) is meant


@pytest.mark.parametrize("text", ["a", "a/*", "**", "team-1/*/x.y", "*"])
def test_patterns(text):
    assert check_pattern(text) == text


@pytest.mark.parametrize("text", ["", "/a", "a/", "A", "a b", "a//b", "a\n", "ä", "a" * 256, "(a)"])
def test_what_is_no_pattern(text):
    with pytest.raises(HubError) as refused:
        check_pattern(text)
    assert refused.value.code == "hub.pattern"


@pytest.mark.parametrize("text", ["", "a/b", "-a", "v 1", "a" * 256])
def test_what_is_no_pattern_of_tags(text):
    with pytest.raises(HubError):
        check_tag_pattern(text)
    assert check_tag_pattern("V*.1_x-y") == "V*.1_x-y"


def test_the_most_specific_pattern_counts():
    rules = [Grant(pattern=each, role="reader") for each in ("**", "a/**", "a/b", "other")]
    assert first(rules, "a/b").pattern == "a/b"
    assert first(rules, "a/c").pattern == "a/**"
    assert first(rules, "z").pattern == "**"
    assert first(rules[1:], "z") is None
    stars = [Grant(pattern=each, role="reader") for each in ("a/*", "a/**", "*/b", "**/b", "***")]
    assert first(stars, "a/b").pattern == "a/*"
    assert first(stars, "x/y/b").pattern == "**/b"
