"""Runs external scanners: each in a sandbox of its own, over what was laid out for it.

Nothing that a scanner does is raised; it becomes a report that failed, or a coverage.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from remit.scan import sandbox
from remit.scan.base import Report
from remit.scan.external.driver import Tool
from remit.scan.external.environments import Environment
from remit.scan.external.report import covered, read
from remit.scan.external.stage import Listing, Request
from remit.scan.sandbox import Bounds

STAGE = "/stage"
_DRIVER = "/driver"
_START = (
    f"import sys; sys.path.insert(0, {_DRIVER!r});"
    " from remit.scan.external.driver import main; sys.exit(main())"
)
SCRATCH_BYTES = 512 * 1024 * 1024
MAX_MOUNTED = 500


class LayoutError(Exception):
    """The artifact could not be laid out; no external scanner has a result."""


def lay_out(
    root: Path, scratch: Path, names: Sequence[str], bounds: Bounds, kind: str, metadata: Any
) -> Listing:
    """Unpack and copy, in the sandbox.

    Raises:
        ScanError: there is no sandbox.
        LayoutError: it failed, or did not list every file.
    """
    request = Request(
        root=sandbox.ROOT, scratch=sandbox.SCRATCH, tools=tuple(names), kind=kind,
        metadata=metadata, memory=bounds.memory, cpu_s=int(bounds.seconds) + 1,
    )  # fmt: skip
    program = [sys.executable, "-I", "-m", "remit.scan.external.stage"]
    arguments = sandbox.command(root, scratch, [*program, msgspec.json.encode(request).decode()])
    output, why = sandbox.run(arguments, bounds.seconds)
    if why:
        raise LayoutError(why)
    try:
        listing = msgspec.json.decode(output, type=Listing)
    except msgspec.MsgspecError:
        raise LayoutError("what was laid out is not listed") from None
    _check(listing, root, names)
    return listing


def _check(listing: Listing, root: Path, names: Sequence[str]) -> None:
    """Whether each regular file is a member, and every number and place is one."""
    members = set(listing.members)
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder) / file
            shown = path.relative_to(root).as_posix()
            shown = os.fsencode(shown).decode("utf-8", "backslashreplace")
            if shown not in members and path.is_file() and not path.is_symlink():
                raise LayoutError("a file of the artifact was not listed")
    count = len(listing.members)
    for name in names:
        for number, item in enumerate(listing.items.get(name, [])):
            inside = all(0 <= each < count for each in (item.member, *item.within))
            if item.item != number or not inside or not _plain(item.place):
                raise LayoutError("what was laid out is listed wrongly")
    if len(listing.mounted) > MAX_MOUNTED:
        raise LayoutError("it has too many large files")
    for mount, source in listing.mounted.items():
        real = (root / source).resolve()
        inside = real.is_relative_to(root.resolve()) and real.is_file()
        if not _plain(mount) or not inside:
            raise LayoutError("a large file is listed wrongly")


def _plain(place: str) -> bool:
    return not place.startswith("/") and ".." not in place.split("/")


def scan(
    tool: Tool, environment: Environment, listing: Listing, root: Path, scratch: Path,
    bounds: Bounds, stop: threading.Event | None = None,
) -> Report:  # fmt: skip
    """The report of one external scanner over what was laid out in ``scratch``.

    Raises:
        ScanError: there is no sandbox.
    """
    started = time.monotonic()
    items = listing.items.get(tool.name, [])
    asked = [item for item in items if item.place]
    large = [
        covered(
            item,
            tool.name,
            listing.members[item.member],
            "unsupported",
            f"files of more than {tool.max_bytes} bytes are not given to {tool.name}",
        )
        for item in items
        if not item.place
    ]
    answer = None
    if asked:
        request = {
            "tool": tool.name,
            "memory": max(tool.memory, bounds.memory),
            "seconds": bounds.seconds,
            "item_seconds": min(tool.item_seconds, bounds.seconds),
            "items": [
                {"item": item.item, "path": f"{STAGE}/{item.place}", "form": item.form}
                for item in asked
            ],
        }
        output, why = sandbox.run(
            _command(tool, environment, listing, root, scratch),
            bounds.seconds,
            given=msgspec.json.encode(request),
            stop=stop,
        )
        answer = read(output, tool.name, environment.record.version, asked, listing.members, why)
    return Report(
        scanner=tool.name,
        version=environment.record.version,
        rules=environment.rules(),
        findings=answer.findings if answer else (),
        coverage=(*(answer.coverage if answer else ()), *large),
        failed=answer.failed if answer else "",
        seconds_milli=int((time.monotonic() - started) * 1000),
    )


def _command(
    tool: Tool, environment: Environment, listing: Listing, root: Path, scratch: Path
) -> list[str]:
    here = Path(__file__).parent
    shown = {
        str(environment.place): str(environment.place),
        environment.record.base: environment.record.base,
        str(here): f"{_DRIVER}/remit/scan/external",
        str(here.parent / "__init__.py"): f"{_DRIVER}/remit/scan/__init__.py",
        str(here.parent.parent / "__init__.py"): f"{_DRIVER}/remit/__init__.py",
        str(scratch): STAGE,
    }
    shown |= {str(root / path): f"{STAGE}/{place}" for place, path in listing.mounted.items()}
    inner = [str(environment.python), "-I", "-B", "-c", _START]
    return sandbox.confined(shown, tool.variables, SCRATCH_BYTES, inner)
