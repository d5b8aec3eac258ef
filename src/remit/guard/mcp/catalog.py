"""What a server offers, compared with its pins: only what equals its pin exists for the caller.

Guard lists the tools itself, all pages, and never lets a list of the server through: the client's
``tools/list`` is answered from the accepted tools that policy could allow to this caller.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from remit.core.canonical import digest_bytes
from remit.core.digest import sha256
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.guard.errors import GuardError
from remit.guard.ledger import Ledger
from remit.guard.store.pins import PinStore
from remit.policy.pins import Change, PinnedServer, PinnedTool, accepted, compare, pin
from remit.policy.policy import Policy
from remit.policy.suspicion import Suspicion, suspicions, without

MAX_PAGES = 64
MAX_TOOLS = 2000
MAX_NOTED = 32

AskServer = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Rule(Protocol):
    """What is in force for the server: all its sessions share it."""

    @property
    def policy(self) -> Policy | None:
        """The policy."""
        ...

    @property
    def pins(self) -> PinStore:
        """Where its pins are kept."""
        ...

    def fit(self, pinned: PinnedServer) -> None:
        """Put a policy in force that is compiled for ``pinned``; raises ``RemitError``."""
        ...


class Catalog:
    """The accepted tools of one server, and the policy compiled against them.

    State: not listed yet, listed, or failed. While it is not listed or has failed, no tool exists.
    """

    def __init__(self, server: str, rule: Rule, ledger: Ledger) -> None:
        self.server = server
        self._rule = rule
        self._ledger = ledger
        self._tools: dict[str, PinnedTool] = {}
        self._listed = False
        self._lock = asyncio.Lock()
        self._begun = self._ended = 0
        self._last_changes: tuple[tuple[str, str], ...] = ()
        self.instructions: str | None = None
        self.problem = ""

    @property
    def policy(self) -> Policy | None:
        """The policy in force for the server."""
        return self._rule.policy

    def stale(self) -> None:
        """The server said that its list changed: list again before the next use."""
        self._listed = False

    async def ensure(self, ask: AskServer) -> None:
        """List the server's tools unless that was done and nothing changed since."""
        if not self._listed:
            await self.refresh(ask)

    async def refresh(self, ask: AskServer) -> None:
        """List all tools, compare with the pins, pin on first sight, compile policy.

        Never raises: whatever goes wrong leaves no tool and says why in ``problem``. Who comes
        while a listing is under way shares the next one, so that a dead server is asked once for
        all of them.
        """
        seen = self._begun
        async with self._lock:
            if self._ended > seen:
                return
            self._begun += 1
            number = self._begun
            try:
                self._accept(await list_tools(ask))
                self.problem = ""
                self._listed = True
            except RemitError as error:
                self._tools = {}
                self.problem = error.message
                self._note_once("tools.refused", ((error.code, error.message[:200]),))
            self._ended = number

    def _accept(self, tools: list[dict[str, Any]]) -> None:
        pinned = self._rule.pins.get(self.server)
        instructions = self.instructions
        if instructions is None:
            instructions = pinned.instructions if pinned else ""
        if pinned is None:
            live = pin(self.server, tools, instructions)
            suspects = suspicions(live)
            pinned = without(live, suspects)
            self._rule.fit(pinned)
            self._rule.pins.save(pinned)
            self._ledger.note(
                "tools.pin",
                server=self.server,
                count=len(pinned.tools),
                digest=sha256(digest_bytes([[tool.name, tool.digest] for tool in pinned.tools])),
            )
            self._note_suspects(suspects)
        else:
            self._rule.fit(pinned)
            live = _observe(self.server, tools, instructions)
            self._note_changes(compare(pinned, live, self._rule.pins.others(self.server)))
        known = {tool.name: tool for tool in accepted(pinned, live)}
        # In the server's own order: clients show and models read it.
        names = [raw.get("name") for raw in tools]
        order = [name for name in names if isinstance(name, str) and name in known]
        self._tools = {name: known[name] for name in order}

    def _note_suspects(self, suspects: tuple[Suspicion, ...]) -> None:
        shown = [
            {
                "tool": printable(suspect.tool, 120),
                "hidden": suspect.grave and bool(suspect.tool),
                "rules": [printable(f.rule, 120) for f in suspect.findings[:4]],
            }
            for suspect in suspects[:MAX_NOTED]
        ]
        if shown:
            count = len(suspects)
            self._ledger.note("tools.suspicious", server=self.server, count=count, tools=shown)

    def _note_changes(self, changes: tuple[Change, ...]) -> None:
        self._note_once("tools.changed", tuple((c.kind, c.tool) for c in changes))

    def _note_once(self, kind: str, items: tuple[tuple[str, str], ...]) -> None:
        """Record a state of affairs when it begins, not each time it is seen again."""
        if items == self._last_changes:
            return
        self._last_changes = items
        if items:
            shown = [{"kind": k, "tool": printable(t, 120)} for k, t in items[:MAX_NOTED]]
            self._ledger.note(kind, server=self.server, count=len(items), changes=shown)

    def tool(self, name: str) -> PinnedTool | None:
        """The accepted tool of exactly this name."""
        return self._tools.get(name)

    def listing(self, agent: Agent, user: str) -> list[dict[str, Any]]:
        """The raw definitions of the tools that this caller could ever be allowed."""
        policy = self.policy
        if policy is None:
            return []
        return [
            tool.definition
            for tool in self._tools.values()
            if policy.visible(agent=agent.id, user=user, server=self.server, tool=tool.name)
        ]

    def instructions_accepted(self, text: str) -> bool:
        """Whether they are the pinned ones; on first sight, whether they are no orders to a model.

        Raises:
            RemitError: the pins cannot be read.
        """
        pinned = self._rule.pins.get(self.server)
        if pinned is None:
            return not text or without(live := pin(self.server, [], text), suspicions(live)) == live
        return pinned.instructions == text


def _observe(server: str, tools: list[dict[str, Any]], instructions: str) -> PinnedServer:
    """What the server offers now, to be compared with its pins.

    A name that comes twice or cannot be a tool's is left out, so that it counts as gone: a call by
    it would not say which of them is meant.
    """
    seen: dict[str, PinnedTool | None] = {}
    for raw in tools:
        try:
            found = pin(server, [raw]).tools[0]
        except RemitError:
            continue
        seen[found.name] = None if found.name in seen else found
    kept = tuple(tool for _, tool in sorted(seen.items()) if tool is not None)
    return msgspec.structs.replace(pin(server, [], instructions), tools=kept)


async def list_tools(ask: AskServer) -> list[dict[str, Any]]:
    """All pages of ``tools/list``. Cursors are opaque; only a missing one ends the list.

    Raises:
        GuardError: malformed, too many pages or tools, or the request failed.
    """
    tools: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    for _ in range(MAX_PAGES):
        page = await ask("tools/list", params)
        items = page.get("tools")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise GuardError("the server's tool list is malformed", code="mcp.bad_list")
        tools.extend(items)
        if len(tools) > MAX_TOOLS:
            raise GuardError(f"the server lists more than {MAX_TOOLS} tools", code="mcp.bad_list")
        cursor = page.get("nextCursor")
        if cursor is None:
            return tools
        if not isinstance(cursor, str):
            raise GuardError("the server's cursor is malformed", code="mcp.bad_list")
        params = {"cursor": cursor}
    raise GuardError(f"the server's tool list has more than {MAX_PAGES} pages", code="mcp.bad_list")
