"""What refers to what in a layout: an index by subject beside ``index.json``, derived from it.

::

    subjects/stamp         of which index.json this is: time, size and number of the file
    subjects/seen          manifest → digest of its subject, empty without one, or malformed
    subjects/<hex>         descriptors of what refers to that digest
    subjects/malformed     descriptors of manifests that cannot be parsed

While the stamp fits, who asks for one subject reads two small files, however large the store is.
Otherwise the manifests that are new are read, and the stamp is written last. A store that cannot
be written is read as a whole. Other programs change ``index.json`` and know nothing of this.

Not more than a hint: manifests are read and verified by whoever uses them.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import hex_of, is_digest
from remit.artifacts.oci.manifest import MANIFESTS, MAX_MANIFEST_BYTES, Descriptor, parse_manifest
from remit.core.digest import Digest
from remit.core.locks import exclusive

_STAMP, _SEEN, _MALFORMED = "stamp", "seen", "malformed"
_FOLDER = "subjects"
_T = TypeVar("_T")


class _Stamp(msgspec.Struct, frozen=True, array_like=True):
    time_ns: int
    size: int
    number: int


def referring(
    layout: Layout, subject: Digest, wanted: Callable[[Descriptor], bool]
) -> Sequence[Descriptor]:
    """What may refer to ``subject``, in the order of ``index.json``.

    Args:
        layout: the store.
        subject: a digest.
        wanted: which descriptors are worth a look; always the same for a layout.

    Raises:
        LayoutError: the index of the layout cannot be read.
    """
    folder = layout.root / _FOLDER
    stamp = _stamp_of(layout)
    if stamp is not None and _read(folder / _STAMP, _Stamp) == stamp:
        found = _lists(folder, subject)
        if found is not None:
            return found
    return _Scan(layout, folder, wanted).run(subject)


def _lists(folder: Path, subject: Digest) -> list[Descriptor] | None:
    """What the files say; None if one is not what was written."""
    found: list[Descriptor] = []
    for name in (hex_of(subject), _MALFORMED):
        try:
            found += msgspec.json.decode((folder / name).read_bytes(), type=list[Descriptor])
        except FileNotFoundError:
            continue
        except (OSError, msgspec.MsgspecError):
            return None
    return found


class _Scan:
    """Reads what is new, and writes what it found."""

    def __init__(self, layout: Layout, folder: Path, wanted: Callable[[Descriptor], bool]) -> None:
        self._layout = layout
        self._folder = folder
        self._wanted = wanted
        self._complete = True

    def run(self, subject: Digest) -> list[Descriptor]:
        try:
            self._folder.mkdir(exist_ok=True)
            with exclusive(self._layout.root / ".lock"):
                return self._renewed(subject)
        except OSError:
            # It cannot be written here: nothing is remembered.
            by_subject, _ = self._sorted({})
            return self._of(by_subject, subject)

    def _renewed(self, subject: Digest) -> list[Descriptor]:
        stamp = _stamp_of(self._layout)
        seen = _read(self._folder / _SEEN, dict[str, str]) or {}
        if not seen:
            for each in self._folder.iterdir():
                each.unlink()
        by_subject, now = self._sorted(seen)
        changed = {name for key, name in now.items() if seen.get(key) != name}
        changed |= {name for key, name in seen.items() if key not in now}
        # Until all is written nothing counts.
        (self._folder / _STAMP).unlink(missing_ok=True)
        for name in changed - {""}:
            path = self._folder / name
            if name in by_subject:
                _write(path, msgspec.json.encode(by_subject[name]))
            else:
                path.unlink(missing_ok=True)
        _write(self._folder / _SEEN, msgspec.json.encode(now))
        if stamp is not None and self._complete:
            _write(self._folder / _STAMP, msgspec.json.encode(stamp))
        return self._of(by_subject, subject)

    def _sorted(self, seen: dict[str, str]) -> tuple[dict[str, list[Descriptor]], dict[str, str]]:
        """Every descriptor of the index by its subject, and what is known of each now."""
        by_subject: dict[str, list[Descriptor]] = {}
        now: dict[str, str] = {}
        for each in self._layout.entries():
            if each.digest in now or not self._wanted(each):
                continue
            known = seen.get(each.digest)
            if known is None:
                known = self._subject_of(each)
            if known is None:
                self._complete = False  # somebody may put it there yet
                continue
            now[each.digest] = known
            by_subject.setdefault(known, []).append(each)
        return by_subject, now

    def _subject_of(self, listed: Descriptor) -> str | None:
        if listed.size > MAX_MANIFEST_BYTES or listed.media_type not in MANIFESTS:
            return ""
        try:
            data = self._layout.read(listed.digest, limit=listed.size)
        except ArtifactError:
            return None
        try:
            subject = parse_manifest(data, listed.media_type).subject
        except ArtifactError:
            return _MALFORMED
        return "" if subject is None or not is_digest(subject.digest) else hex_of(subject.digest)

    @staticmethod
    def _of(by_subject: dict[str, list[Descriptor]], subject: Digest) -> list[Descriptor]:
        return [*by_subject.get(hex_of(subject), ()), *by_subject.get(_MALFORMED, ())]


def _stamp_of(layout: Layout) -> _Stamp | None:
    try:
        found = (layout.root / "index.json").stat()
    except OSError:
        return None
    return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _write(path: Path, data: bytes) -> None:
    """Replace a file; it is derived, so it need not survive a loss of power.

    Its stamp does not fit then: a file system that keeps renames without their content gives a
    file that is no JSON.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
