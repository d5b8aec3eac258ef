"""GGUF 2 and 3 (ggml's docs/gguf.md): a header of keys and tensors, then the tensors.

Every count and length is compared with the bytes that are left before anything is read for it.
"""

import hashlib
import math
import struct
from typing import Any, BinaryIO

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.tensors import MAX_TENSORS, Model, Tensor

MAX_KEYS = 20_000
MAX_TEXT_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 256 * 1024 * 1024
MAX_ITEMS = 4_000_000
"""Items of all arrays together; vocabularies have a few hundred thousand."""
_MAX_NESTING = 2
_MAX_DIMENSIONS = 4
_KEPT_ITEMS = 64
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 10: "Q", 11: "q", 12: "d"}
_BOOL, _TEXT, _ARRAY = 7, 8, 9

# Type number: name, numbers in a block, bytes of a block, how to read them. From ggml.h.
_TYPES: dict[int, tuple[str, int, int, str]] = {
    0: ("F32", 1, 4, "f32"), 1: ("F16", 1, 2, "f16"), 2: ("Q4_0", 32, 18, ""),
    3: ("Q4_1", 32, 20, ""), 6: ("Q5_0", 32, 22, ""), 7: ("Q5_1", 32, 24, ""),
    8: ("Q8_0", 32, 34, ""), 9: ("Q8_1", 32, 36, ""), 10: ("Q2_K", 256, 84, ""),
    11: ("Q3_K", 256, 110, ""), 12: ("Q4_K", 256, 144, ""), 13: ("Q5_K", 256, 176, ""),
    14: ("Q6_K", 256, 210, ""), 15: ("Q8_K", 256, 292, ""), 16: ("IQ2_XXS", 256, 66, ""),
    17: ("IQ2_XS", 256, 74, ""), 18: ("IQ3_XXS", 256, 98, ""), 19: ("IQ1_S", 256, 50, ""),
    20: ("IQ4_NL", 32, 18, ""), 21: ("IQ3_S", 256, 110, ""), 22: ("IQ2_S", 256, 82, ""),
    23: ("IQ4_XS", 256, 136, ""), 24: ("I8", 1, 1, "i8"), 25: ("I16", 1, 2, "i16"),
    26: ("I32", 1, 4, "i32"), 27: ("I64", 1, 8, "i64"), 28: ("F64", 1, 8, "f64"),
    29: ("IQ1_M", 256, 56, ""), 30: ("BF16", 1, 2, "bf16"), 34: ("TQ1_0", 256, 54, ""),
    35: ("TQ2_0", 256, 66, ""), 39: ("MXFP4", 32, 17, ""),
}  # fmt: skip


