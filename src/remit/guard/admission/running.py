"""What was admitted and runs, so that it can be stopped when its Hub withdraws it."""

from collections.abc import Callable

import msgspec

from remit.artifacts.oci.names import Reference
from remit.core.decision import Decision
from remit.guard.admission.withdrawn import Withdrawal, Withdrawn, WithdrawnError
from remit.guard.mcp.upstream import BarredError

DENIED = "artifact_denied"
"""``error`` of decisions about a server that may not be started, or not run any more."""

Recall = Callable[[Decision], None]
"""Stops a server at once and answers in its place; never raises."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """On what something was admitted.

    Attributes:
        server: its name.
        reference: the artifact, with its digest.
        passed_us: when the gate passed it.
    """

    server: str
    reference: Reference
    passed_us: int


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was stopped, and why."""

    term: Term
    withdrawal: Withdrawal


class Running:
    """Belongs to the event loop's thread.

    Args:
        withdrawn: what Hubs say.

    Attributes:
        withdrawn: the same.
    """

    def __init__(self, withdrawn: Withdrawn) -> None:
        self.withdrawn = withdrawn
        self._entered: dict[int, tuple[Term, Recall]] = {}
        self._numbers = 0

    def enter(self, term: Term, recall: Recall) -> Callable[[], None]:
        """From now on it is stopped when it is withdrawn; give what ends that.

        Raises:
            BarredError: it was withdrawn since it was looked at.
        """
        said = self._against(term)
        if said is not None:
            error = said.error()
            raise BarredError(
                error.message,
                hint=error.hint,
                code=error.code,
                decision=_decision(error, "started"),
            )
        self._numbers = number = self._numbers + 1
        self._entered[number] = (term, recall)
        return lambda: self._leave(number)

    def recall(self) -> list[Stopped]:
        """Stop whatever was withdrawn."""
        stopped = []
        for number, (term, stop) in list(self._entered.items()):
            said = self._against(term)
            if said is not None and self._entered.pop(number, None) is not None:
                stop(_decision(said.error(), "stopped"))
                stopped.append(Stopped(term=term, withdrawal=said))
        return stopped

    def _against(self, term: Term) -> Withdrawal | None:
        said = self.withdrawn.about(term.reference)
        return said if said is not None and said.stands(term.passed_us) else None

    def _leave(self, number: int) -> None:
        self._entered.pop(number, None)


def _decision(error: WithdrawnError, what: str) -> Decision:
    said = "the server was not started" if what == "started" else "the server was stopped"
    return Decision(error=DENIED, detail=f"{said}: {error.message}")
