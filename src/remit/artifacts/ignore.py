r"""``.kitignore``: which files of a directory do not belong to the artifact.

The patterns of ``.dockerignore``, as ``kit`` reads them: relative to the directory, ``*`` and ``?``
within a name, ``**`` across directories, ``[...]`` classes, ``\`` before a literal character,
``!`` takes back, the last pattern that matches decides; a directory that matches takes what is in
it along.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Any

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kitfile import NAMES
from remit.artifacts.members import shown

FILE = ".kitignore"
MAX_BYTES = 256 * 1024
MAX_PATTERNS = 2000
_SUFFIX = re.compile(r"\*\*[^/*?\[\]\\][^*?\[\]\\]*")
"""``**`` before plain text at the start: whatever ends in it."""
_ESCAPED = frozenset(".+()|{}$^")


class Ignore:
    """What to leave out.

    Args:
        patterns: in order; ``!`` in front takes back.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns: list[tuple[bool, Any]] = []
        for pattern in (*patterns, *NAMES, FILE):
            taken_back = pattern.startswith("!")
            self._patterns.append((taken_back, _compiled(pattern[taken_back:])))
        if len(self._patterns) > MAX_PATTERNS:
            raise DefinitionError(f"`{FILE}` has more than {MAX_PATTERNS} patterns")

    @property
    def takes_back(self) -> bool:
        """Whether a file may stay although its directory is left out."""
        return any(taken_back for taken_back, _ in self._patterns)

    def matches(self, path: str) -> bool:
        """Whether the file or directory at the relative ``path`` is left out."""
        candidates = [path]
        at = path.find("/")
        while at >= 0:
            candidates.append(path[:at])
            at = path.find("/", at + 1)
        found = False
        for taken_back, pattern in self._patterns:
            if taken_back == found and any(map(pattern.fullmatch, candidates)):
                found = not taken_back
        return found


def parse_ignore(data: bytes) -> Ignore:
    """Read a ``.kitignore``.

    Raises:
        DefinitionError: it is no text, too large, or has a pattern that is none.
    """
    if len(data) > MAX_BYTES:
        raise DefinitionError(f"`{FILE}` is larger than {MAX_BYTES} bytes")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DefinitionError(f"`{FILE}` is not UTF-8") from error
    patterns = []
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        pattern = line.strip()
        taken_back = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if not pattern:
            raise DefinitionError(f"`{FILE}`: `!` stands alone")
        clean = posixpath.normpath(pattern)
        patterns.append(taken_back + (clean.lstrip("/") or "."))
    return Ignore(patterns)


def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.never_nl = False
    try:
        return re2.compile(_expression(pattern), options)
    except re2.error as error:
        raise DefinitionError(f"`{FILE}`: `{shown(pattern)}` is no pattern") from error


def _expression(pattern: str) -> str:
    """The regular expression of a pattern; ``**/`` is also nothing, and ``**`` at the end all."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        at += 1
        if c == "*" and pattern[at : at + 1] == "*":
            at += 1
            if pattern[at : at + 1] == "/":
                at += 1
            if at >= len(pattern) or _SUFFIX.fullmatch(pattern):
                out.append(".*")
            else:
                out.append("(?:.*/)?")
        elif c == "*":
            out.append("[^/]*")
        elif c == "?":
            out.append("[^/]")
        elif c == "\\" and at < len(pattern):
            out.append(_literal(pattern[at]))
            at += 1
        elif c in "[]":
            out.append(c)
        elif c in _ESCAPED and not (c == "^" and out and out[-1] == "["):
            out.append(f"\\{c}")
        else:
            out.append("\\\\" if c == "\\" else c)
    return "".join(out)


def _literal(c: str) -> str:
    return c if c.isalnum() or not c.isascii() else f"\\{c}"
