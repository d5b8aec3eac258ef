"""Paths that lead out of the workspace in dress: none may look as if it stayed inside.

Runs on a real directory with real links; what a plain ``open`` would touch is the judge.
"""

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

SPEC = FactSpec("path", "path", ("*",), ("q",), options_for("path", {}))
URLS = FactSpec("path", "path", ("*",), ("q",), options_for("path", {"file_urls": True}))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``room/ws`` is the workspace, ``room/out`` is not."""
    room = tmp_path_factory.mktemp("room").resolve()
    ws, out = room / "ws", room / "out"
    for directory in (ws / "sub" / "deep", out / "dir", room / "ws-evil", room / "wsx"):
        directory.mkdir(parents=True)
    (out / "secret").write_text("s")
    (ws / "file.txt").write_text("f")
    (ws / "to-out").symlink_to(out)
    (ws / "to-secret").symlink_to(out / "secret")
    (ws / "relative").symlink_to("../out")
    (ws / "up").symlink_to("..")
    (ws / "root").symlink_to("/")
    (ws / "chain").symlink_to("to-out")
    (ws / "sub" / "chain").symlink_to("../chain/dir")
    (ws / "loop").symlink_to("loop")
    (ws / "dangling").symlink_to(room / "not-there" / "yet")
    (ws / "proc").symlink_to(Path("/proc/self", "root"))
    (ws / "inside").symlink_to("sub/deep")
    return room


def fact(room: Path, path: object, spec: FactSpec = SPEC) -> Fact:
    return compute(
        spec, {"q": path}, Environment(workspace=str(room / "ws"), realpath=os.path.realpath)
    )


# `{room}` is the directory above the workspace.
ESCAPES = [
    "..",
    "../",
    "../out",
    "../out/secret",
    "./../out/secret",
    "sub/../../out/secret",
    "sub/deep/../../../out/secret",
    "nowhere/../../out/secret",
    "a/b/c/../../../../out/secret",
    "..//out///secret",
    ".././out/./secret",
    "to-out",
    "to-out/",
    "to-out/secret",
    "to-out/new-file",
    "to-out/new/deep/file",
    "to-out/../out/secret",
    "to-secret",
    "relative/secret",
    "up/out/secret",
    "up",
    "up/",
    "root/etc/passwd",
    "chain/secret",
    "sub/chain/x",
    "inside/../../../out/secret",
    "dangling",
    "dangling/x",
    "proc/etc/passwd",
    "/etc/passwd",
    "/",
    "//etc/passwd",
    "///etc/passwd",
    "/./etc/passwd",
    "/proc/self/cwd/../out/secret",
    str(Path("/proc/self", "root", "etc", "passwd")),
    "/dev/fd/3",
    "{room}",
    "{room}/out/secret",
    "{room}/ws/../out/secret",
    "{room}/ws-evil/x",
    "{room}/wsx/x",
    "{room}/ws/../ws-evil/x",
    "{room}/WS/x",
    "~",
    "~/x",
    "~root/x",
    "$HOME/x",
    "${HOME}/x",
    "$(pwd)/../x",
    "`pwd`/../x",
    "%2e%2e/out/secret",
    "%2E%2E%2Fout%2Fsecret",
    "..%2fout%2fsecret",
    "%2e%2e%2f",
    "%252e%252e%252fout",
    "%25252e%25252e%25252fout",
    "%c0%ae%c0%ae/out",
    "%uff0e%uff0e/out",
    "sub/%2e%2e/%2e%2e/out",
    "%2fetc%2fpasswd",
    "%00",
    "file.txt%00.png",
    "file.txt\x00.png",
    "..\\out\\secret",
    "sub\\..\\..\\out",
    "\\\\server\\share\\x",
    "//server/share/x",
    "C:\\Windows\\x",
    "C:/Windows/x",
    "c:x",
    "\\\\?\\C:\\x",
    "\\\\.\\pipe\\x",
    "file.txt:stream",
    "file.txt::$DATA",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "file:../out",
    "http://evil.example/x",
    "\uff0e\uff0e/out/secret",
    "\u2024\u2024/out/secret",
    "\u2025/out/secret",
    "..\u2215out",
    "..\u2044out",
    "..\uff0fout",
    "..\u29f8out",
    ".\u200b./out",
    "..\u200b/out",
    "\u202e../out",
    ".\u00ad./out",
    "\ufeff../out",
    ".. /out",
    "..\t/out",
    " ../out",
    "../out ",
    "..\n/out",
    "../out\r",
    ".../out",
    "..;/out",
    "..\x7f/out",
    "..\x01/out",
    "\ud800../out",
    "a\u0301/../../out",
    "",
    " ",
    "a" * 5000,
    "a/" * 600,
    "a" * 300,
    "../" * 400,
]  # fmt: skip

INSIDE = [
    ("file.txt", "file.txt"),
    ("./file.txt", "file.txt"),
    ("sub/deep/new.py", "sub/deep/new.py"),
    ("not/there/yet.tar.GZ", "not/there/yet.tar.GZ"),
    ("sub/../file.txt", "file.txt"),
    ("inside/x", "sub/deep/x"),
    ("inside/../x", "sub/x"),
    ("sub//deep", "sub/deep"),
    (".", ""),
    ("{room}/ws/file.txt", "file.txt"),
    ("{room}/ws", ""),
    ("größe.txt", "größe.txt"),
    ("a b/c d", "a b/c d"),
    ("[id]/$id.tsx", "[id]/$id.tsx"),
    ("100%", "100%"),
    ("..a/b..c", "..a/b..c"),
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_no_escape_looks_inside(room: Path, path: str) -> None:
    a = fact(room, path.replace("{room}", str(room))).attributes
    assert not (a["ok"] and a["inside_workspace"])


@pytest.mark.parametrize("path", ESCAPES)
def test_one_escape_in_a_list_is_enough(room: Path, path: str) -> None:
    a = fact(room, ["file.txt", path.replace("{room}", str(room)), "sub"]).attributes
    assert not (a["ok"] and a["inside_workspace"])


@pytest.mark.parametrize("path", ESCAPES)
def test_no_file_url_escapes(room: Path, path: str) -> None:
    for text in ("file://" + path, "file:///" + path, f"file://{room}/ws/{path}"):
        found = fact(room, text.replace("{room}", str(room)), URLS).attributes
        if found["ok"] and found["inside_workspace"]:
            real = os.path.realpath(unquote(text.replace("{room}", str(room))[7:]))
            assert real == str(room / "ws") or real.startswith(f"{room}/ws/")


@pytest.mark.parametrize(("path", "real"), INSIDE)
def test_plain_paths_are_understood(room: Path, path: str, real: str) -> None:
    found = fact(room, path.replace("{room}", str(room)))
    assert found.problem == ""
    assert found.attributes["inside_workspace"]
    assert found.attributes["real"] == [str(room / "ws" / real) if real else str(room / "ws")]


@pytest.mark.parametrize("path", [p for p in ESCAPES if ".." in unquote(unquote(p)).split("/")])
def test_traversal_shows_even_when_refused(room: Path, path: str) -> None:
    a = fact(room, path.replace("{room}", str(room))).attributes
    assert a["traversal"]


def test_the_corpus_is_large() -> None:
    assert len(ESCAPES) >= 50


PARTS = st.sampled_from([
    "..", ".", "", "sub", "deep", "to-out", "up", "root", "chain", "inside", "loop", "dangling", "out",
    "secret", "ws", "new", "%2e%2e", "~", "a b", "...", ".hidden", "proc", "etc",
])  # fmt: skip


@given(
    parts=st.lists(PARTS, min_size=1, max_size=8),
    absolute=st.sampled_from(["", "/", "WS/", "ROOM/"]),
)
def test_open_would_stay_inside(room: Path, parts: list[str], absolute: str) -> None:
    """The kernel's own resolution of an existing path agrees with the fact."""
    prefix = absolute.replace("WS", str(room / "ws")).replace("ROOM", str(room))
    text = prefix + "/".join(parts)
    found = fact(room, text)
    if not found.attributes["ok"]:
        return
    directory = os.open(room / "ws", os.O_RDONLY)
    try:
        handle = os.open(text, os.O_PATH, dir_fd=directory)
    except OSError:
        return
    finally:
        os.close(directory)
    try:
        real = str(Path(f"/proc/self/fd/{handle}").readlink())
    finally:
        os.close(handle)
    inside = real == str(room / "ws") or real.startswith(f"{room}/ws/")
    assert found.attributes["inside_workspace"] == inside, (text, real)
    assert found.attributes["real"] == [real]


def test_a_link_made_later_is_seen(room: Path) -> None:
    path = room / "ws" / "later"
    assert fact(room, "later/x").attributes["inside_workspace"]
    path.symlink_to(room / "out")
    assert not fact(room, "later/x").attributes["inside_workspace"]
    path.unlink()