class _Reader:
    """The file with what is left of it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.at = 0
        self.size = size
        self.items = 0

    def take(self, count: int) -> bytes:
        if count > self.size - self.at:
            raise NotLookedIntoError("a length in its header is larger than the file")
        if self.at + count > MAX_HEADER_BYTES:
            raise NotLookedIntoError(f"its header has more than {MAX_HEADER_BYTES} bytes")
        data = self.file.read(count)
        if len(data) != count:
            raise NotLookedIntoError("the file ends in its header")
        self.at += count
        return data

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        length = self.number("Q")
        if length > MAX_TEXT_BYTES:
            raise NotLookedIntoError(f"a text in its header is longer than {MAX_TEXT_BYTES} bytes")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise NotLookedIntoError("a text in its header is not UTF-8") from None

    def count(self, smallest: int, limit: int, what: str) -> int:
        """A number of things, each of at least ``smallest`` bytes."""
        count: int = self.number("Q")
        if count > limit or count * smallest > self.size - self.at:
            raise NotLookedIntoError(f"its header says {count} {what}, more than are read")
        return count

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind in _NUMBERS:
            found = self.number(_NUMBERS[kind])
            return found if not isinstance(found, float) or math.isfinite(found) else str(found)
        if kind == _BOOL:
            return self.number("B") != 0
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY or depth >= _MAX_NESTING:
            raise NotLookedIntoError("a value in its header has an unknown type")
        return self.array(depth)

    def array(self, depth: int) -> Any:
        """Short arrays as they are, long ones as their size and digest."""
        kind = self.number("I")
        count = self.count(8 if kind in {_TEXT, _ARRAY} else 1, MAX_ITEMS, "items")
        self.items += count
        if self.items > MAX_ITEMS:
            raise NotLookedIntoError(f"its header has more than {MAX_ITEMS} items")
        if count <= _KEPT_ITEMS:
            return [self.value(kind, depth + 1) for _ in range(count)]
        taken = hashlib.sha256()
        if kind in _NUMBERS or kind == _BOOL:
            width = 1 if kind == _BOOL else struct.calcsize(f"<{_NUMBERS[kind]}")
            left = count * width
            while left:
                chunk = self.take(min(left, 1 << 20))
                taken.update(chunk)
                left -= len(chunk)
        else:
            for _ in range(count):
                taken.update(repr(self.value(kind, depth + 1)).encode())
        return {"items": count, "type": kind, "sha256": taken.hexdigest()}


def read(file: BinaryIO, size: int) -> Model:
    """The header of a file of ``size`` bytes.

    Raises:
        NotLookedIntoError: it breaks a rule of the format, or is larger than what is read.
    """
    source = _Reader(file, size)
    if source.take(4) != b"GGUF":
        raise NotLookedIntoError("it does not start as a GGUF file")
    version = source.number("I")
    if version not in {2, 3}:
        raise NotLookedIntoError(f"it is GGUF of version {version}; 2 and 3 are read")
    tensors = source.count(24, MAX_TENSORS, "tensors")
    keys = source.count(13, MAX_KEYS, "keys")
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = source.text()
        if key in metadata:
            raise NotLookedIntoError("its header has a key twice")
        metadata[key] = source.value(source.number("I"))
    found = [_info(source) for _ in range(tensors)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):  # noqa: PLR2004
        raise NotLookedIntoError("its alignment is no power of two")
    data = -(-source.at // alignment) * alignment
    placed: dict[str, Tensor] = {}
    for name, shape, kind, offset in found:
        if name in placed:
            raise NotLookedIntoError("it has a tensor twice")
        placed[name] = _placed(name, shape, kind, data + offset)
    unused = _unused(file, placed, source.at, size, alignment)
    return Model(tensors=placed, metadata={"gguf.version": version, **unused, **metadata})


def _info(source: _Reader) -> tuple[str, tuple[int, ...], int, int]:
    name = source.text()
    dimensions = source.number("I")
    if dimensions > _MAX_DIMENSIONS:
        raise NotLookedIntoError(f"a tensor has more than {_MAX_DIMENSIONS} dimensions")
    shape = tuple(source.number("Q") for _ in range(dimensions))
    return name, shape, source.number("I"), source.number("Q")


def _placed(name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
    if kind not in _TYPES:
        raise NotLookedIntoError(f"a tensor has the unknown type {kind}")
    dtype, block, width, scalar = _TYPES[kind]
    count = math.prod(shape)
    if count % block:
        raise NotLookedIntoError("the shape of a tensor does not fit its type")
    size = count // block * width
    return Tensor(name=name, dtype=dtype, shape=shape, offset=offset, size=size, scalar=scalar)


def _unused(
    file: BinaryIO, tensors: dict[str, Tensor], start: int, size: int, alignment: int
) -> dict[str, Any]:
    """What is in the padding, unless it is zeros; more than padding is refused."""
    gaps = []
    for each in sorted(tensors.values(), key=lambda t: (t.offset, t.size)):
        gaps.append((start, each.offset))
        start = each.offset + each.size
    gaps.append((start, size))
    if any(end < begin for begin, end in gaps) or start > size:
        raise NotLookedIntoError("its tensors overlap, or lie outside the file")
    if any(end - begin >= alignment for begin, end in gaps):
        raise NotLookedIntoError("it has bytes that belong to no tensor")
    taken, some = hashlib.sha256(), False
    for begin, end in gaps:
        if end > begin:
            file.seek(begin)
            padding = file.read(end - begin)
            some = some or any(padding)
            taken.update(padding)
    return {"(padding)": f"sha256:{taken.hexdigest()}"} if some else {}
