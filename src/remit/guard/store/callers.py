"""Keys of callers in ``keys/callers.json`` of the state directory, mode 0600.

The file is replaced as a whole (:mod:`.files`) under an exclusive lock, by the command line only.
Guard reads it, and looks at each use whether it is still the same file, so that a revoked key ends
at once. When a key was last used stands in a file of its own, ``callers.used.json``: Guard writes
that one, and could otherwise bring a key back that was revoked meanwhile.
"""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from remit.attest.errors import AttestError
from remit.attest.keys import check_directory
from remit.core.errors import RemitError
from remit.core.files import write_atomically
from remit.core.locks import exclusive
from remit.core.strictjson import parse
from remit.guard.callers.keys import KeyRecord
from remit.guard.errors import GuardError

MAX_BYTES = 4 * 1024 * 1024
USED_EVERY_US = 60_000_000

_Stamp = tuple[int, int, int, int, int]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: tuple[KeyRecord, ...]


class CallerKeys:
    """The keys of one state directory. A file that is damaged or not private has no keys.

    Args:
        state: the state directory; nothing in it needs to exist.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / "keys" / "callers.json"
        self._used_path = self.path.with_name("callers.used.json")
        self._stamp: _Stamp | None = None
        self._keys: dict[str, KeyRecord] = {}
        self._used: dict[str, int] | None = None
        self._used_written = 0
        self._writing = False

    def find(self, key_id: str) -> KeyRecord | None:
        """The record of a key as it is on disk now.

        Raises:
            GuardError: the file is damaged, or others may read it.
        """
        return self._current().get(key_id)

    def all(self) -> tuple[KeyRecord, ...]:
        """All records, oldest first.

        Raises:
            GuardError: as :meth:`find`.
        """
        return tuple(sorted(self._current().values(), key=lambda record: record.created))

    def add(self, record: KeyRecord) -> None:
        """Add a record, durably; the directory is created if needed.

        Raises:
            GuardError: the file is damaged or cannot be written; it is unchanged.
        """

        def change(keys: dict[str, KeyRecord]) -> None:
            if record.id in keys:
                raise GuardError("this key id is taken; try again", code="key.taken")
            keys[record.id] = record

        self._change(change)

    def revoke(self, key_id: str, now_us: int) -> KeyRecord:
        """End a key, durably; one that was revoked before keeps its time.

        Raises:
            GuardError: there is no such key, or as :meth:`add`.
        """
        done: list[KeyRecord] = []

        def change(keys: dict[str, KeyRecord]) -> None:
            found = keys.get(key_id)
            if found is None:
                raise GuardError(
                    "there is no key with this id",
                    code="key.unknown",
                    hint="`remit key list` shows them",
                )
            keys[key_id] = (
                found if found.revoked else msgspec.structs.replace(found, revoked=now_us)
            )
            done.append(keys[key_id])

        self._change(change)
        return done[0]

    def last_used(self) -> dict[str, int]:
        """Key id to the time of a recent use (microseconds since 1970), as far as it is known."""
        return dict(self._read_used())

    async def used(self, key_id: str, now_us: int) -> None:
        """Remember that a key was used: its first use at once, others once a minute. Never raises.

        Belongs to one event loop; one write at a time, because writers share a temporary file.
        """
        if self._used is None:
            self._used = self._read_used()
        first = key_id not in self._used
        self._used[key_id] = now_us
        due = abs(now_us - self._used_written) >= USED_EVERY_US
        if self._writing or not (first or due):
            return
        self._writing, self._used_written = True, now_us
        data = json.dumps(self._used, sort_keys=True).encode()
        try:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(write_atomically, self._used_path, data)
        finally:
            self._writing = False

    def _read_used(self) -> dict[str, int]:
        try:
            with self._used_path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_BYTES), type=dict[str, int])
        except (OSError, ValueError, msgspec.MsgspecError):
            return {}

    def _current(self) -> dict[str, KeyRecord]:
        try:
            info = self.path.lstat()
        except FileNotFoundError:
            self._stamp, self._keys = None, {}
            return self._keys
        except OSError as error:
            raise _unreadable(self.path, str(error.strerror)) from error
        if self._stamp is None or _stamp(info) != self._stamp:
            self._stamp, self._keys = None, {}
            self._stamp, self._keys = self._load()
        return self._keys

    def _load(self) -> tuple[_Stamp, dict[str, KeyRecord]]:
        try:
            check_directory(self.path.parent)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                info = os.fstat(descriptor)
                mode = stat.S_IMODE(info.st_mode)
                if not stat.S_ISREG(info.st_mode) or mode & 0o177 or info.st_uid != os.geteuid():
                    raise _unreadable(self.path, "it is not a private file of this user")
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _unreadable(self.path, str(error.strerror)) from error
        except AttestError as error:
            raise _unreadable(self.path, error.message) from error
        return _stamp(info), _parse(self.path, data)

    def _change(self, change: Callable[[dict[str, KeyRecord]], None]) -> None:
        try:
            self.path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.parent.mkdir(exist_ok=True, mode=0o700)
            with exclusive(self.path.with_name(self.path.name + ".guard")):
                keys = dict(self._current())
                change(keys)
                file = _File(1, tuple(sorted(keys.values(), key=lambda r: (r.created, r.id))))
                data = msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"
                write_atomically(self.path, data)
        except OSError as error:
            raise GuardError(
                f"the keys cannot be written to `{self.path}`: {error.strerror}",
                code="keys.unwritable",
            ) from error


def _parse(path: Path, data: bytes) -> dict[str, KeyRecord]:
    try:
        value = parse(data, max_bytes=MAX_BYTES)
        file = msgspec.convert(value, _File)
    except RemitError as error:
        raise _unreadable(path, error.message) from error
    except msgspec.ValidationError as error:
        raise _unreadable(path, str(error)) from error
    keys = {record.id: record for record in file.keys}
    if len(keys) != len(file.keys):
        raise _unreadable(path, "it names a key twice")
    return keys


def _stamp(info: os.stat_result) -> _Stamp:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _unreadable(path: Path, why: str) -> GuardError:
    return GuardError(
        f"the keys in `{path}` cannot be used: {why}",
        code="keys.unreadable",
        hint="repair or restore the file; until then no key is accepted",
    )
