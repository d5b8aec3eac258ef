"""What Hubs say may not be used any more, remembered: a withdrawal outlives restarts and networks.

Rules:

1. *whose*: a Hub's word counts for artifacts that come from it: host, repository and digest.
2. *until*: a withdrawal stands until the gate passes the artifact in a summary that verifies and is
   younger than it. Nothing that a Hub says, and nothing that it no longer says, takes one back.
3. *at once*: what is heard counts before it is on disk; what cannot be written is tried again.
4. *kept*: in a sealed file (:mod:`.sealed`) that Guards of one place share. If it was changed or
   taken away nothing is admitted until a person looked.

What Guard was asked to start is never forgotten; of the rest of a repository the newest
:data:`MAX_KEPT` of each Hub are kept, so that no Hub can fill memory or disk.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import Reference
from remit.attest.predicates.fields import PredicateError, time_us
from remit.core.canonical import MAX_SAFE_INTEGER
from remit.core.locks import exclusive
from remit.core.text import printable
from remit.guard.admission.sealed import SealedFile
from remit.guard.errors import GuardError

MAX_KEPT = 1000
MAX_FILE_BYTES = 16 << 20
_REASON = 200
_STATES = frozenset({"withdrawn", "refused", "review"})
_FILE = "withdrawn"


class WithdrawnError(GuardError):
    """An artifact that its Hub has withdrawn."""

    code = "artifact.withdrawn"


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A Hub's word that an artifact may not be used.

    Attributes:
        host: of the Hub, as references name it, in lower case.
        repository, digest: of the artifact there.
        state: ``withdrawn``, ``refused`` or ``review``.
        reason: what the Hub says why.
        changed_us: since when, by the Hub's clock; microseconds since 1970.
        heard_us: when Guard heard it first, by its own.
        used: whether Guard was ever asked to start it.
    """

    host: str
    repository: str
    digest: str
    state: str
    reason: str
    changed_us: int
    heard_us: int
    used: bool = False

    @property
    def key(self) -> str:
        """What it is about."""
        return key_of(self.host, self.repository, self.digest)

    def stands(self, passed_us: int) -> bool:
        """Whether it counts against an artifact that the gate passed at that time; 0 for never."""
        return passed_us <= self.changed_us

    def error(self) -> WithdrawnError:
        """What whoever wants to start it is told."""
        said = f": {self.reason}" if self.reason else ""
        name = f"{self.host}/{self.repository}"[-80:]
        return WithdrawnError(
            f"`{name}@{self.digest[:19]}…` was withdrawn by its Hub ({self.state}{said[:60]});"
            " a person has to name a release that the Hub admits",
            hint="`remit hub admission` says why; once the Hub admits it again, a new start does",
        )


def key_of(host: str, repository: str, digest: str) -> str:
    """What a withdrawal is about, as one word."""
    return f"{host.lower()}/{repository}@{digest}"


def heard(host: str, said: Mapping[str, Any], now_us: int) -> Withdrawal | None:
    """One entry of a Hub's list; None if it does not say of what.

    Whatever else of it is malformed makes it no weaker: a time that cannot be read is now.
    """
    repository, digest = said.get("repository"), said.get("digest")
    if not isinstance(repository, str) or not isinstance(digest, str) or not is_digest(digest):
        return None
    state, reason = said.get("state"), said.get("reason")
    try:
        changed_us = time_us(said.get("changedAt"), "changedAt")
    except PredicateError:
        changed_us = now_us
    return Withdrawal(
        host=host.lower(),
        repository=printable(repository, 255),
        digest=digest,
        state=state if isinstance(state, str) and state in _STATES else "withdrawn",
        reason=printable(reason, _REASON) if isinstance(reason, str) else "",
        changed_us=max(0, min(changed_us, MAX_SAFE_INTEGER)),
        heard_us=now_us,
    )


