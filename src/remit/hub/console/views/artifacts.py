"""The list of artifacts: search, kind, state."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from remit.artifacts.kinds.stored import STORED_KINDS
from remit.hub.api.parameters import MAX_TEXT, MAX_WORDS, cursor_in, cursor_of
from remit.hub.api.sight import sees
from remit.hub.catalog.ports import After, Catalog, Item, Query
from remit.hub.console.licences import Licences
from remit.hub.console.pages import page
from remit.hub.console.ports import STATES, Attached, Shown, Standing
from remit.hub.console.words import Look
from remit.web.errors import PageError
from remit.web.exchange import Reply

PAGE = 50


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact of the list.

    Attributes:
        attached: what refers to it, such as signatures.
        title: what it says of itself, without its name.
        licence: as its package says it; empty if it does not, or may not be read.
    """

    item: Item
    standing: Standing
    attached: Attached
    title: str
    licence: str


class ArtifactList:
    """See the module's text.

    Args:
        catalog, shown: what is known.
        licences: reads those of packages.
        gated: whether the Hub has a gate.
    """

    def __init__(self, catalog: Catalog, shown: Shown, licences: Licences, *, gated: bool) -> None:
        self._catalog = catalog
        self._shown = shown
        self._licences = licences
        self._gated = gated

    async def __call__(self, look: Look, path: Mapping[str, str]) -> Reply:
        """The page."""
        del path
        given = look.asked.query
        query = query_of(given, gated=self._gated)
        found = await self._catalog.search(query, sees(look.me))
        rows = await self._rows(look, found[: query.limit])
        more = ""
        if len(found) > query.limit:
            last = found[query.limit - 1]
            after = After(
                sort=query.sort, key=last.pushed_us, repository=last.id, digest=last.digest
            )
            more = urlencode({**{k: v for k, v in given.items() if v}, "cursor": cursor_of(after)})
        return page(
            "artifacts", look=look, csrf=look.csrf, rows=rows, kinds=STORED_KINDS,
            states=STATES if self._gated else (), gated=self._gated, following=more,
            q=given.get("q", ""), kind=given.get("kind", ""), state=given.get("state", ""),
            first="cursor" not in given,
        )  # fmt: skip

    async def _rows(self, look: Look, items: Sequence[Item]) -> list[Row]:
        keys = [(each.id, str(each.digest)) for each in items]
        standings = await self._shown.standings(keys) if self._gated else {}
        attached = await self._shown.attached(keys)
        rows = []
        for item, key in zip(items, keys, strict=True):
            standing = standings.get(key, Standing(state=""))
            readable = look.may_read(item.repository, standing)
            licence = await self._licences.of(item) if readable else ""
            rows.append(
                Row(
                    item=item,
                    standing=standing,
                    attached=attached.get(key, Attached()),
                    title=item.title.removeprefix(item.name).strip()[:90],
                    licence=licence,
                )
            )
        return rows


def query_of(given: Mapping[str, str], *, gated: bool) -> Query:
    """What the form of the list asks for.

    Raises:
        PageError, BadRequest: a field holds something else than the form offers.
    """
    text, kind, state = given.get("q", ""), given.get("kind", ""), given.get("state", "")
    words = tuple(text.lower().split())
    if len(text) > MAX_TEXT or len(words) > MAX_WORDS or "\0" in text:
        raise PageError(
            400, f"a search has at most {MAX_WORDS} words and {MAX_TEXT} letters", code="web.form"
        )
    unknown = (kind and kind not in STORED_KINDS) or (state and state not in STATES)
    if unknown or (state and not gated):
        raise PageError(400, "there is no such kind or state", code="web.form")
    cursor = given.get("cursor", "")
    after = cursor_in(cursor) if cursor else None
    if after is not None and after.sort != "-pushed":
        raise PageError(400, "the list has another order", code="web.form")
    return Query(
        words=words,
        kinds=(kind,) if kind else (),
        states=(state,) if state else (),
        after=after,
        limit=PAGE,
    )
