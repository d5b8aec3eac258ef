"""What curators do in the console, carried out by the same desk as what comes over HTTP."""

from collections.abc import Sequence

from remit.approvals.rendering import displayed, render
from remit.hub.admission.answering import Answered
from remit.hub.admission.asking import ChangedError, Given
from remit.hub.admission.desk import Desk, NotDecidableError
from remit.hub.admission.people import Suppression
from remit.hub.console.curation import WORDS, Asking, Ruling
from remit.hub.console.suppressing import Answer, Listed

DAY_US = 86_400_000_000


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


class DeskSuppressing:
    """The :class:`~remit.hub.console.suppressing.Suppressing` over the gate's desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def listed(self, after: str, count: int) -> Sequence[Listed]:
        """Some, in the order in which they were made."""
        return [_listed(each) for each in await self._desk.suppressions(after, count)]

    async def find(self, id_: str) -> Listed | None:
        """One of them."""
        found = await self._desk.suppression(id_)
        return None if found is None else _listed(found)

    async def suppress(self, answer: Answer) -> None:
        """Take somebody's answer for a finding.

        Raises:
            RegistryError: it may not be taken.
        """
        now = self._desk.now_us()
        given = Answered(
            fingerprint=answer.fingerprint,
            rule=answer.rule,
            repositories=answer.repositories,
            reason=answer.reason,
            signed_us=now,
            expires_us=now + answer.days * DAY_US,
        )
        await self._desk.suppress(given, answer.by, answer.peer)

    async def revoke(self, id_: str, by: str, peer: str) -> bool:
        """End one now; ``False`` if it is over already."""
        found = await self._desk.suppression(id_)
        return found is not None and await self._desk.revoke(found, by, peer)


def _listed(said: Suppression) -> Listed:
    return Listed(
        id=said.id,
        fingerprint=said.fingerprint,
        rule=said.rule,
        repositories=said.pattern,
        reason=said.reason,
        by=said.by,
        made_us=said.made_us,
        expires_us=said.expires_us,
        revoked_us=said.revoked_us,
    )
