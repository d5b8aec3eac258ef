"""What waits for people, and the form on which a curator decides.

A decision says what it was made on: the form brings back the digest of what it showed, and if there
is something else to decide by now, nothing is decided. A reason is required.
"""

from collections.abc import Mapping

from remit.core.clock import Clock
from remit.hub.console.curation import MAX_REASON, Curation, Ruling
from remit.hub.console.pages import page
from remit.hub.console.ports import Shown
from remit.hub.console.views.artifact import PLACE, ArtifactPages, Subject
from remit.hub.console.words import Look
from remit.web.errors import PageError
from remit.web.exchange import Reply, see

MAX_LISTED = 200
MAX_TICKET = 200


class Quarantine:
    """See the module's text.

    Args:
        shown: what waits.
        artifacts: finds what is decided on.
        curation: carries it out; ``None`` if nobody decides here.
        clock: times.

    Attributes:
        views: what it answers.
    """

    def __init__(
        self, shown: Shown, artifacts: ArtifactPages, curation: Curation | None, clock: Clock
    ) -> None:
        self._shown = shown
        self._artifacts = artifacts
        self._curation = curation
        self._clock = clock
        self.views = {
            ("GET", "/ui/quarantine"): self._list,
            ("GET", f"{PLACE}/decide"): self._form,
            ("POST", f"{PLACE}/decide"): self._decide,
        }

    async def _list(self, look: Look, path: Mapping[str, str]) -> Reply:
        del path
        me = look.me
        rows = await self._shown.waiting(lambda name: me.role_allows(name, "curate"), MAX_LISTED)
        return page(
            "quarantine", look=look, csrf=look.csrf, rows=rows, now_us=self._clock.now_us(),
            full=len(rows) == MAX_LISTED, decides=self._curation is not None,
        )  # fmt: skip

    async def _subject(self, look: Look, path: Mapping[str, str]) -> tuple[Subject, Curation]:
        subject = await self._artifacts.subject(look, path["repository"], path["digest"])
        if not subject.curates or self._curation is None:
            raise PageError(
                403, "you decide on nothing here",
                hint="the role `curator` for this repository is needed", code="console.curator",
            )  # fmt: skip
        return subject, self._curation

    async def _form(self, look: Look, path: Mapping[str, str]) -> Reply:
        subject, curation = await self._subject(look, path)
        item = subject.found.item
        asking = await curation.asking(item.repository, item.digest, look.me.name)
        return self._artifacts.page(
            look, subject, "decide", asking=asking, longest=MAX_REASON,
        )  # fmt: skip

    async def _decide(self, look: Look, path: Mapping[str, str]) -> Reply:
        subject, curation = await self._subject(look, path)
        item, form = subject.found.item, look.asked.form
        asking = await curation.asking(item.repository, item.digest, look.me.name)
        if asking is None or form.get("mark") != asking.mark:
            raise PageError(
                409, "there is something else to decide by now than the page showed",
                hint="load it again, and read what it says", code="console.changed",
            )  # fmt: skip
        word = next((each for each in asking.words if each == form.get("word")), None)
        if word is None or asking.hindrance:
            raise PageError(
                403, asking.hindrance or "that cannot be decided here", code="console.curator"
            )
        reason, ticket = form.get("reason", "").strip(), form.get("ticket", "").strip()
        if not reason or len(reason) > MAX_REASON or len(ticket) > MAX_TICKET:
            raise PageError(
                400, f"a decision has a reason, of at most {MAX_REASON} letters", code="web.form"
            )
        await curation.rule(
            Ruling(
                repository=item.repository,
                digest=item.digest,
                mark=asking.mark,
                word=word,
                reason=reason,
                ticket=ticket,
                by=look.me.name,
                peer=look.asked.address,
            )
        )
        return see(subject.place)
