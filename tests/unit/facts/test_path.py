from typing import Any

import pytest

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

LINKS = {"/ws/link": "/out", "/link-to-ws": "/ws"}


def realpath(path: str) -> str:
    """A small file system without a disk."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
            target = LINKS.get("/" + "/".join(parts))
            parts = target.strip("/").split("/") if target else parts
    return "/" + "/".join(parts)


def fact(value: Any, options: dict[str, Any] | None = None, **env: Any) -> Fact:
    spec = FactSpec("p", "path", ("*",), ("q",), options_for("path", options or {}))
    return compute(
        spec, {"q": value}, Environment(**{"workspace": "/ws", "realpath": realpath, **env})
    )


def test_everything_of_two_paths() -> None:
    found = fact(["a/.git/Config.TXT", "/ws/b/../c.tar.gz"])
    assert found.attributes == {
        "ok": True,
        "present": True,
        "real": ["/ws/a/.git/Config.TXT", "/ws/c.tar.gz"],
        "inside_workspace": True,
        "names": ["Config.TXT", "c.tar.gz"],
        "extensions": ["gz", "txt"],
        "hidden": True,
        "traversal": True,
        "absolute": True,
    }


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        ("a", True), ("/ws", True), ("/ws/", True), ("/wsx", False), ("link/a", False),
        ("link", False), ("/link-to-ws/a", True), (["a", "/etc"], False), ("..", False), ([], True),
    ],
)  # fmt: skip
def test_inside(value: Any, inside: bool) -> None:
    assert fact(value).attributes["inside_workspace"] is inside


def test_the_workspace_may_be_a_link() -> None:
    assert fact("a", workspace="/link-to-ws").attributes["real"] == ["/ws/a"]
    assert fact("a", workspace="/link-to-ws").attributes["inside_workspace"]


def test_the_workspace_may_be_everything() -> None:
    assert fact("/etc/x", workspace="/").attributes["inside_workspace"]
    assert fact("/proc/1/mem", workspace="/").attributes["ok"] is False


def test_the_option_comes_before_the_environment() -> None:
    found = fact("a", {"workspace": "/other"}, cwd="/ws").attributes
    assert found["real"] == ["/other/a"]
    assert found["inside_workspace"]


def test_relative_paths_start_at_the_servers_directory() -> None:
    assert fact("a", cwd="/ws/sub").attributes["real"] == ["/ws/sub/a"]
    assert not fact("a", cwd="/elsewhere").attributes["inside_workspace"]


@pytest.mark.parametrize("env", [{"workspace": ""}, {"workspace": "ws"}, {"cwd": "rel"}])
def test_without_a_place_nothing_resolves(env: dict[str, str]) -> None:
    assert fact("a", **env).attributes["ok"] is False


@pytest.mark.parametrize("answer", ["relative", "", "/a/../b", "/a/"])
def test_a_resolver_that_does_not_resolve_fails(answer: str) -> None:
    assert fact("a", realpath=lambda p: p if p == "/ws" else answer).attributes["ok"] is False


def test_without_a_resolver_paths_fail() -> None:
    spec = FactSpec("p", "path", ("*",), ("q",), options_for("path", {}))
    assert compute(spec, {"q": "a"}, Environment(workspace="/ws")).attributes["ok"] is False


def test_a_resolver_that_raises_fails() -> None:
    def broken(_: str) -> str:
        raise PermissionError("/secret")

    found = fact("a", realpath=broken)
    assert found.attributes["ok"] is False
    assert "secret" not in found.problem


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("file:///ws/a", "/ws/a"),
        ("file:///ws/a%20b", "/ws/a b"),
        ("file:///ws/%C3%BC", "/ws/ü"),
    ],
)
def test_file_urls(text: str, real: str) -> None:
    assert fact(text, {"file_urls": True}).attributes["real"] == [real]
    assert fact(text).attributes["ok"] is False


@pytest.mark.parametrize(
    "text",
    [
        "file:///ws/a%2Fb", "file:///ws/a%2f..%2fb", "file:///ws/a%00", "file:///ws/a%252e",
        "file:///ws/a?b", "file:///ws/a#b", "file://host/ws/a", "file:/ws/a", "FILE:///ws/a",
        "file:///ws/%ff", "file:////ws/a", "file:///C:/x", "file:///ws/a%5cb",
    ],
)  # fmt: skip
def test_odd_file_urls_fail(text: str) -> None:
    assert fact(text, {"file_urls": True}).attributes["ok"] is False


@pytest.mark.parametrize(
    "text", ["%2e%2e/x", "%252e%252e/x", "..\\x", "a/..\x00", "\uff0e\uff0e/x"]
)
def test_refused_traversal_is_named(text: str) -> None:
    found = fact(text).attributes
    assert found["ok"] is False
    assert found["traversal"] is True


def test_dots_alone_are_not_hidden() -> None:
    assert fact("./a/../b").attributes["hidden"] is False
    assert fact(".env").attributes["hidden"] is True
    assert fact(".env").attributes["extensions"] == ["env"]
    assert fact("a", workspace="/srv/u/.work").attributes["hidden"] is False
