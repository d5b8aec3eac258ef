"""What is around weights: layouts of torch archives, skops schemas, arrays of numbers.

The files in an archive are scanned as themselves; here is looked at how they stand together.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.npy import MAGIC, read
from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Result,
    Severity,
    register,
)
from remit.scan.document import BrokenDocumentError, read_json, walk
from remit.scan.pickle.names import allowed, is_dangerous
from remit.scan.scanners._format import FormatScanner, finds
from remit.scan.scanners.pickles import object_array

_TORCH = re.compile(
    r"data\.pkl|data/[^/]+|version|byteorder|constants\.pkl|constants/[^/]+|attributes\.pkl"
    r"|\.format_version|\.storage_alignment|\.data/serialization_id|code/.+|extra/[^/]+"
)
_CODE = re.compile(r"\btorch\.(?:from_file|save|load)\b|\bops\.(?!prim\.|aten\.|torchvision\.)\w+")
_MAX_CODE = 16 * 1024 * 1024
_NODES = frozenset(
    f"{kind}Node"
    for kind in (
        *("Object", "Dict", "DefaultDict", "OrderedDict", "Counter", "List", "Set", "Tuple"),
        *("NdArray", "SparseMatrix", "MaskedArray", "RandomState", "RandomGenerator", "Tree"),
        *("Type", "Slice", "Json", "Bytes", "Bytearray", "Cached", "Datetime"),
    )
)

_found = finds("container")


@register
class Containers(FormatScanner):
    """Looks at archives as a whole."""

    name = "containers"
    version = "1"
    sources = ("document.py",)

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Members of torch archives, schemas of skops, arrays of numbers."""
        del artifact
        path = member.path
        if path.endswith(("schema.json", "!/schema.json")) and "!/" in path:
            return True
        if "!/" in path and (path.endswith("/data.pkl") or "/code/" in path):
            return True
        return member.head.startswith(MAGIC) and object_array(member) is None

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        for member in claimed:
            name = member.path.rpartition("/")[2]
            if member.head.startswith(MAGIC):
                yield _numbers(member)
            elif name == "schema.json":
                yield from _skops(member)
            elif name == "data.pkl":
                yield from _layout(artifact, member)
            else:
                yield from _script(member)


def _numbers(member: Member) -> Coverage:
    reason = ""
    try:
        with member.open() as file:
            read(file, member.size, member.path)
    except NotLookedIntoError as error:
        reason = error.message
    return Coverage(
        member=member.path,
        status="error" if reason else "complete",
        reason=reason,
        executes=bool(reason),
        format="npy",
    )


def _layout(artifact: Artifact, member: Member) -> Iterator[Result]:
    """A torch archive has one root, and known files in it."""
    archive, _, inner = member.path.rpartition("!/")
    root = inner.removesuffix("data.pkl")
    for other in artifact.members:
        if not other.path.startswith(f"{archive}!/") or "!/" in other.path[len(archive) + 2 :]:
            continue
        rest = other.path[len(archive) + 2 :]
        if not rest.startswith(root) or not _TORCH.fullmatch(rest.removeprefix(root)):
            yield _found(other, "layout", "medium", "torch writes no such file", rest)
    yield Coverage(member=member.path, status="complete", executes=True, format="torch")


def _script(member: Member) -> Iterator[Result]:
    """TorchScript that reaches files or operators that are not torch's."""
    with member.open() as file:
        data = file.read(_MAX_CODE + 1)
    text = data.decode("utf-8", "replace")
    if not member.path.endswith(".debug_pkl"):
        for match in list(_CODE.finditer(text))[:20]:
            yield _found(member, "torchscript", "high", "TorchScript reaches out", match[0])
    whole = len(data) <= _MAX_CODE
    yield Coverage(
        member=member.path,
        status="complete" if whole else "partial",
        reason="" if whole else f"it has more than {_MAX_CODE} bytes",
        executes=True,
        format="torchscript",
    )


def _skops(member: Member) -> Iterator[Result]:
    with member.open() as file:
        data = file.read(_MAX_CODE + 1)
    try:
        document = read_json(data)
    except BrokenDocumentError as error:
        yield Coverage(
            member=member.path, status="error", reason=str(error), executes=True, format="skops"
        )
        return
    for pointer, _, value in walk(document):
        if isinstance(value, dict) and ("__loader__" in value or "__class__" in value):
            yield from _node(member, pointer, value)
    yield Coverage(member=member.path, status="complete", executes=True, format="skops")


def _node(member: Member, pointer: str, value: dict[str, Any]) -> Iterator[Finding]:
    loader, module, name = (value.get(k) for k in ("__loader__", "__module__", "__class__"))
    shown = f"{loader}: {module}.{name}"
    if loader not in _NODES:
        # Functions, methods, operators and partials: what they hold is called.
        yield _found(member, "skops", "critical", "a node calls what it names", shown, pointer)
        return
    if not isinstance(module, str) or not isinstance(name, str):
        yield _found(member, "skops", "high", "a node names no class", shown, pointer)
    elif (module, name) not in allowed() and not _plain(module, name):
        severity: Severity = "critical" if is_dangerous(module) else "high"
        yield _found(member, "skops", severity, "a node is of no known class", shown, pointer)


def _plain(module: str, name: str) -> bool:
    return module == "builtins" and name in {"str", "type", "NoneType", "bool", "bytes", "tuple"}
