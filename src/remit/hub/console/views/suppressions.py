"""Findings that somebody answers for: all of them, a form for another one, and revoking.

Whoever curates something sees them, and may answer for a finding; how far that reaches is asked of
the maker's role whenever it is used. Its maker ends it, or an administrator of everything.
"""

import re
from collections.abc import Mapping

from remit.core.clock import Clock
from remit.hub.console.pages import page
from remit.hub.console.suppressing import MAX_DAYS, MAX_REASON, Answer, Listed, Suppressing
from remit.hub.console.words import Look
from remit.hub.registry.access import Caller
from remit.web.errors import PageError
from remit.web.exchange import Reply, see

PLACE = "/ui/suppressions"
PAGE = 100
DAYS = 30
_ID = re.compile(r"[0-9A-Z]{26}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_DAYS = re.compile(r"[0-9]{1,3}")
MAX_SHOWN = 255


def may_revoke(caller: Caller, said: Listed) -> bool:
    """Whether that is up to them."""
    every = any(each.role == "admin" and each.pattern == "**" for each in caller.grants)
    return said.by == caller.name or every


class Suppressions:
    """See the module's text.

    Args:
        suppressing: keeps them; ``None`` of a Hub that decides nothing.
        clock: times.

    Attributes:
        views: what it answers.
    """

    def __init__(self, suppressing: Suppressing | None, clock: Clock) -> None:
        self._suppressing = suppressing
        self._clock = clock
        self.views = {
            ("GET", PLACE): self._list,
            ("GET", f"{PLACE}/new"): self._form,
            ("POST", f"{PLACE}/new"): self._make,
            ("POST", f"{PLACE}/{{id}}/revoke"): self._revoke,
        }

    def _kept(self, look: Look) -> Suppressing:
        if not look.curates or self._suppressing is None:
            raise PageError(
                403, "you answer for nothing here",
                hint="the role `curator` for a repository is needed", code="console.curator",
            )  # fmt: skip
        return self._suppressing

    async def _list(self, look: Look, path: Mapping[str, str]) -> Reply:
        del path
        after = look.asked.query.get("after", "")
        if after and _ID.fullmatch(after) is None:
            raise PageError(400, "there is no such page of the list", code="web.query")
        found = await self._kept(look).listed(after, PAGE + 1)
        rows = [(each, may_revoke(look.me, each)) for each in found[:PAGE]]
        return page(
            "suppressions", look=look, csrf=look.csrf, rows=rows, now_us=self._clock.now_us(),
            following=found[PAGE - 1].id if len(found) > PAGE else "", first=not after,
        )  # fmt: skip

    async def _form(self, look: Look, path: Mapping[str, str]) -> Reply:
        del path
        self._kept(look)
        asked = look.asked.query
        given = {name: asked.get(name, "") for name in ("fingerprint", "rule", "repositories")}
        if _FINGERPRINT.fullmatch(given["fingerprint"]) is None or not given["rule"]:
            raise PageError(
                400, "no finding is named",
                hint="begin at the findings of an artifact", code="web.query",
            )  # fmt: skip
        if any(len(each) > MAX_SHOWN for each in given.values()):
            raise PageError(400, "that names no finding", code="web.query")
        return page(
            "suppress", look=look, csrf=look.csrf, given=given, longest=MAX_REASON, days=DAYS,
            most=MAX_DAYS,
        )  # fmt: skip

    async def _make(self, look: Look, path: Mapping[str, str]) -> Reply:
        del path
        kept, form = self._kept(look), look.asked.form
        reason, days = form.get("reason", "").strip(), form.get("days", "")
        if not reason or len(reason) > MAX_REASON:
            raise PageError(
                400, f"a suppression has a reason, of at most {MAX_REASON} letters", code="web.form"
            )
        if _DAYS.fullmatch(days) is None or not 1 <= int(days) <= MAX_DAYS:
            raise PageError(400, f"a suppression ends after 1 to {MAX_DAYS} days", code="web.form")
        await kept.suppress(
            Answer(
                fingerprint=form.get("fingerprint", ""),
                rule=form.get("rule", ""),
                repositories=form.get("repositories", "").strip(),
                reason=reason,
                days=int(days),
                by=look.me.name,
                peer=look.asked.address,
            )
        )
        return see(PLACE)

    async def _revoke(self, look: Look, path: Mapping[str, str]) -> Reply:
        kept = self._kept(look)
        found = await kept.find(path["id"]) if _ID.fullmatch(path["id"]) else None
        if found is None:
            raise PageError(404, "there is no such suppression", code="console.unknown")
        if not may_revoke(look.me, found):
            raise PageError(
                403, f"`{found.by}` made it; they can revoke it, and an administrator of all",
                code="console.curator",
            )  # fmt: skip
        if not await kept.revoke(found.id, look.me.name, look.asked.address):
            raise PageError(409, "it is revoked already", code="console.changed")
        return see(PLACE)