class Withdrawn:
    """See the module's text. May be called by any thread; what touches the disk says so.

    Args:
        directory: where it is kept; Guards at the same time may share it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = SealedFile(directory, _FILE, MAX_FILE_BYTES, "what Hubs have withdrawn")
        # Replaced as a whole under the lock, never changed: readers need none.
        self._known: Mapping[str, Withdrawal] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._kept: Mapping[str, Withdrawal] | None = None

    def load(self) -> None:
        """Read from disk what is there, also what other Guards of this place have heard.

        Raises:
            GuardError: ``guard.memory``: it was changed or taken away, or cannot be read.
        """
        if not os.path.lexists(self._directory):
            return
        try:
            with exclusive(self._directory / f"{_FILE}.lock"):
                there = self._read()
        except OSError as error:
            raise _unusable(self._directory, error) from error
        with self._lock:
            self._known = merged(self._known, there)

    def about(self, reference: Reference) -> Withdrawal | None:
        """What a Hub said of an artifact with a digest, as far as it was learned."""
        if not reference.host:
            return None
        key = key_of(reference.host, reference.repository, reference.digest)
        self._used.add(key)
        return self._known.get(key)

    def hear(self, said: Iterable[Withdrawal]) -> tuple[Withdrawal, ...]:
        """Let a Hub's words count from now on; those of them that say something new."""
        fresh: dict[str, Withdrawal] = {}
        with self._lock:
            for each in said:
                before = fresh.get(each.key) or self._known.get(each.key)
                if before is None or before.changed_us < each.changed_us:
                    fresh[each.key] = each
            if fresh:
                self._known = trimmed(self._flagged(merged(self._known, fresh)))
        return tuple(self._known.get(key, each) for key, each in fresh.items())

    @property
    def dirty(self) -> bool:
        """Whether something that counts is not on disk."""
        return self._known is not self._kept and bool(self._known)

    def keep(self) -> None:
        """Put what counts on disk, beside what is there.

        Raises:
            GuardError: it cannot be written, or what is there was changed; it counts all the same.
        """
        with self._lock:
            self._known = known = self._flagged(self._known)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(self._directory / f"{_FILE}.lock"):
                there = self._read()
                whole = trimmed(merged(known, there))
                if whole != there:
                    self._file.write({"withdrawn": [_plain(whole[key]) for key in sorted(whole)]})
        except OSError as error:
            raise _unusable(self._directory, error) from error
        self._kept = known

    def standing(self) -> tuple[Withdrawal, ...]:
        """All that is known, of artifacts that Guard was asked to start."""
        return tuple(each for each in self._known.values() if each.used or each.key in self._used)

    def _flagged(self, known: Mapping[str, Withdrawal]) -> Mapping[str, Withdrawal]:
        asked = [each for each in known.values() if not each.used and each.key in self._used]
        more = {each.key: msgspec.structs.replace(each, used=True) for each in asked}
        return {**known, **more} if more else known

    def _read(self) -> dict[str, Withdrawal]:
        value = self._file.read()
        if value is None:
            return {}
        try:
            found = msgspec.convert(value.get("withdrawn"), list[Withdrawal])
        except msgspec.ValidationError as error:
            raise GuardError(
                f"what Hubs have withdrawn, in `{self._directory}`, has another form",
                code="guard.memory",
            ) from error
        return {each.key: each for each in found}


def merged(
    one: Mapping[str, Withdrawal], other: Mapping[str, Withdrawal]
) -> Mapping[str, Withdrawal]:
    """Both; of two words on the same artifact the later one. ``one`` itself if nothing is added."""
    found = dict(one)
    for key, each in other.items():
        mine = found.get(key)
        if mine is None or each.changed_us > mine.changed_us:
            found[key] = each
        if mine is not None and (mine.used or each.used) and not found[key].used:
            found[key] = msgspec.structs.replace(found[key], used=True)
    return one if found == one else found


def trimmed(known: Mapping[str, Withdrawal]) -> Mapping[str, Withdrawal]:
    """Without the oldest of what Guard was never asked to start, if those of a Hub are many."""
    found = dict(known)
    for host in {each.host for each in known.values()}:
        rest = [each for each in known.values() if each.host == host and not each.used]
        rest.sort(key=lambda each: (each.changed_us, each.key))
        for each in rest[: max(0, len(rest) - MAX_KEPT)]:
            del found[each.key]
    return found


def _plain(each: Withdrawal) -> dict[str, Any]:
    value = msgspec.to_builtins(each)
    assert isinstance(value, dict)
    return value


def _unusable(directory: Path, error: OSError) -> GuardError:
    return GuardError(
        f"what Hubs have withdrawn cannot be kept in `{directory}`: {error.strerror or error}",
        hint="see that the disk has room and that only Guard's user can write there",
        code="guard.memory",
    )
