"""``remit push --wait``: what a Hub's gate decides of what was just pushed."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from remit.cli.audit_output import safe
from remit.cli.registry_ends import Connection, credentials, ends
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from rich.status import Status

    from remit.artifacts.oci.names import Reference
    from remit.artifacts.oci.review import HubReview

FIRST_S, LAST_S = 0.3, 3.0
"""Pauses between questions, from the first to the longest."""
MAX_SHOWN = 1000
PASSED = frozenset({"admitted", "exempt"})
PENDING = frozenset({"quarantined", "review"})
_ADMITTED, _DENIED, _PENDING = 0, 1, 4


class NoGateError(RemitError):
    """The registry does not say what a gate of its decides."""

    code = "registry.no_gate"


def status_of(state: str) -> int:
    """Exit status for a state of an artifact: 0 admitted, 1 refused or withdrawn, 4 undecided."""
    if state in PASSED:
        return _ADMITTED
    return _PENDING if state in PENDING else _DENIED


def decided(
    connection: Connection, parsed: "Reference", timeout_s: float, output: str
) -> dict[str, Any]:
    """Ask until the artifact is admitted, refused or withdrawn, or the time is over.

    Args:
        connection: how the Hub is reached.
        parsed: the artifact, by digest.
        timeout_s: how long; it is asked once at least.
        output: ``table`` shows on a terminal what is waited for.

    Returns:
        What the Hub says last (``spec/hub-api.md``, "The gate").

    Raises:
        NoGateError: this registry has no gate, or does not tell.
        UnreachableError: it did not answer when the time was over.
    """
    from remit.artifacts.oci.review import HubReview
    from remit.artifacts.oci.transport import run

    async def whole() -> dict[str, Any]:
        async with ends(connection) as both:
            known = credentials(parsed.host, parsed.repository)
            review = HubReview(both.session(parsed.host, known))
            with _watching(output) as status:
                return await _asked(review, parsed, timeout_s, both.transport.sleep, status)

    return run(whole())


async def _asked(
    review: "HubReview", parsed: "Reference", timeout_s: float, sleep: Any, status: "Status | None"
) -> dict[str, Any]:
    from remit.artifacts.oci.errors import RegistryError, UnreachableError

    until, pause, answered = time.monotonic() + timeout_s, FIRST_S, False
    while True:
        left = until - time.monotonic()
        try:
            found = await review.admission(parsed)
        except UnreachableError:
            # A Hub that starts again decides all the same.
            if left <= 0:
                raise
        except RegistryError as error:
            if answered:
                raise
            raise NoGateError(
                f"`{parsed.host}` does not say what is decided: {error.message}",
                hint="it was pushed; only a Remit Hub with a gate can be waited for",
            ) from error
        else:
            answered = True
            state = str(found.get("state"))
            if state not in PENDING or left <= 0:
                return found
            if status is not None:
                status.update(safe(f"{state}: {found.get('reason')}", 100))
        await sleep(min(pause, max(left, 0.0)))
        pause = min(LAST_S, pause * 1.5)


@contextlib.contextmanager
def _watching(output: str) -> "Iterator[Status | None]":
    if output != "table" or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True, markup=False).status("waiting for the gate") as status:
        yield status


def line(found: dict[str, Any]) -> str:
    """What was decided, in one line."""
    reason = found.get("reason")
    return safe(f"{found.get('state')}: {reason}" if reason else str(found.get("state")), MAX_SHOWN)
