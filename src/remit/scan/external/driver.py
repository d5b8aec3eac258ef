"""What runs in the environment of an external scanner, inside the sandbox. Standard library only.

The scanner is loaded once; then each item is read by a child process with limits of its own, so
that one that crashes, hangs or takes its process over can lie about no other. Lines of JSON go
out::

    {"tool": "picklescan", "version": "1.0.5"}
    {"item": 0, "status": "complete", "reason": "", "findings": [...]}      one for each item
    {"done": 1}

``broken`` in a line says that the child ended without an answer. What comes out is checked again
outside (:mod:`remit.scan.external.report`).
"""

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

UNKNOWN = "unknown"
"""Format of what nobody says can execute."""
MAX_ANSWER = 4 * 1024 * 1024
MAX_FINDINGS = 500
MAX_TEXT = 600
MAX_PROCESSES = 512
WARM_FROM = 3
"""Items from which on it pays to load first what the first of them would load."""
LINGER_S = 1.0
_OWN_COUNT = (5, 14)
"""The first kernel that counts processes of a name space apart from the user's others."""
_PIECE = 65536
_PR_SET_DUMPABLE = 4


class Found:
    """Something that a scanner saw.

    Attributes:
        rule: ``family.technique``; of Remit's own rules where one means the same.
        title: one sentence.
        severity: by the table of ``docs/reference/external-scanners.md``.
        inner: path within the item, for items that are directories.
        name: what was found by its own name (an import, a rule), for decisions about benign ones.
    """

    def __init__(
        self,
        rule: str,
        title: str,
        severity: str,
        *,
        evidence: str = "",
        line: int = 0,
        inner: str = "",
        name: str = "",
    ) -> None:
        self.value = {
            "rule": rule,
            "title": _cut(title, 200),
            "severity": severity,
            "evidence": _cut(evidence, MAX_TEXT),
            "line": max(0, int(line)),
            "inner": _cut(inner, MAX_TEXT),
            "name": _cut(name, 200),
        }


class Unread(Exception):  # noqa: N818 - an outcome, not a mistake
    """The scanner itself says that it has not read all.

    Args:
        reason: why.
        status: ``error``, ``partial`` or ``unsupported``.
    """

    def __init__(self, reason: str, status: str = "error") -> None:
        super().__init__(reason)
        self.status = status


class Tool:
    """Base of external scanners.

    Attributes:
        name: stable; also of the module and of the lock file.
        distribution: the package whose version is the scanner's.
        summary: what it looks at, for people.
        variables: environment, and nothing else is in it.
        memory: bytes of address space of each process.
        resident: bytes that it usually takes, for how many run at a time.
        item_seconds: what one item may take.
        max_bytes: larger files are not asked for.
        cost: seconds that it usually takes; the dearest begins first.
        executes: whether what it reads may run, so that somebody must have read it completely.
        vouches: formats that can execute, for which a complete reading by it counts. Others it
            reads beside Remit's own scanners, and does not answer for them.
    """

    name: ClassVar[str] = ""
    distribution: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    variables: ClassVar[dict[str, str]] = {}
    memory: ClassVar[int] = 1_500_000_000
    resident: ClassVar[int] = 300_000_000
    item_seconds: ClassVar[float] = 60.0
    max_bytes: ClassVar[int] = 256 * 1024 * 1024
    cost: ClassVar[float] = 1.0
    executes: ClassVar[bool] = True
    vouches: ClassVar[frozenset[str]] = frozenset()

    def claims(self, artifact: Any, member: Any) -> str:
        """The format as which it would read a member, empty if it does not. Runs in Remit."""
        raise NotImplementedError

    def folders(self, artifact: Any) -> list[tuple[str, list[Any]]]:
        """Directories that it reads as a whole: their path and members. Runs in Remit."""
        del artifact
        return []

    def prepare(self) -> None:
        """Load the scanner, before anything of the artifact is looked at."""

    def samples(self) -> list[tuple[str, bytes, str]]:
        """Harmless files of the driver's own: path, content and form.

        What a scanner loads when it looks at its first file is loaded by looking at these, once, in
        place of anew by each child. Files of one directory are one item, for forms of directories.
        """
        return []

    def scan(self, path: str, form: str) -> Iterator[Found]:
        """Look at one item; returning says that all of it was read.

        Raises:
            Unread: it was not.
        """
        raise NotImplementedError


def hollow(*names: str) -> None:
    """Make packages known without what they load for other uses, so that a start is quick.

    Args:
        names: of packages, outer ones first; their modules can be imported afterwards.
    """
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            sys.modules[name] = importlib.util.module_from_spec(spec)


def load(name: str) -> Tool:
    """The scanner of that name."""
    module = importlib.import_module("remit.scan.external.tools." + name.replace("-", "_"))
    tool: Tool = module.TOOL
    return tool


