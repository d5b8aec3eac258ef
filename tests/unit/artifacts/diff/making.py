"""Real files of each format, made byte by byte, and two directories of them."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

from remit.artifacts.diff.base import Difference
from remit.artifacts.diff.compare import compare
from remit.artifacts.diff.tree import DirectoryTree

_DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "int8": "I8", "int64": "I64",
           "uint8": "U8", "bool": "BOOL", "uint16": "U16"}  # fmt: skip


def safetensors(tensors, metadata=None, dtypes=None) -> bytes:
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, values in tensors.items():
        raw = values.tobytes()
        dtype = (dtypes or {}).get(name) or _DTYPES[str(values.dtype)]
        header[name] = {
            "dtype": dtype,
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def gguf(tensors, keys=(), version=3) -> bytes:
    """Tensors of F32 (0) or, given as bytes with a type and a shape, of any type."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for key, value in keys:
        out += _text(key) + _value(value)
    data = b""
    for name, values in tensors.items():
        shape, kind, raw = (
            values if isinstance(values, tuple) else (values.shape, 0, values.tobytes())
        )
        out += _text(name) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", n) for n in shape) + struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    return out + bytes(-len(out) % 32) + data


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    inner = b"".join(_text(each) for each in value)
    return struct.pack("<IIQ", 9, 8, len(value)) + inner


def npy(values) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def zipped(members, method=zipfile.ZIP_DEFLATED, date=(1980, 1, 1, 0, 0, 0)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, date), data, method)
    return out.getvalue()


def files(root: Path, content) -> Path:
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    root.mkdir(exist_ok=True)
    return root


def difference(tmp_path: Path, a, b, more=()) -> Difference:
    """Of two directories with these files."""
    left, right = files(tmp_path / "a", a), files(tmp_path / "b", b)
    return compare(DirectoryTree(left), DirectoryTree(right), more=more)


def seen(found: Difference) -> list[tuple[str, str, str]]:
    """Kind, path and subject of every change."""
    return [(each.kind, each.path, each.subject) for each in found.changes]


def only(found: Difference):
    """The one change, of a difference that was looked into."""
    assert not found.unread, found.unread
    assert len(found.changes) == 1, seen(found)
    return found.changes[0]


def refused(found: Difference) -> str:
    """Why the one file was not looked into."""
    assert not found.equal
    assert [each.kind for each in found.changes][-1] == "bytes.changed"
    assert found.changes[-1].severity == "medium"
    assert len(found.unread) == 1, found.unread
    return found.unread[0].reason
