"""`.kitignore`, with the patterns of `.dockerignore`."""

import pytest

from remit.artifacts.errors import DefinitionError
from remit.artifacts.ignore import Ignore, parse_ignore


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "d/a.pyc", False),
        ("**/*.pyc", "a.pyc", True),
        ("**/*.pyc", "d/e/a.pyc", True),
        ("**/cache", "cache", True),
        ("**/cache", "a/b/cache/x", True),
        ("**cache", "mycache", True),
        ("**cache", "a/mycache", True),
        ("logs", "logs/a/b", True),
        ("logs/", "logs/a", True),
        ("/logs", "logs/a", True),
        ("logs", "a/logs", False),
        ("logs/**", "logs/a", True),
        ("logs/**", "logs", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "b/z", False),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[ab].txt", "a.txt", True),
        ("[^ab].txt", "a.txt", False),
        ("[^ab].txt", "c.txt", True),
        ("a.b", "axb", False),
        ("a+(b)|c$", "a+(b)|c$", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("./x", "x", True),
        ("a/../b", "b", True),
        ("*\n!keep.txt", "keep.txt", False),
        ("*\n!keep.txt", "other.txt", True),
        ("d\n!d/keep", "d/keep", False),
        ("!keep\nkeep", "keep", True),
        ("# comment\n\n  spaced  ", "spaced", True),
        ("日*", "日本", True),
        ("*", "a/b/c", True),
        ("**", "a/b", True),
        ("", "a", False),
        ("", "Kitfile", True),
        ("", ".kitignore", True),
        ("", "d/Kitfile", False),
        ("a*", "a\nb", True),
    ],
)
def test_patterns(patterns, path, ignored):
    assert parse_ignore(patterns.encode()).matches(path) is ignored


@pytest.mark.parametrize("data", [b"[", b"[z-a]", b"!", b"\xff", b"x" * 300_000, b"a\n" * 3000])
def test_what_is_no_pattern(data):
    with pytest.raises(DefinitionError):
        parse_ignore(data)


def test_a_hostile_pattern_takes_no_time():
    ignore = parse_ignore(b"**/a" * 30 + b"*a*a*a*a*a*a*a*a*a*a*b")
    assert not ignore.matches("/".join(["a" * 30] * 30))


def test_whether_something_is_taken_back():
    assert not Ignore(["a"]).takes_back
    assert Ignore(["a", "!a/b"]).takes_back
