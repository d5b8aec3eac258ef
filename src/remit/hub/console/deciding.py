"""Curators' decisions in the console, carried out by the same desk as those over HTTP."""

from remit.approvals.rendering import displayed, render
from remit.hub.admission.asking import ChangedError, Given
from remit.hub.admission.desk import Desk, NotDecidableError
from remit.hub.console.curation import WORDS, Asking, Ruling


class DeskCuration:
    """The :class:`~remit.hub.console.curation.Curation` over the gate's desk.

    What is shown is the request that a curator at the command line signs, rendered as every
    approval is. The digest of that text comes back with the decision: a page that was answered, or
    that is older than the artifact's state, decides nothing any more.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def asking(self, repository: str, digest: str, by: str) -> Asking | None:
        """What there is to decide now."""
        try:
            request = await self._desk.request(repository, digest, 0)
        except NotDecidableError:
            return None
        # Nobody admits what they pushed; refusing it is their good right.
        words = ("refuse",) if by == request.action.user else WORDS
        return Asking(
            mark=displayed(request),
            text=render(request),
            words=words,
            approvers=request.approvers,
            quorum=request.quorum,
        )

    async def rule(self, ruling: Ruling) -> None:
        """Take a curator's word.

        Raises:
            RegistryError: it may not be taken.
        """
        request = await self._desk.request(ruling.repository, ruling.digest, 0)
        if displayed(request) != ruling.mark:
            raise ChangedError("what you decided on has changed meanwhile; look at it again")
        given = Given(
            word=ruling.word,
            reason=ruling.reason,
            action=request.action.digest,
            ticket=ruling.ticket,
        )
        await self._desk.decide(ruling.repository, ruling.digest, given, ruling.by, ruling.peer)
