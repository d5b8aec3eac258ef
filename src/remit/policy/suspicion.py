"""Tool definitions that speak to the model: looked for where tools are pinned.

Only pinned tools exist for a caller, and a pin is a promise that nothing changed, so what was
looked into when it was pinned need not be looked into again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from remit.policy.pins import PinnedServer, pin

if TYPE_CHECKING:
    from remit.content.base import Finding

HIDDEN_FROM = "high"
"""Severity from which a tool is not pinned unless a person says so."""


class Suspicion(msgspec.Struct, frozen=True):
    """What is wrong with one definition.

    Attributes:
        tool: its name; empty for the server's instructions.
        findings: the most severe first.
    """

    tool: str
    findings: "tuple[Finding, ...]"

    @property
    def grave(self) -> bool:
        """Whether it is too much to be pinned unseen."""
        return self.findings[0].severity in {HIDDEN_FROM, "critical"}

    def text(self) -> str:
        """One line for people."""
        what = ", ".join(dict.fromkeys(f"{f.label} ({f.rule})" for f in self.findings[:3]))
        return f"{f'tool `{self.tool}`' if self.tool else 'the instructions'}: {what}"


def suspicions(server: PinnedServer) -> tuple[Suspicion, ...]:
    """Everything suspicious in what a server offers, by tool."""
    from remit.content.base import SEVERITIES
    from remit.content.detectors.poisoning import describe

    def sorted_findings(definition: Mapping[str, object]) -> "tuple[Finding, ...]":
        found = describe(definition)
        return tuple(sorted(found, key=lambda f: -SEVERITIES.index(f.severity)))

    texts = {"": {"instructions": server.instructions}}
    texts |= {tool.name: tool.definition for tool in server.tools}
    seen = {name: sorted_findings(definition) for name, definition in texts.items()}
    return tuple(Suspicion(name, findings) for name, findings in seen.items() if findings)


def without(server: PinnedServer, suspects: tuple[Suspicion, ...]) -> PinnedServer:
    """The server as if it did not offer what is gravely suspicious."""
    out = {suspect.tool for suspect in suspects if suspect.grave}
    kept = tuple(tool for tool in server.tools if tool.name not in out)
    told = pin(server.id, [], "" if "" in out else server.instructions)
    return msgspec.structs.replace(told, tools=kept)
