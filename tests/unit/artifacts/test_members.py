"""Names that every reader understands in the same way."""

import pytest

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import Limits, Names, member_name


@pytest.mark.parametrize(
    "name",
    ["a", "a/b.txt", "ünï/näme", "日本語", "a b", "..a", "a..", "a..b", ".hidden", "x" * 255, "ab:c", "model:v1", "-rf"],
)  # fmt: skip
def test_a_plain_relative_path_is_taken(name):
    assert member_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "no name"),
        ("/etc/passwd", "absolute"),
        ("//x", "absolute"),
        ("..", "leaves"),
        ("../x", "leaves"),
        ("a/../../x", "leaves"),
        ("a/..", "leaves"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        (".", "empty part"),
        ("./a", "empty part"),
        ("a/./b", "empty part"),
        ("a\\b", "backslash"),
        ("..\\x", "backslash"),
        ("C:", "drive"),
        ("c:/windows", "drive"),
        ("a/D:evil", "drive"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x1b[2Jb", "control"),
        ("a\x7f", "control"),
        ("a\udc80", "UTF-8"),
        ("x" * 256, "part of its name"),
        ("/".join("x" * 65), "deep"),
        ("y" * 200 + "/" + "z" * 900, "longer than"),
    ],
)
def test_a_name_that_readers_understand_differently_is_refused(name, why):
    with pytest.raises(ArchiveError, match=why) as caught:
        member_name(name)
    assert "\n" not in caught.value.message
    assert "\x1b" not in caught.value.message


def test_a_name_comes_once():
    names = Names()
    names.take("a/b", directory=False)
    for again, directory in [("a/b", False), ("a/b", True), ("a/b/c", False)]:
        with pytest.raises(ArchiveError):
            names.take(again, directory=directory)
    names.take("a", directory=True)  # so far it was only implied
    with pytest.raises(ArchiveError, match="twice"):
        names.take("a", directory=True)


def test_a_file_is_no_directory():
    names = Names()
    names.take("a", directory=False)
    with pytest.raises(ArchiveError, match="as a file and as a directory"):
        names.take("a/b", directory=False)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a", "A"), ("Dir/x", "dir/y"), ("stra\u00dfe", "STRASSE"), ("\u00e9", "e\u0301"), ("\u212a", "k")],
)  # fmt: skip
def test_names_that_are_one_file_elsewhere_collide(first, second):
    names = Names()
    names.take(first, directory=False)
    with pytest.raises(ArchiveError, match="one file on"):
        names.take(second, directory=False)


def test_layers_share_directories_and_no_files():
    names = Names(shared=True)
    names.take("a", directory=True)
    names.take("a", directory=True)
    names.take("a/x", directory=False)
    with pytest.raises(ArchiveError, match="twice"):
        names.take("a/x", directory=False)


def test_directories_that_are_only_implied_count():
    names = Names(Limits(entries=4))
    names.take("a/b/c/d", directory=False)
    with pytest.raises(ArchiveError, match="more than 4"):
        names.take("e", directory=False)
