"""Requests, decisions, uses and approvers in SQLite: ``approvals.db`` of the state directory.

Every change is one transaction, durable when it returns (``synchronous = FULL``). That an approval
is used once is a primary key, not a promise. Arguments are encrypted with the key of their agent,
like those in the log: erasing an agent's values erases them here.

One thread at a time may use an :class:`ApprovalStore`; the database is opened at its first use.
"""

import asyncio
import concurrent.futures
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from remit.approvals.decision import Approver, Decided
from remit.approvals.request import Request
from remit.attest.cipher import SubjectCipher
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.guard.errors import GuardError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  id TEXT PRIMARY KEY, digest TEXT NOT NULL, rule TEXT NOT NULL, agent TEXT NOT NULL,
  requested_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, state TEXT NOT NULL,
  body BLOB NOT NULL, arguments BLOB NOT NULL, team TEXT NOT NULL, name TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS requests_by_action ON requests (digest, rule, requested_us);
CREATE INDEX IF NOT EXISTS requests_by_state ON requests (state, expires_us);
CREATE INDEX IF NOT EXISTS requests_by_team ON requests (team, state, id);
CREATE INDEX IF NOT EXISTS requests_by_name ON requests (name, state, id);
CREATE TABLE IF NOT EXISTS decisions (
  digest TEXT PRIMARY KEY, request TEXT NOT NULL REFERENCES requests (id),
  approver TEXT NOT NULL, word TEXT NOT NULL, body BLOB NOT NULL, key BLOB NOT NULL,
  bundle BLOB NOT NULL, UNIQUE (request, key, word)
) STRICT;
CREATE TABLE IF NOT EXISTS uses (
  digest TEXT NOT NULL REFERENCES decisions (digest), number INTEGER NOT NULL,
  request TEXT NOT NULL, used_us INTEGER NOT NULL, PRIMARY KEY (digest, number)
) STRICT;
CREATE TABLE IF NOT EXISTS approvers (
  key BLOB PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, enrolled_us INTEGER NOT NULL,
  revoked_us INTEGER NOT NULL, bundle BLOB NOT NULL, credential BLOB NOT NULL,
  issuer TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_key ON approvers (id) WHERE revoked_us = 0;
CREATE UNIQUE INDEX IF NOT EXISTS one_credential ON approvers (credential)
  WHERE credential != x'' AND revoked_us = 0;
CREATE TABLE IF NOT EXISTS invitations (
  user TEXT PRIMARY KEY, name TEXT NOT NULL, by TEXT NOT NULL, token BLOB NOT NULL UNIQUE,
  expires_us INTEGER NOT NULL, issuer TEXT NOT NULL
) STRICT;
"""

_R = TypeVar("_R")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A stored decision.

    Attributes:
        decided: what was checked when it came.
        key: of the approver, DER.
        bundle: the signed bytes.
        counts: whether the key is still somebody's.
    """

    decided: Decided
    key: bytes
    bundle: bytes
    counts: bool = True


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A stored request.

    Attributes:
        request: what was asked.
        used: whether a call has used it.
        said: what people said, in the order it came.
    """

    request: Request
    used: bool
    said: tuple[Said, ...] = ()


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody may enrol a passkey.

    Attributes:
        user, name: whose it will be.
        by: the operating system's user who invited them, or who a provider says that they are.
        token: SHA-256 of the secret in the link.
        expires_us: wall time.
        issuer: the provider that knows them; empty without one.
    """

    user: str
    name: str
    by: str
    token: bytes
    expires_us: int
    issuer: str = ""


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what SQLite could not do in the words of Guard."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise GuardError("this was said or used before", code="approval.twice") from error
    except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
        raise GuardError(
            f"the approvals in `{path}` cannot be used: {error}",
            code="approval.store",
            hint="free the disk or restore the file; until then nothing is approved",
        ) from error


class ApprovalStore:
    """See the module's text.

    Args:
        path: the database; its directory exists.
        cipher: keys of agents.
    """

    def __init__(self, path: Path, cipher: SubjectCipher) -> None:
        self.path = path
        self._cipher = cipher
        self._opened: sqlite3.Connection | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            if not self.path.exists():
                self.path.touch(mode=0o600)
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.executescript(_SCHEMA)
            self._opened = db
        return self._opened

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable at its end."""
        with _told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        with _told(self.path):
            return self._db.execute(query, given).fetchall()

    def _requests(self, where: str, *given: Any) -> list[Kept]:
        rows = self._rows(f"SELECT id, state, body, arguments FROM requests {where}", *given)  # noqa: S608 - our own texts
        with _told(self.path):
            return [self._kept(row) for row in rows]

    # --- requests -------------------------------------------------------------------------------

    def add(self, request: Request) -> None:
        """Keep a request.

        Raises:
            GuardError: it cannot be kept.
        """
        action = request.action
        hidden = msgspec.structs.replace(action, arguments="")
        body = msgspec.json.encode(msgspec.structs.replace(request, action=hidden))
        sealed = self._cipher.encrypt(action.agent, action.arguments.encode(), _aad(request.id))
        with self._change() as db:
            db.execute(
                "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?)",
                (
                    request.id, action.digest, request.rule, action.agent, request.requested_us,
                    request.expires_us, body, sealed, request.approvers, action.name,
                ),
            )  # fmt: skip

    def get(self, name: str) -> Kept | None:
        """The request called ``name``."""
        found = self._requests("WHERE id = ?", name)
        return found[0] if found else None

    def find(self, digest: Digest, rule: str, now_us: int) -> Kept | None:
        """The newest request for an action that is neither used nor expired."""
        found = self._requests(
            "WHERE digest = ? AND rule = ? AND state = 'open' AND expires_us > ?"
            " ORDER BY id DESC LIMIT 1",
            digest, rule, now_us,
        )  # fmt: skip
        return found[0] if found else None

    def open(self, now_us: int, limit: int, *, after: str = "") -> list[Kept]:
        """Requests that are neither used nor expired, oldest first."""
        return self._requests(
            "WHERE state = 'open' AND expires_us > ? AND id > ? ORDER BY id LIMIT ?",
            now_us, after, limit,
        )  # fmt: skip

    def closed(self, now_us: int, limit: int) -> list[Kept]:
        """Requests that are used or expired, newest first."""
        return self._requests(
            "WHERE state != 'open' OR expires_us <= ? ORDER BY id DESC LIMIT ?", now_us, limit
        )

    def count_open(self, now_us: int, agent: str = "") -> tuple[int, int]:
        """How many requests are neither used nor expired: in all, and of one agent."""
        found = self._rows(
            "SELECT count(*), count(*) FILTER (WHERE agent = ?) FROM requests"
            " WHERE state = 'open' AND expires_us > ?",
            agent, now_us,
        )  # fmt: skip
        return int(found[0][0]), int(found[0][1])

    # --- lists ----------------------------------------------------------------------------------

    def waiting(self, teams: Sequence[str], now_us: int, after: str, limit: int) -> list[Kept]:
        """Open requests to members of ``teams``, oldest first, without their arguments."""
        return self._outlines(
            f"WHERE team IN ({_marks(teams)}) AND state = 'open' AND expires_us > ? AND id > ?"
            " ORDER BY id LIMIT ?",
            *teams, now_us, after, limit,
        )  # fmt: skip

    def count_waiting(self, teams: Sequence[str], now_us: int) -> int:
        """How many :meth:`waiting` would give without a limit."""
        found = self._rows(
            f"SELECT count(*) FROM requests WHERE team IN ({_marks(teams)})"  # noqa: S608
            " AND state = 'open' AND expires_us > ?",
            *teams, now_us,
        )  # fmt: skip
        return int(found[0][0])

    def past(
        self, user: str, teams: Sequence[str], now_us: int, before: str, limit: int
    ) -> list[Kept]:
        """Requests to members of ``teams``, or that ``user`` decided, newest first.

        Those are left out of which nobody has said anything and that can still be decided. They
        come without their arguments.
        """
        return self._outlines(
            f"WHERE (team IN ({_marks(teams)})"  # noqa: S608 - our own texts
            " OR id IN (SELECT request FROM decisions WHERE approver = ?))"
            " AND (state != 'open' OR expires_us <= ?"
            " OR EXISTS (SELECT 1 FROM decisions WHERE request = requests.id))"
            " AND id < ? ORDER BY id DESC LIMIT ?",
            *teams, user, now_us, before, limit,
        )  # fmt: skip

    def used_before(self, name: str, before: str, limit: int) -> list[Kept]:
        """The newest used requests for the action called ``name`` that are older than one."""
        return self._requests(
            "WHERE name = ? AND state = 'used' AND id < ? ORDER BY id DESC LIMIT ?",
            name, before, limit,
        )  # fmt: skip

    def _outlines(self, where: str, *given: Any) -> list[Kept]:
        rows = self._rows(f"SELECT id, state, body FROM requests {where}", *given)  # noqa: S608
        with _told(self.path):
            # Their action is another one than was asked for: an outline cannot be approved.
            return [self._whole(*row, arguments="null") for row in rows]

    def _kept(self, row: tuple[str, str, bytes, bytes]) -> Kept:
        name, state, body, sealed = row
        agent = msgspec.json.decode(body, type=Request).action.agent
        try:
            arguments = self._cipher.decrypt(agent, sealed, _aad(name)).decode()
        except RemitError:
            # Erased. The action is then another one than was asked for, so nobody can approve it.
            arguments = "null"
        return self._whole(name, state, body, arguments=arguments)

    def _whole(self, name: str, state: str, body: bytes, *, arguments: str) -> Kept:
        bare = msgspec.json.decode(body, type=Request)
        action = msgspec.structs.replace(bare.action, arguments=arguments)
        said = self._rows(
            "SELECT body, key, bundle, EXISTS (SELECT 1 FROM approvers"
            " WHERE approvers.key = decisions.key AND revoked_us = 0)"
            " FROM decisions WHERE request = ? ORDER BY rowid",
            name,
        )
        return Kept(
            request=msgspec.structs.replace(bare, action=action),
            used=state == "used",
            said=tuple(
                Said(
                    decided=msgspec.json.decode(word, type=Decided),
                    key=key,
                    bundle=bundle,
                    counts=bool(counts),
                )
                for word, key, bundle, counts in said
            ),
        )

    # --- decisions ------------------------------------------------------------------------------

    def say(self, said: Said) -> None:
        """Keep what somebody said.

        Raises:
            GuardError: it was said before (``approval.twice``), or cannot be kept.
        """
        decided = said.decided
        with self._change() as db:
            db.execute(
                "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    decided.digest, decided.request, decided.approver, decided.word,
                    msgspec.json.encode(decided), said.key, said.bundle,
                ),
            )  # fmt: skip

    def use(self, name: str, digests: list[Digest], limit: int, now_us: int) -> None:
        """Use a request, and the approvals that were counted, for one call.

        Args:
            name: the request.
            digests: of the approvals.
            limit: how many calls they let through.
            now_us: wall time.

        Raises:
            GuardError: they are used up (``approval.twice``), or it cannot be kept.
        """
        with self._change() as db:
            (used,) = db.execute(
                "SELECT count(DISTINCT number) FROM uses WHERE request = ?", (name,)
            ).fetchone()
            changed = db.execute(
                "UPDATE requests SET state = ? WHERE id = ? AND state = 'open'",
                ("used" if used + 1 >= limit else "open", name),
            )
            if changed.rowcount != 1 or used >= limit or not digests:
                raise GuardError("the approval was used before", code="approval.twice")
            db.executemany(
                "INSERT INTO uses VALUES (?, ?, ?, ?)",
                [(digest, used, name, now_us) for digest in digests],
            )

    # --- approvers ------------------------------------------------------------------------------

    def approvers(self) -> list[Approver]:
        """Everybody who was ever enrolled, oldest first."""
        rows = self._rows(
            "SELECT id, name, key, enrolled_us, revoked_us, credential, issuer FROM approvers"
            " ORDER BY rowid"
        )
        return [_approver(row) for row in rows]

    def enrolment(self, key: bytes) -> bytes:
        """The bundle with which a key was enrolled.

        Raises:
            GuardError: it was not (``approval.stranger``).
        """
        found = self._rows("SELECT bundle FROM approvers WHERE key = ?", key)
        if not found:
            raise GuardError("nobody is enrolled with this key", code="approval.stranger")
        return bytes(found[0][0])

    def enrol(self, approver: Approver, bundle: bytes, invitation: bytes = b"") -> None:
        """Keep an enrolment, and use up the invitation that led to it.

        Raises:
            GuardError: the user has a key, or the key a user, or the invitation was used
                (``approval.twice``).
        """
        with self._change() as db:
            if invitation:
                gone = db.execute("DELETE FROM invitations WHERE token = ?", (invitation,))
                if gone.rowcount != 1:
                    raise GuardError("the invitation was used before", code="approval.twice")
            db.execute(
                "INSERT INTO approvers VALUES (?, ?, ?, ?, 0, ?, ?, ?)",
                (
                    approver.key, approver.id, approver.name, approver.enrolled_us, bundle,
                    approver.credential, approver.issuer,
                ),
            )  # fmt: skip

    def invite(self, invitation: Invitation) -> None:
        """Keep an invitation in place of an earlier one of the same user."""
        with self._change() as db:
            db.execute(
                "INSERT OR REPLACE INTO invitations VALUES (?, ?, ?, ?, ?, ?)",
                (
                    invitation.user, invitation.name, invitation.by, invitation.token,
                    invitation.expires_us, invitation.issuer,
                ),
            )  # fmt: skip

    def invited(self, token: bytes, now_us: int) -> Invitation | None:
        """The invitation whose token has this digest, if it is neither used nor expired."""
        rows = self._rows(
            "SELECT user, name, by, expires_us, issuer FROM invitations"
            " WHERE token = ? AND expires_us > ?",
            token, now_us,
        )  # fmt: skip
        for user, name, by, expires_us, issuer in rows:
            return Invitation(
                user=user, name=name, by=by, token=token, expires_us=expires_us, issuer=issuer
            )
        return None

    def revoke(self, user: str, now_us: int) -> bool:
        """End the enrolment of a user; whether there was one."""
        with self._change() as db:
            changed = db.execute(
                "UPDATE approvers SET revoked_us = ? WHERE id = ? AND revoked_us = 0",
                (now_us, user),
            )
            return changed.rowcount == 1

    def close(self) -> None:
        """Close the database."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _approver(row: tuple[Any, ...]) -> Approver:
    user, name, key, enrolled_us, revoked_us, credential, issuer = row
    return Approver(
        id=user,
        name=name,
        key=key,
        credential=credential,
        issuer=issuer,
        enrolled_us=enrolled_us,
        revoked_us=revoked_us,
    )


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _aad(name: str) -> bytes:
    return b"remit.approval/v1\n" + name.encode()


class InStore:
    """Calls a store from an event loop, in a thread of its own, one after the other."""

    def __init__(self, store: ApprovalStore) -> None:
        self._store = store
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "approvals")

    async def __call__(self, work: Callable[..., _R], *given: Any) -> _R:
        """What ``work`` gives."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def close(self) -> None:
        """Close the store."""
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()
