"""Models of Keras and files of HDF5: what loading them would make, open or run.

``.keras`` archives are unpacked by :mod:`remit.scan.walk`; here their configuration is read, and
every HDF5 file, wherever it is. ``keras_metadata.pb`` of a SavedModel holds the same in pieces.
"""

import re
from collections.abc import Iterator, Sequence

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.protobuf import Message
from remit.scan import keras
from remit.scan.base import Artifact, Finding, Member, Result, Severity, register
from remit.scan.document import MAX_JSON, BrokenDocumentError, read_json
from remit.scan.hdf5.attributes import Attribute
from remit.scan.hdf5.layouts import Storage
from remit.scan.hdf5.links import Link
from remit.scan.hdf5.reader import Reader
from remit.scan.hdf5.source import BrokenHdf5Error
from remit.scan.hdf5.superblock import SIGNATURE
from remit.scan.scanners._format import FormatScanner, covers, finds
from remit.scan.scanners.pickles import is_pickle_head
from remit.scan.words import suspicious

MAX_HIDDEN = 4096
"""Bytes of an HDF5 file that nothing points to and that are not zero: libhdf5 leaves a few behind."""
_MAX_SAID = 200
_FIRST_BLOCK = 512
_HDF5 = re.compile(r"(?i)\.(?:h5|hdf5|he5|hdf)\Z")
_KERAS = re.compile(r"(?i)\.keras\Z")
_IN_KERAS = re.compile(r"(?i)\.keras!/(?!.*!/)(.+)\Z")
_OF_KERAS = re.compile(
    r"config\.json|metadata\.json|model\.weights\.(?:h5|json)|model_\d{5}\.weights\.h5|assets/.+"
)
_METADATA = re.compile(r"(?i)(?:\A|/)keras_metadata\.pb\Z")
_MARK = re.compile(rb"class_name|\\u00")
_CONFIGURATION = re.compile(rb"(?i)config\Z")
_MAGICS = re.compile(
    rb"\x7fELF|MZ.{58}|PK\x03\x04|\x80[\x02-\x05](?:\x95|c|[}\]\(]q)|#!/", re.DOTALL
)

_found = finds("keras")
_hdf5_found = finds("hdf5")
_hdf5, _keras, _tensorflow = covers("hdf5"), covers("keras"), covers("tensorflow")
_configuration = covers("keras-configuration")


