"""Tensors of safetensors, GGUF and NumPy files: names, shapes, types, values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import msgspec

from remit.artifacts.diff.base import (
    Change,
    NotLookedIntoError,
    Pair,
    Severity,
    Work,
    capped,
    worst_first,
)
from remit.artifacts.diff.comparers.text import text_changes
from remit.artifacts.diff.formats import gguf, npy, numbers, safetensors
from remit.artifacts.diff.formats.tensors import CHUNK_BYTES, Model, Tensor
from remit.artifacts.diff.structure import phrase
from remit.artifacts.diff.text import shown

NAME = "tensors"
_TEMPLATES = ("chat_template", "template")


class TensorComparer:
    """Tensors by name; the biggest changes come first."""

    name = NAME
    order = 100

    def takes(self, pair: Pair) -> bool:
        """By first bytes, or by the name of safetensors, which have no magic."""
        return all(_kind(pair.suffix, head) for head in pair.heads)

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Headers first, then the values of tensors that both sides have."""
        del work
        with pair.a.open() as a, pair.b.open() as b:
            before = _read(pair, a, pair.a.size, pair.head_a)
            after = _read(pair, b, pair.b.size, pair.head_b)
            yield from _metadata(pair.path, before, after)
            yield from tensor_changes(pair.path, before, a, after, b)


def _kind(suffix: str, head: bytes) -> str:
    if head.startswith(b"GGUF"):
        return "gguf"
    if head.startswith(npy.MAGIC):
        return "npy"
    return "safetensors" if suffix == ".safetensors" or _has_header(head) else ""


def _has_header(head: bytes) -> bool:
    """Eight bytes of a length that is no text, then the beginning of a JSON object."""
    return head[5:8] == b"\0\0\0" and head[8:10] == b'{"'


def _read(pair: Pair, file: BinaryIO, size: int, head: bytes) -> Model:
    kind = _kind(pair.suffix, head)
    if kind == "gguf":
        return gguf.read(file, size)
    if kind == "npy":
        return Model(tensors={"": npy.read(file, size, "")})
    return safetensors.read(file, size)


def _metadata(path: str, before: Model, after: Model) -> Iterator[Change]:
    """Keys of the header; templates as the texts that they are."""
    a, b = before.metadata, after.metadata
    for key in sorted(a.keys() | b.keys()):
        old, new = a.get(key), b.get(key)
        if old == new and (key in a) == (key in b):
            continue
        template = any(word in key for word in _TEMPLATES)
        what = "added" if key not in a else "removed" if key not in b else "changed"
        like = Change(
            comparer=NAME,
            kind=f"metadata.{what}",
            path=path,
            subject=shown(key),
            severity="high" if template else "low",
            summary=_told(what, old, new),
            before=_short(old),
            after=_short(new),
        )
        if isinstance(old, str | None) and isinstance(new, str | None) and template:
            yield from text_changes(
                msgspec.structs.replace(like, summary="template", before=None, after=None),
                old or "",
                new or "",
            )
        else:
            yield like


def _told(what: str, old: Any, new: Any) -> str:
    if what == "changed":
        return f"{phrase(old)} → {phrase(new)}"
    return f"{what}: {phrase(old if new is None else new)}"


def tensor_changes(
    path: str, before: Model, a: BinaryIO, after: Model, b: BinaryIO
) -> Iterator[Change]:
    """What changed among the tensors of two files."""
    left, right = before.tensors, after.tensors
    found = [_whole(path, left[name], "removed") for name in sorted(left.keys() - right.keys())]
    found += [_whole(path, right[name], "added") for name in sorted(right.keys() - left.keys())]
    values: list[tuple[float, Change]] = []
    for name in sorted(left.keys() & right.keys()):
        old, new = left[name], right[name]
        if old.shape != new.shape:
            found.append(_shape(path, old, new))
        elif old.dtype != new.dtype:
            found.append(_dtype(path, old, a, new, b))
        elif _differs(old, a, new, b):
            values.append(_values(path, old, a, new, b))
    values.sort(key=lambda each: -each[0])
    ordered = (*worst_first(found), *(change for _, change in values))
    yield from capped(ordered, lambda left_out: _more(path, left_out))


def _differs(old: Tensor, a: BinaryIO, new: Tensor, b: BinaryIO) -> bool:
    return any(x != y for x, y in zip(old.chunks(a), new.chunks(b), strict=True))


