"""Tool definitions that speak to the model instead of describing a tool.

"Tool poisoning": a name, a title, a description or a text of the schema tells the model to read
files, to hide what it does, or to treat other tools in another way. :meth:`Poisoning.describe`
inspects a whole definition (MCP ``Tool``), keys and nested schema included, and reads each text in
every view, for ways out and for invisible text too.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

import msgspec
import re2

from remit.content.base import (
    Channel,
    Finding,
    PatternDetector,
    Severity,
    Surroundings,
    View,
    Views,
)
from remit.content.detectors import exfiltration, invisible
from remit.content.values import Piece, walk
from remit.content.views import read


class Rule(msgspec.Struct, frozen=True):
    """A rule as it is written in ``data/poisoning.toml``."""

    id: str
    label: str
    severity: Severity
    score: int
    regex: str


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules."""
    data = resources.files("remit.content") / "data" / "poisoning.toml"
    return msgspec.convert(tomllib.loads(data.read_text("utf-8"))["rules"], tuple[Rule, ...])


@functools.cache
def _patterns() -> tuple[Any, tuple[Any, ...]]:
    """All rules at once, which says which of them match; and each, which says where."""
    options = re2.Options()
    options.max_mem = 64 << 20  # with less its states are made over and over
    together = re2.Set.SearchSet(options)
    for rule in rules():
        together.Add(f"(?is){rule.regex}")
    together.Compile()
    return together, tuple(re2.compile(f"(?is){rule.regex}") for rule in rules())


def matched(text: str) -> Iterator[str]:
    """Rules that match somewhere in a text as it is."""
    together, _ = _patterns()
    for number in together.Match(text.encode("utf-8", "replace")) or ():
        yield rules()[number].id


# Parameters that only ask the model for what it knows of itself and of the conversation.
_ASKING = frozenset(
    {
        "sidenote",
        "systemprompt",
        "conversationhistory",
        "chathistory",
        "messagehistory",
        "previousmessages",
        "priormessages",
        "chainofthought",
        "toolcallhistory",
        "conversationtranscript",
        "environmentvariables",
        "modelname",
        "toolslist",
    }
)
_DEFINITION = re.compile(r'"(?:inputSchema|input_schema|outputSchema)"\s{0,8}:\s{0,8}\{')
_PARAMETER = re.compile(r"/properties/[^/]+\Z")
_KEPT_PATH = 200


class Poisoning(PatternDetector):
    """Detector ``poisoning``: whole definitions by ``describe``, and definitions in results."""

    name = "poisoning"
    version = "poisoning/1"
    kind = "poisoning"
    channels: frozenset[Channel] = frozenset({"tool_result"})

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Only in a text that holds a tool definition as JSON; else nothing."""
        del around
        if _DEFINITION.search(text.original) is not None:
            for view in text.views:
                yield from self._rules(view)

    def hold(self, text: str, around: Surroundings) -> int:
        """Nothing: definitions are not streamed."""
        del around
        return len(text)

    def describe(self, definition: Mapping[str, Any]) -> tuple[Finding, ...]:
        """What is wrong with a tool definition.

        Spans are within the text at the JSON pointer that ends ``rule`` (``<rule> at <pointer>``);
        ``at`` and nothing means all texts of the definition, joined by new lines.
        """
        seen = walk(dict(definition))
        found: list[Finding] = []
        if not seen.complete:
            found.append(
                self.finding("incomplete", ("high", 1000), (0, 0), "limit", kind="uninspected")
            )
        for piece in seen.pieces:
            found += self._piece(piece)
        # An instruction may be cut in two, one half in each text.
        known = {f.rule.partition(" ")[0] for f in found}
        joined = "\n".join(p.text for p in seen.pieces if p.what == "text")
        found += [
            msgspec.structs.replace(f, rule=f"{f.rule} at ")
            for f in self._rules(View("original", joined))
            if f.rule not in known
        ]
        return tuple(found)

    def _piece(self, piece: Piece) -> Iterator[Finding]:
        views = read(piece.text)
        around = Surroundings(channel="tool_result")
        once: set[tuple[str, int, int]] = set()
        for view in views.views:
            for finding in self._rules(view):
                once_key = (finding.rule, finding.start, finding.end)
                if once_key not in once:
                    once.add(once_key)
                    yield _placed(finding, piece.path)
        for other in (exfiltration.DETECTOR, invisible.DETECTOR):
            for finding in other.find(views, around):
                if finding.kind != "exfiltration" or finding.severity == "high":
                    yield _placed(finding, piece.path)
        span = (0, len(piece.text))
        if piece.what == "key" and _PARAMETER.search(piece.path):
            bare = re.sub(r"[^a-z]", "", piece.text.lower())
            if bare in _ASKING:
                sure: tuple[Severity, int] = ("medium", 650)
                asked = self.finding("secret_request", sure, span, "parameter_name")
                yield _placed(asked, piece.path)
        if piece.path == "/name" and piece.what == "text" and not piece.text.isascii():
            odd = self.finding("look_alike", ("medium", 600), span, "name_not_ascii")
            yield _placed(odd, piece.path)

    def _rules(self, view: View) -> Iterator[Finding]:
        together, patterns = _patterns()
        for number in together.Match(view.utf8) or ():
            rule = rules()[number]
            for match in patterns[number].finditer(view.sound):
                span = view.origin(match.start(), match.end())
                sure = (rule.severity, rule.score)
                yield self.finding(rule.label, sure, span, rule.id)


def _placed(finding: Finding, path: str) -> Finding:
    return msgspec.structs.replace(finding, rule=f"{finding.rule} at {path[:_KEPT_PATH]}")


DETECTOR = Poisoning()


def describe(definition: Mapping[str, Any]) -> tuple[Finding, ...]:
    """:meth:`Poisoning.describe` of the detector."""
    return DETECTOR.describe(definition)