@register
class Models(FormatScanner):
    """Reads Keras's configurations and HDF5."""

    name = "models"
    version = "1"
    sources = ("hdf5", "keras.py", "document.py", "words.py")

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """By magic, wherever a superblock may stand, by name, and JSON by what is in it."""
        del artifact
        if _HDF5.search(member.path) or _KERAS.search(member.path) or begins(member) >= 0:
            return True
        if _METADATA.search(member.path):
            return True
        return member.path.endswith(".json") and _is_configuration(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        for member in claimed:
            if _METADATA.search(member.path):
                yield from _metadata(member)
                continue
            if _HDF5.search(member.path) or begins(member) >= 0:
                yield from _file(member)
            if member.path.endswith(".json"):
                yield from _json(member)
            if _KERAS.search(member.path):
                yield from _archive(artifact, member)


def begins(member: Member) -> int:
    """Where the superblock of an HDF5 file stands: at 0, 512 or the double of that; -1 if nowhere."""
    if member.head.startswith(SIGNATURE):
        return 0
    at = _FIRST_BLOCK
    with member.open() as file:
        while at + len(SIGNATURE) <= member.size:
            file.seek(at)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return at
            at *= 2
    return -1


def _is_configuration(member: Member) -> bool:
    if _IN_KERAS.search(member.path):
        return True
    with member.open() as file:
        data = file.read(MAX_JSON + 1)
    if _MARK.search(data) is None:
        return False
    try:
        return keras.names_classes(read_json(data))
    except BrokenDocumentError:
        return b"class_name" in data and b"config" in data


def _json(member: Member) -> Iterator[Result]:
    with member.open() as file:
        data = file.read(MAX_JSON + 1)
    try:
        yield from _checked(member, data, "")
    except BrokenDocumentError as error:
        yield _configuration(member, str(error))
    else:
        yield _configuration(member, "")


def _checked(member: Member, data: bytes, pointer: str) -> Iterator[Finding]:
    for number, said in enumerate(keras.check(read_json(data), pointer)):
        if number < _MAX_SAID or said.severity == "critical":
            yield _found(member, said.rule, said.severity, said.title, said.shown, said.pointer)


def _archive(artifact: Artifact, member: Member) -> Iterator[Result]:
    """A ``.keras`` archive has a configuration, weights and assets, and nothing else."""
    inside: set[str] = set()
    for other in artifact.members:
        match = _IN_KERAS.search(other.path)
        if match is None or not other.path.startswith(f"{member.path}!/"):
            continue
        inside.add(match[1])
        if not _OF_KERAS.fullmatch(match[1]):
            yield _found(other, "layout", "medium", "Keras writes no such file", match[1])
    there = "config.json" in inside or begins(member) == 0
    yield _keras(member, "" if there else "there is no configuration in it")


def _metadata(member: Member) -> Iterator[Result]:
    """``SavedMetadata``: of each object, its configuration as JSON."""
    reason = ""
    try:
        with member.open() as file:
            message = Message(file)
            for node in message.fields(0, member.size):
                for field in message.fields(node.start, node.end) if node.framed else ():
                    data = message.raw(field, MAX_JSON) if field.framed else b""
                    if data[:1] in {b"{", b"["}:
                        yield from _checked(member, data, "")
    except (NotLookedIntoError, BrokenDocumentError) as error:
        reason = getattr(error, "message", None) or str(error)
    yield _tensorflow(member, reason)


class _Seen:
    """What the reader of HDF5 tells, as findings."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self.findings: list[Finding] = []

    def attribute(self, path: str, found: Attribute) -> None:
        """Configurations are JSON; other texts are texts."""
        pointer = f"{path}@{found.name.decode('utf-8', 'backslashreplace')}"
        for value in found.values:
            bare = value.strip(b"\0 \t\r\n")
            if (bare[:1] in {b"{", b"["} and _MARK.search(bare)) or (
                bare[:1] == b"{" and _CONFIGURATION.search(found.name)
            ):
                self._json(bare, pointer)
            elif _pickled(bare) or (bare == b"object" and found.name == b"PSEUDOATOM"):
                self._say("pickle", "critical", "a value is a pickle, which some readers load",
                          bare[:40].decode("utf-8", "backslashreplace"), pointer)  # fmt: skip
            else:
                for rule, severity, title, shown in suspicious(bare.decode("utf-8", "replace")):
                    self._say(f"text.{rule}", severity, title, shown, pointer)

    def _json(self, data: bytes, pointer: str) -> None:
        # A text that looks like a configuration and cannot be read is not known.
        self.findings += _checked(self._member, data, pointer)

    def link(self, path: str, found: Link) -> None:
        """Soft links stay in the file."""
        if found.kind != "soft":
            title = (
                "a link leads to another file"
                if found.kind == "external"
                else "a link of no known kind"
            )
            said = found.target.replace(b"\0", b" ").decode("utf-8", "backslashreplace")
            self._say("external_link", "critical", title, said, path)

    def storage(self, path: str, found: Storage) -> None:
        """Data that are somewhere else, or that a program unpacks."""
        if found.kind == "filter":
            self._say("filter", "high", "data are unpacked by a program that is loaded",
                      found.said, path)  # fmt: skip
        else:
            self._say("external_storage", "critical", "data are read from other files",
                      found.said, path)  # fmt: skip

    def _say(self, rule: str, severity: Severity, title: str, text: str, pointer: str) -> None:
        if len(self.findings) < _MAX_SAID or severity == "critical":
            self.findings.append(_hdf5_found(self._member, rule, severity, title, text, pointer))


def _pickled(value: bytes) -> bool:
    """Whether a value is a pickle: PyTables loads such attributes."""
    old = re.match(rb"[(](?:[ldt]p?\d|i[a-z_.]+\n)|c[a-z_.]+\n[A-Za-z_.]+\n", value)
    return value.endswith(b".") and (is_pickle_head(value) or old is not None)


def _file(member: Member) -> Iterator[Result]:
    seen, reason = _Seen(member), ""
    with member.open() as file:
        reader = Reader(file, member.size, seen)
        try:
            reader.read()
            hidden, shown = _hidden(reader)
        except (BrokenHdf5Error, BrokenDocumentError) as error:
            reason = str(error)
        else:
            if hidden > MAX_HIDDEN:
                reason = f"{hidden} bytes are in it that nothing points to"
            if _MAGICS.match(shown):
                yield _hdf5_found(member, "hidden", "high", "a program where nothing points to",
                                  repr(shown[:16]))  # fmt: skip
    yield from seen.findings
    yield _hdf5(member, reason)


def _hidden(reader: Reader) -> tuple[int, bytes]:
    """How much is hidden, and the beginning of a piece of it that looks like a program."""
    total, shown = 0, b""
    for start, end in reader.source.gaps():
        count, first = reader.source.hidden(start, end)
        total += count
        if not shown and _MAGICS.match(first):
            shown = first
    return total, shown
