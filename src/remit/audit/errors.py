"""Errors of the audit log."""

from remit.core.errors import RemitError


class AuditError(RemitError):
    """Something the audit log refuses or cannot do."""

    code = "audit.error"


class Poisoned(AuditError):  # noqa: N818 - the state has this name everywhere
    """A write or sync failed: nothing more is accepted until a checked re-open."""

    code = "audit.poisoned"


class QueueFull(AuditError):  # noqa: N818 - names the state
    """More records wait for the disk than the queue may hold; nothing was accepted."""

    code = "audit.queue_full"


class Closed(AuditError):  # noqa: N818 - names the state
    """The log was closed."""

    code = "audit.closed"


class Locked(AuditError):  # noqa: N818 - names the state
    """Another process writes this log."""

    code = "audit.locked"


class RecordError(AuditError):
    """A record that the log does not take: too large, a reserved field, a malformed kind."""

    code = "audit.record"


class Corrupt(AuditError):  # noqa: N818 - names the state
    """The files of the log are not what the log wrote.

    Attributes:
        seq: index of the first bad record if it is known, else -1.
    """

    code = "audit.corrupt"

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, seq: int = -1
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.seq = seq