def main() -> int:
    """Answer one request, which is JSON on standard input."""
    request = json.loads(sys.stdin.buffer.read())
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is noise
    _limit(request["memory"], request["seconds"])
    from importlib.metadata import version

    tool = load(request["tool"])
    tool.prepare()
    if len(request["items"]) >= WARM_FROM:
        warm(tool, {item["form"] for item in request["items"]})
    gc.collect()
    gc.freeze()  # children then share what is loaded, in place of copying it when they collect
    _say(out, {"tool": tool.name, "version": version(tool.distribution)})
    for item in request["items"]:
        answer = _child(tool, item, out, request["item_seconds"])
        answer["item"] = item["item"]
        _say(out, answer)
    _say(out, {"done": len(request["items"])})
    return 0


def warm(tool: Tool, forms: set[str]) -> None:
    """Let a scanner look at samples of the driver's, of those forms; what it says is dropped.

    It is the parent of all children that does: it sees nothing of the artifact.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items: dict[Path, str] = {}
        for path, data, form in tool.samples():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            items[folder / path.split("/")[0]] = form
        for where, form in items.items():
            if form in forms:
                with contextlib.suppress(Exception):
                    for _ in tool.scan(str(where), form):
                        pass


def _limit(memory: int, seconds: float) -> None:
    # Nobody may trace this process or write to its memory, not even its children.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_FSIZE, 512 * 1024 * 1024),
    ):
        resource.setrlimit(kind, (limit, limit))
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is not None and tuple(map(int, release.groups())) >= _OWN_COUNT:
        resource.setrlimit(resource.RLIMIT_NPROC, (MAX_PROCESSES, MAX_PROCESSES))


def _say(out: BinaryIO, value: dict[str, Any]) -> None:
    out.write(json.dumps(value).encode() + b"\n")
    out.flush()


def _child(tool: Tool, item: dict[str, Any], out: BinaryIO, seconds: float) -> dict[str, Any]:
    """What a child says of an item, or why it says nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setsid()
            os.close(reading)
            os.close(out.fileno())
            answer = json.dumps(_looked(tool, item)).encode()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
            status = 0
        except BaseException:  # noqa: BLE001 - a child must not go on as its parent
            traceback.print_exc()
        os._exit(status)
    os.close(writing)
    data, why = _answer(reading, time.monotonic() + seconds, seconds)
    os.close(reading)
    code = _ended(child, force=bool(why))
    if not why and code != 0:
        ended = f"signal {-code}" if code < 0 else f"status {code}"
        why = f"it ended with {ended} and no answer"
    if not why:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            why = "its answer is malformed"
        else:
            if isinstance(value, dict):
                return {key: value.get(key) for key in ("status", "reason", "findings", "broken")}
            why = "its answer is malformed"
    return {"status": "error", "reason": why, "findings": [], "broken": True}


def _answer(reading: int, until: float, seconds: float) -> tuple[bytes, str]:
    data = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return data, f"it took longer than {seconds:.0f} seconds"
        piece = os.read(reading, _PIECE)
        if not piece:
            return data, ""
        data += piece
        if len(data) > MAX_ANSWER:
            return data, f"its answer is larger than {MAX_ANSWER} bytes"


def _ended(child: int, *, force: bool) -> int:
    """The child's status, after what is left of its session was ended."""
    # It has closed its pipe; one that lingers is not waited for.
    if not force and _exited(child, LINGER_S):
        _kill_group(child)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _kill_group(child)
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGKILL)  # it may not have got to its own session yet
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _exited(child: int, seconds: float) -> bool:
    """Whether a child ends in time; it is not waited for, and so its number stays its own."""
    try:
        ended = os.pidfd_open(child)
    except (AttributeError, OSError):  # an old kernel: look now and then
        until = time.monotonic() + seconds
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True
    try:
        return bool(select.select([ended], [], [], seconds)[0])
    finally:
        os.close(ended)


def _kill_group(child: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)


def _looked(tool: Tool, item: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    status, reason, broken = "complete", "", False
    try:
        for each in tool.scan(item["path"], item["form"]):
            found.append(each.value)
            if len(found) >= MAX_FINDINGS:
                status, reason = "partial", f"it found more than {MAX_FINDINGS} things"
                break
    except Unread as error:
        status, reason = error.status, _cut(str(error), MAX_TEXT)
    except MemoryError:
        status, reason, broken = "error", "it ran out of memory", True
    except Exception as error:  # noqa: BLE001 - hostile input
        traceback.print_exc()
        status, reason = "error", f"the scanner failed: {type(error).__name__}"
    return {"status": status, "reason": reason, "findings": found, "broken": broken}


def _cut(text: Any, limit: int) -> str:
    return str(text)[:limit].encode("utf-8", "backslashreplace").decode()
