"""Where a Guard keeps its state.

``--state DIR`` is exactly that directory, and a second Guard on it is refused. Without it each
server has a place below the user's state directory, with one lane per Guard that runs at the same
time: pins are shared, logs are not, because a log has one writer.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from remit.core.locks import try_hold
from remit.core.paths import user_state
from remit.guard.errors import GuardError

MAX_LANES = 64


class Place(msgspec.Struct, frozen=True):
    """The directories of one running Guard.

    Attributes:
        state: its own directory, with the log below ``audit/``.
        pins: the ``tools.lock`` it shares with the other lanes of its server.
        shared: what it shares with all lanes of all servers of this user.
        lock: descriptor that holds the directory until the process ends.
    """

    state: Path
    pins: Path
    shared: Path
    lock: int


def take(explicit: Path | None, server: str, environ: Mapping[str, str]) -> Place:
    """Take a state directory for this process.

    Raises:
        GuardError: another Guard has it, or it cannot be created.
    """
    try:
        if explicit is not None:
            lock = _hold(explicit)
            if lock is None:
                raise GuardError(
                    f"another Guard is using `{explicit}`",
                    code="guard.state_in_use",
                    hint="give each Guard a state directory of its own, or stop the other one",
                )
            return Place(explicit, explicit / "tools.lock", explicit, lock)
        shared = user_state(environ)
        base = shared / "servers" / server
        for lane in range(MAX_LANES):
            state = base / str(lane)
            lock = _hold(state)
            if lock is not None:
                return Place(state, base / "tools.lock", shared, lock)
    except OSError as error:
        raise GuardError(
            f"the state directory cannot be used: {error.strerror} (`{error.filename}`)",
            code="guard.state_unusable",
            hint="choose a writable directory with --state",
        ) from error
    raise GuardError(f"{MAX_LANES} Guards for `{server}` are running", code="guard.state_in_use")


def _hold(state: Path) -> int | None:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return try_hold(state / "guard.lock")
