"""Safetensors: a strict header, texts in its metadata, and numbers that are none.

Weights are data; what is wrong with them is what a reader or a model makes of it: two meanings,
NaN that silence a model, programs where a tensor should begin.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.safetensors import read
from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Result,
    register,
)
from remit.scan.scanners._format import FormatScanner, finds
from remit.scan.words import suspicious

if TYPE_CHECKING:
    import io

    from remit.artifacts.diff.formats.tensors import Tensor

_CHUNK = 8 * 1024 * 1024
_SMALL = 256 * 1024
_MAGICS = re.compile(
    rb"\x7fELF|MZ.{58}|\xcf\xfa\xed\xfe|PK\x03\x04|\x80[\x02-\x05](?:\x95|c[a-z]|[}\](]q)",
    re.DOTALL,
)
# Bits of the exponent, and of the fraction, of an item of that many bytes.
_EXPONENTS = {
    "F16": (2, 0x7C00, 0x03FF),
    "BF16": (2, 0x7F80, 0x007F),
    "F32": (4, 0x7F800000, 0x007FFFFF),
    "F64": (8, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
}
_INDEX = ".safetensors.index.json"

_found = finds("safetensors")


@register
class Safetensors(FormatScanner):
    """Reads headers strictly, and all numbers for NaN and infinity."""

    name = "safetensors"
    version = "1"
    sources = ("words.py",)

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """By name, and by how such a file begins."""
        del artifact
        path = member.path.lower()
        if path.endswith((".safetensors", _INDEX)):
            return True
        length = int.from_bytes(member.head[:8], "little")
        return member.head[8:9] == b"{" and 2 <= length <= member.size - 8

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        del artifact
        for member in claimed:
            if member.path.lower().endswith(_INDEX):
                yield from _index(member)
                continue
            reason = ""
            with member.open() as file:
                try:
                    model = read(file, member.size)
                except NotLookedIntoError as error:
                    reason = error.message
                    yield _found(
                        member, "malformed", "high", "it breaks a rule of the format", reason
                    )
                else:
                    for key, value in model.metadata.items():
                        for rule, severity, title, text in suspicious(f"{value}"):
                            yield _found(
                                member, rule, severity, title, text, f"/__metadata__/{key}"
                            )
                    yield from _tensors(member, file, list(model.tensors.values()))
            yield Coverage(
                member=member.path,
                status="error" if reason else "complete",
                reason=reason,
                executes=bool(reason),
                format="safetensors",
            )


def _tensors(member: Member, file: BinaryIO, tensors: "list[Tensor]") -> Iterator[Finding]:
    for tensor in sorted(tensors, key=lambda each: each.offset):
        file.seek(tensor.offset)
        start = file.read(min(64, tensor.size))
        if match := _MAGICS.match(start):
            yield _found(
                member,
                "program",
                "medium",
                "a tensor begins like a program or an archive",
                f"{tensor.name[:200]}: {match[0][:4].hex()}",
            )
        nan, infinite = _odd(file, tensor)
        if nan:
            yield _found(
                member, "nan", "high", "a tensor has values that are no numbers", tensor.name[:200]
            )
        if infinite:
            yield _found(
                member, "infinite", "low", "a tensor has infinite values", tensor.name[:200]
            )


def _odd(file: BinaryIO, tensor: "Tensor") -> tuple[bool, bool]:
    """Whether some item is NaN, and whether some is infinite; the file is read once, in chunks."""
    if tensor.dtype not in _EXPONENTS:
        return False, False
    import numpy as np

    width, exponent, fraction = _EXPONENTS[tensor.dtype]
    kind = np.dtype(f"<u{width}")
    buffer = bytearray(min(_CHUNK, tensor.size))
    view = memoryview(buffer)
    file.seek(tensor.offset)
    reading = cast("io.BufferedIOBase", file)
    left, nan, infinite = tensor.size, False, False
    while left and not nan:
        count = reading.readinto(view[: min(len(buffer), left)])
        if not count:
            break
        left -= count
        bits: Any = np.frombuffer(view[: count - count % width], dtype=kind)
        for begin in range(0, len(bits), _SMALL):
            piece = bits[begin : begin + _SMALL] & kind.type(exponent | fraction)
            top = int(piece.max()) if len(piece) else 0
            nan = nan or top > exponent
            infinite = infinite or top == exponent
    return nan, infinite


def _index(member: Member) -> Iterator[Result]:
    """An index of shards: plain names of files beside it."""
    with member.open() as file:
        data = file.read(64 * 1024 * 1024)
    reason = ""
    try:
        names = set(json.loads(data)["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names, reason = set(), "it is no index of shards"
    for name in names:
        plain = isinstance(name, str) and re.fullmatch(r"[\w.\-]+\.safetensors", name)
        if not plain:
            yield _found(
                member, "shard", "high", "a shard is not a file beside the index", f"{name}"[:200]
            )
    yield Coverage(
        member=member.path,
        status="error" if reason else "complete",
        reason=reason,
        format="safetensors-index",
    )
