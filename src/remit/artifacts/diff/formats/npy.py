"""NumPy's .npy (NEP 1): a literal with type, order and shape, then the numbers."""

import ast
import math
import re
from typing import BinaryIO

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.tensors import MAX_DIMENSIONS, Tensor

MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 65_536
_DESCRIPTION = re.compile(r"([<>|=])([biufc?])(\d{0,2})")
_SCALARS = {
    "?": "bool", "b1": "bool", "u1": "u8", "i1": "i8", "u2": "u16", "i2": "i16", "u4": "u32",
    "i4": "i32", "u8": "u64", "i8": "i64", "f2": "f16", "f4": "f32", "f8": "f64",
}  # fmt: skip


def read(file: BinaryIO, size: int, name: str) -> Tensor:
    """The one array of a file of ``size`` bytes.

    Raises:
        NotLookedIntoError: malformed, or of a type that is not read: objects are pickles.
    """
    head = file.read(10)
    if not head.startswith(MAGIC) or len(head) < 10:  # noqa: PLR2004
        raise NotLookedIntoError("it does not start as a .npy file")
    wide = head[6] >= 2  # noqa: PLR2004 - versions 2 and 3 have a longer length
    if head[6] not in {1, 2, 3}:
        raise NotLookedIntoError(f"it is .npy of version {head[6]}; 1 to 3 are read")
    length = int.from_bytes(head[8:10] + (file.read(2) if wide else b""), "little")
    if length > _MAX_HEADER_BYTES:
        raise NotLookedIntoError(f"its header has more than {_MAX_HEADER_BYTES} bytes")
    data = (12 if wide else 10) + length
    header = file.read(length)
    try:
        value = ast.literal_eval(header.decode("latin-1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise NotLookedIntoError("its header is no literal") from None
    if not isinstance(value, dict) or value.keys() != {"descr", "fortran_order", "shape"}:
        raise NotLookedIntoError("its header has other fields than descr, fortran_order, shape")
    shape, described = value["shape"], value["descr"]
    if (
        not isinstance(shape, tuple)
        or len(shape) > MAX_DIMENSIONS
        or not all(type(n) is int and 0 <= n < 1 << 63 for n in shape)
    ):
        raise NotLookedIntoError("its shape is no tuple of sizes")
    match = _DESCRIPTION.fullmatch(described) if isinstance(described, str) else None
    if match is None:
        raise NotLookedIntoError("it holds objects or records, which are not read")
    order, kind, width = match.groups()
    bytes_each = int(width or 1)
    if math.prod(shape) * bytes_each != size - data:
        raise NotLookedIntoError("the size of its data is not that of its shape and type")
    scalar = "" if order == ">" and bytes_each > 1 else _SCALARS.get(f"{kind}{width}", "")
    stored = "fortran" if value["fortran_order"] is True and len(shape) > 1 else ""
    return Tensor(
        name=name,
        dtype=f"{described} {stored}".strip(),
        shape=shape,
        offset=data,
        size=size - data,
        scalar=scalar,
    )