def _values(path: str, old: Tensor, a: BinaryIO, new: Tensor, b: BinaryIO) -> tuple[float, Change]:
    """How big the change is, for the order, and the change."""
    if not old.scalar:
        changed = numbers.differing_bytes(old.chunks(a), new.chunks(b))
        share = changed / old.size
        return share, Change(
            comparer=NAME,
            kind="tensor.values",
            path=path,
            subject=shown(old.name),
            severity="medium",
            summary=f"{_percent(share)} of its bytes changed; "
            f"{old.dtype} numbers are packed and not read",
            details={"dtype": old.dtype, "shape": list(old.shape), "changed_bytes": changed},
        )
    was, now, moved = numbers.both(_paced(old, a), _paced(new, b), old.scalar, new.scalar)
    size = moved.relative if moved.relative is not None else float(moved.changed)
    return size, Change(
        comparer=NAME,
        kind="tensor.values",
        path=path,
        subject=shown(old.name),
        severity=_worse(was, now),
        summary=_moved(moved, was, now),
        before=msgspec.to_builtins(was),
        after=msgspec.to_builtins(now),
        details={"dtype": old.dtype, "shape": list(old.shape), **msgspec.to_builtins(moved)},
    )


def _paced(tensor: Tensor, file: BinaryIO) -> Iterator[bytes]:
    """Chunks with the same number of numbers, whatever their width; each seeks for itself."""
    width = numbers.WIDTHS[tensor.scalar]
    step = CHUNK_BYTES // 8 * width
    done = 0
    while done < tensor.size:
        file.seek(tensor.offset + done)
        chunk = file.read(min(step, tensor.size - done))
        if len(chunk) % width or not chunk:
            raise NotLookedIntoError("the file became shorter while it was read")
        done += len(chunk)
        yield chunk


def _worse(was: numbers.Statistics, now: numbers.Statistics) -> Severity:
    return "high" if now.nan > was.nan or now.infinite > was.infinite else "medium"


def _moved(moved: numbers.Moved, was: numbers.Statistics, now: numbers.Statistics) -> str:
    text = (
        f"{moved.changed} of {was.count} values changed ({_percent(moved.share)}), "
        f"largest difference {moved.largest:.6g}, mean {moved.mean:.6g}"
    )
    if moved.relative is not None:
        text += f", relative norm {moved.relative:.4g}"
    for name in ("nan", "infinite"):
        if getattr(was, name) != getattr(now, name):
            text += f", {name} {getattr(was, name)} → {getattr(now, name)}"
    return text


def _dtype(path: str, old: Tensor, a: BinaryIO, new: Tensor, b: BinaryIO) -> Change:
    details: dict[str, Any] = {"shape": list(old.shape)}
    summary = f"type {old.dtype} → {new.dtype}"
    same_order = ("fortran" in old.dtype) == ("fortran" in new.dtype)
    if old.scalar and new.scalar and same_order:
        was, now, moved = numbers.both(_paced(old, a), _paced(new, b), old.scalar, new.scalar)
        details |= msgspec.to_builtins(moved)
        details |= {"values_before": msgspec.to_builtins(was)}
        details |= {"values_after": msgspec.to_builtins(now)}
        summary += f"; {_moved(moved, was, now)}" if moved.changed else "; all values are the same"
    return Change(
        comparer=NAME,
        kind="tensor.dtype",
        path=path,
        subject=shown(old.name),
        severity="medium",
        summary=summary,
        before=old.dtype,
        after=new.dtype,
        details=details,
    )


def _shape(path: str, old: Tensor, new: Tensor) -> Change:
    summary = f"shape {_size(old.shape)} → {_size(new.shape)}"
    if old.dtype != new.dtype:
        summary += f", type {old.dtype} → {new.dtype}"
    return Change(
        comparer=NAME,
        kind="tensor.shape",
        path=path,
        subject=shown(old.name),
        severity="medium",
        summary=summary,
        before={"shape": list(old.shape), "dtype": old.dtype},
        after={"shape": list(new.shape), "dtype": new.dtype},
    )


def _whole(path: str, tensor: Tensor, what: str) -> Change:
    known = {"shape": list(tensor.shape), "dtype": tensor.dtype}
    return Change(
        comparer=NAME,
        kind=f"tensor.{what}",
        path=path,
        subject=shown(tensor.name),
        severity="medium",
        summary=f"tensor {what}: {tensor.dtype} {_size(tensor.shape)}",
        before=known if what == "removed" else None,
        after=known if what == "added" else None,
    )


def _more(path: str, count: int) -> Change:
    return Change(
        comparer=NAME,
        kind="tensor.more",
        path=path,
        severity="medium",
        summary=f"{count} more tensors differ, less than those above",
        details={"count": count},
    )


def _size(shape: Iterable[int]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value, 500)
    if isinstance(value, list):
        return [_short(each) for each in value]
    if isinstance(value, Mapping):
        return {shown(str(k)): _short(v) for k, v in value.items()}
    return value


COMPARER = TensorComparer()
