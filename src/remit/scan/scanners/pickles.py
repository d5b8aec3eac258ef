"""Pickles, also without their name: what they import, call and change, and all of each file.

Formats that begin with a pickle and go on with raw bytes (torch before 1.6) are followed to where
the last pickle ends; arrays of joblib and numpy are passed over by their sizes.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from remit.scan.base import Artifact, Coverage, Finding, Member, Region, Result, Severity, register
from remit.scan.pickle.machine import Machine
from remit.scan.pickle.source import BrokenPickleError, LimitError, Source
from remit.scan.pickle.stack import Note
from remit.scan.scanners._format import FormatScanner

SUFFIXES = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt")
MAX_STREAMS = 10_000
PROBE = 50_000
_PROTOCOLS = range(2, 6)
_OTHER = (
    *(b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"),
    *(b"\x93NUMPY", b"\x89HDF", b"GGUF", b"x\x9c", b"x\x01", b"x\xda", b"x^", b"\x04\x22\x4d\x18"),
    b"\x5d\x00\x00",
)
_TORCH_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
_TORCH_PICKLES = 5
_NUMPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"


@register
class Pickles(FormatScanner):
    """Follows every pickle as the machine that would load it."""

    name = "pickles"
    version = "1"
    sources = ("pickle",)

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """What begins as a pickle, is named as one, or would do something if it were loaded."""
        del artifact
        if is_pickle_head(member.head) or object_array(member) is not None:
            return True
        named = member.path.lower().endswith(SUFFIXES) and member.size > 0
        if named and not member.head.startswith(_OTHER):
            return True
        return _would_act(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        roots = {
            each.path.partition("/code/")[0]
            for each in artifact.members
            if "!/" in each.path and "/code/" in each.path
        }
        for member in claimed:
            script = member.path.rpartition("/")[0] in roots
            yield from scan_member(member, object_array(member) or 0, torchscript=script)


def is_pickle_head(head: bytes) -> bool:
    """Whether it starts as protocol 2 to 5 do."""
    return len(head) >= 2 and head[0] == 0x80 and head[1] in _PROTOCOLS


def object_array(member: Member) -> int | None:
    """Where the pickle of a ``.npy`` file with objects begins; None if there is none."""
    head = member.head
    if not head.startswith(_NUMPY) or len(head) < 12:
        return None
    wide = head[6] >= 2
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    start = (12 if wide else 10) + length
    if b"O" not in head[10:start].split(b"shape")[0].replace(b"False", b""):
        return None
    return min(start, member.size)


def _would_act(member: Member) -> bool:
    """Whether loading it as a pickle would import something and do more than fail."""
    if member.head.startswith(_ZIP):
        return False  # the opcode is PERSID with a text, where every loader stops
    with member.open() as file:
        machine = Machine(Source(file, member.size), PROBE)
        try:
            machine.run()
        except LimitError:
            return True  # so many opcodes are no accident, and the payload may be behind them
        except (BrokenPickleError, OverflowError):
            dangerous = any(note.rule == "import" for note in machine.notes)
            return dangerous or machine.calls.acts > 0
        return machine.calls.imports > 0


def scan_member(member: Member, start: int = 0, *, torchscript: bool = False) -> Iterator[Result]:
    """Follow the pickles of a file, one after the other."""
    status, reason, trailing = "complete", "", ""
    with member.open() as file:
        file.seek(start)
        source = Source(file, member.size)
        machine = Machine(source, torchscript=torchscript)
        done = 0
        torch = _TORCH_MAGIC in member.head[:32]
        try:
            while source.left() and done < MAX_STREAMS:
                if torch and done == _TORCH_PICKLES:
                    break  # raw storages follow
                at = source.tell()
                if done and not _goes_on(source):
                    trailing = f"{member.size - at} bytes"
                    break
                machine.run()
                done += 1
            if done == MAX_STREAMS:
                status, reason = "error", "it holds more pickles than are followed"
        except BrokenPickleError as error:
            status, reason = "error", str(error)
        except (OverflowError, RecursionError):
            status, reason = "error", "a number in it is too large"
        if not done and not reason:
            status, reason = "error", "it is empty"
    for note in machine.notes:
        yield _finding(member, note)
    if trailing:
        yield Finding(
            rule="pickle.trailing",
            title="there are bytes behind the last pickle",
            severity="medium",
            member=member.path,
            evidence=trailing,
        )
    yield Coverage(
        member=member.path,
        status="complete" if status == "complete" else "error",
        reason=reason,
        executes=True,
        format="pickle",
    )


def _goes_on(source: Source) -> bool:
    """Whether what follows a pickle is one: by its head, or because it would act."""
    at = source.tell()
    head = source.read(2)
    source.seek(at)
    if is_pickle_head(head):
        return True
    probe = Machine(source, PROBE)
    try:
        probe.run()
        found = True
    except LimitError:
        found = True
    except (BrokenPickleError, OverflowError):
        found = probe.calls.acts > 0 or any(note.rule == "import" for note in probe.notes)
    source.seek(at)
    return found


def _finding(member: Member, note: Note) -> Finding:
    from remit.scan.base import evidence

    return Finding(
        rule=f"pickle.{note.rule}",
        title=note.title,
        severity=cast("Severity", note.severity),
        member=member.path,
        region=Region(start=note.at),
        evidence=evidence(note.evidence),
    )
