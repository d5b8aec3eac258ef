"""Safetensors: an 8-byte length, a JSON header, then the numbers.

Read as strictly as the format's own rules allow: no duplicate keys, tensors that cover the data
from its first byte to its last without hole or overlap, sizes that fit shape and type.
"""

import struct
from itertools import pairwise
from typing import Any, BinaryIO

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.tensors import MAX_DIMENSIONS, MAX_TENSORS, Model, Tensor
from remit.artifacts.diff.structure import check_values
from remit.core.strictjson import StrictJsonError, parse

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_VALUES = 2_000_000
_DTYPES = {
    "BOOL": (8, "bool"), "U8": (8, "u8"), "I8": (8, "i8"), "F8_E4M3": (8, "f8_e4m3"),
    "F8_E5M2": (8, "f8_e5m2"), "I16": (16, "i16"), "U16": (16, "u16"), "F16": (16, "f16"),
    "BF16": (16, "bf16"), "I32": (32, "i32"), "U32": (32, "u32"), "F32": (32, "f32"),
    "F64": (64, "f64"), "I64": (64, "i64"), "U64": (64, "u64"), "C64": (64, ""),
    "F8_E8M0": (8, ""), "F6_E2M3": (6, ""), "F6_E3M2": (6, ""), "F4": (4, ""),
}  # fmt: skip
_MAX_HEADER_DEPTH = 3


def read(file: BinaryIO, size: int) -> Model:
    """The header of a file of ``size`` bytes.

    Raises:
        NotLookedIntoError: it breaks a rule of the format, or is larger than what is read.
    """
    start = file.read(8)
    if len(start) < 8:  # noqa: PLR2004 - the length
        raise NotLookedIntoError("the file is too short for a safetensors header")
    (length,) = struct.unpack("<Q", start)
    if length > size - 8:
        raise NotLookedIntoError(f"its header says {length} bytes, and the file has {size}")
    if length > MAX_HEADER_BYTES:
        raise NotLookedIntoError(
            f"its header has {length} bytes, more than the {MAX_HEADER_BYTES} that are read"
        )
    header = file.read(length)
    if not header.startswith(b"{"):
        raise NotLookedIntoError("its header is no JSON object")
    check_values(header, MAX_VALUES)
    try:
        value = parse(
            header, fold_keys=False, max_bytes=MAX_HEADER_BYTES, max_depth=_MAX_HEADER_DEPTH
        )
    except StrictJsonError as error:
        raise NotLookedIntoError(f"its header cannot be read: {error.message}") from error
    metadata = value.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise NotLookedIntoError("`__metadata__` does not map texts to texts")
    if len(value) > MAX_TENSORS:
        raise NotLookedIntoError(f"it has more than {MAX_TENSORS} tensors")
    data = 8 + length
    tensors = {name: _tensor(name, each, data) for name, each in value.items()}
    _covered(list(tensors.values()), data, size)
    return Model(tensors=tensors, metadata=metadata)


def _tensor(name: str, value: Any, data: int) -> Tensor:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise NotLookedIntoError("a tensor has other fields than dtype, shape, data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise NotLookedIntoError(f"a tensor has the unknown type `{str(dtype)[:20]}`")
    if not _numbers(shape) or len(shape) > MAX_DIMENSIONS:
        raise NotLookedIntoError("the shape of a tensor is no list of sizes")
    if not _numbers(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:  # noqa: PLR2004
        raise NotLookedIntoError("the offsets of a tensor are no beginning and end")
    bits, scalar = _DTYPES[dtype]
    found = Tensor(
        name=name,
        dtype=dtype,
        shape=tuple(shape),
        offset=data + offsets[0],
        size=offsets[1] - offsets[0],
        scalar=scalar,
    )
    if found.count * bits != found.size * 8:
        raise NotLookedIntoError("the size of a tensor is not that of its shape and type")
    return found


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _covered(tensors: list[Tensor], data: int, size: int) -> None:
    ordered = sorted(tensors, key=lambda each: (each.offset, each.size))
    gaps = any(x.offset + x.size != y.offset for x, y in pairwise(ordered))
    first = ordered[0].offset if ordered else data
    last = ordered[-1].offset + ordered[-1].size if ordered else data
    if gaps or first != data or last != size:
        raise NotLookedIntoError("its tensors overlap, or leave bytes that belong to none")
