r"""The path fact: where a path argument really leads, and whether that is inside the workspace.

A relative path is resolved against ``workspace`` (option, else the environment's), then links and
``..`` are followed by the injected ``realpath``; parts that do not exist yet count as they are
written. Spellings that a file tool may read differently than the operating system are not
resolved but refused: percent-encoding that decodes to something else, ``~``, backslashes, drive
letters, streams, look-alike dots and slashes.

LIMIT: this is a look at one moment. Between this look and the tool's own ``open`` somebody may
replace a directory by a link (time of check, time of use); only a tool that opens beneath a
directory handle, or a sandbox, closes that gap. Hard links and bind mounts cannot be seen at all,
and a tool that runs elsewhere (container, other host) has other files under the same names.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from posixpath import basename, isabs, join, normpath
from typing import Any

import msgspec

from remit.core.text import normal
from remit.facts.base import Environment, FactError, Raw, shape, texts

MAX_PATH = 4096
MAX_NAME_BYTES = 255
MAX_PARTS = 256

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|%u[0-9A-Fa-f]{4}", re.IGNORECASE)
_EXPANSION = re.compile(r"`|\$[A-Z_{(]")
_LOOK_ALIKE = frozenset(
    "\u2024\u2025\u2026\ufe52\uff0e\u2044\u2215\u29f8\uff0f\uff3c\u29f5\u2216\uff5e\ufe68"
)
_SPECIAL = re.compile(r"/proc(?:/|$)|/dev/(?:fd|std)")
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the path fact.

    Attributes:
        workspace: absolute directory instead of the environment's workspace.
        file_urls: accept ``file:///absolute/path`` beside plain paths.
    """

    workspace: str = ""
    file_urls: bool = False

    def __post_init__(self) -> None:
        """A relative workspace would depend on where Guard was started."""
        if self.workspace and (not isabs(self.workspace) or "\0" in self.workspace):
            raise ValueError("`workspace` must be an absolute path")


class Path:
    """Extractor ``path``."""

    name = "path"
    options = Options
    shape = shape(
        real="Set<String>",
        inside_workspace="Bool",
        names="Set<String>",
        extensions="Set<String>",
        hidden="Bool",
        traversal="Bool",
        absolute="Bool",
    )
    worst: Mapping[str, Raw] = {
        "real": (),
        "inside_workspace": False,
        "names": (),
        "extensions": (),
        "hidden": True,
        "traversal": True,
        "absolute": True,
    }

    def extract(
        self, values: Sequence[Any], options: Options, env: Environment
    ) -> Mapping[str, Raw]:
        """Resolve every path; see the module."""
        workspace = options.workspace or env.workspace
        if not isabs(workspace):
            raise FactError("there is no workspace to resolve paths against")
        root = env.realpath(workspace)
        base = workspace if options.workspace else env.cwd or workspace
        if not isabs(root) or not isabs(base):
            raise FactError("there is no workspace to resolve paths against")
        real: set[str] = set()
        names: set[str] = set()
        extensions: set[str] = set()
        hidden = traversal = absolute = False
        inside = True
        for text in texts(values, limit=MAX_PATH):
            path = _plain(text, file_urls=options.file_urls)
            parts = path.split("/")
            traversal |= ".." in parts
            absolute |= isabs(path)
            target = env.realpath(join(base, path))
            if not isabs(target) or normpath(target) != target or _SPECIAL.match(target):
                raise FactError("the path does not resolve", code="facts.path")
            real.add(target)
            inside &= root in {target, "/"} or target.startswith(f"{root}/")
            below = target[len(root) :] if inside else target
            hidden |= any(p.startswith(".") and p not in {".", ".."} for p in parts)
            hidden |= any(p.startswith(".") for p in below.split("/"))
            for name in {basename(target), basename(path.rstrip("/"))} - {"", ".", ".."}:
                names.add(name)
                extensions.add(_extension(name))
        return {
            "real": real,
            "inside_workspace": inside,
            "names": names,
            "extensions": extensions - {""},
            "hidden": hidden,
            "traversal": traversal,
            "absolute": absolute,
        }


def _extension(name: str) -> str:
    """``gz`` of ``a.tar.GZ``, ``env`` of ``.env``; empty without a dot."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def _plain(text: str, *, file_urls: bool) -> str:
    """``text`` if it is a plain POSIX path (or an allowed ``file:`` URL's path), else refuse."""
    from urllib.parse import unquote

    path = text
    if file_urls and text.startswith("file:///") and not re.search(r"[?#]", text):
        parts = [unquote(part, errors="strict") for part in text[7:].split("/")]
        if any("/" in part for part in parts):
            raise FactError("the file URL hides a slash", code="facts.path", seen=_seen(text))
        path = "/".join(parts)
    problem = _problem(path)
    if problem:
        raise FactError(problem, code="facts.path", seen=_seen(text))
    return path


def _seen(text: str) -> dict[str, Raw]:
    """What can be said of a refused path: ``..`` as it stands, and percent-decoded thrice."""
    from urllib.parse import unquote

    traversal = False
    for _ in range(4):
        seen = normal("NFKC", text)
        seen = "".join(c for c in seen if unicodedata.category(c) not in _UNSEEN)
        traversal |= ".." in re.split(r"[/\\]", seen)
        text = unquote(text, errors="replace")
    return {"traversal": traversal, "absolute": isabs(text)}


def _problem(text: str) -> str:
    """Why ``text`` may mean another path to somebody; empty if it cannot."""
    parts = text.split("/")
    return next((problem for problem, holds in _PROBLEMS if holds(text, parts)), "")


_PROBLEMS: tuple[tuple[str, Callable[[str, list[str]], bool]], ...] = (
    ("the path is empty", lambda text, _: not text),
    (
        "the path has another spelling (it is not in NFC)",
        lambda text, _: not text.isascii() and not unicodedata.is_normalized("NFC", text),
    ),
    ("the path holds percent-encoded characters", lambda text, _: bool(_ESCAPE.search(text))),
    (
        "the path holds control or invisible characters",
        lambda text, _: any(unicodedata.category(c) in _UNSEEN for c in text),
    ),
    (
        "a part of the path begins or ends with a space",
        lambda _, parts: any(part != part.strip() for part in parts),
    ),
    (
        "the path holds characters that look like dots or slashes",
        lambda text, _: bool(_LOOK_ALIKE.intersection(text)),
    ),
    ("the path holds a backslash", lambda text, _: "\\" in text),
    (
        "the path holds what a shell would expand",
        lambda text, _: text.startswith("~") or bool(_EXPANSION.search(text)),
    ),
    (
        "the path holds a colon, which names a drive, a stream, a host or a scheme",
        lambda text, _: ":" in text,
    ),
    ("the path begins with two slashes", lambda text, _: text.startswith("//")),
    (
        "the path is too long or too deep",
        lambda _, parts: (
            len(parts) > MAX_PARTS or any(len(part.encode()) > MAX_NAME_BYTES for part in parts)
        ),
    ),
    (
        "a part of the path is almost `..`",
        lambda _, parts: any(
            part.startswith("..;") or (part.endswith(".") and part not in {".", ".."})
            for part in parts
        ),
    ),
    (
        "the path leads to what changes with who looks",
        lambda text, _: _SPECIAL.match(text) is not None,
    ),
)


EXTRACTOR = Path()
