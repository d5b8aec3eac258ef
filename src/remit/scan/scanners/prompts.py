"""Prompts: orders that their author did not mean to give, secrets, role tokens, hidden parts.

A prompt is made of orders, so that it gives some is no finding. What counts is what takes rules
away, waits for a phrase, leaves through a link, hides, or pretends to be somebody else.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from remit.artifacts.kinds.prompt import ENDINGS
from remit.scan.base import Artifact, Finding, Member, Result, register
from remit.scan.scanners import _learned, _orders, _text
from remit.scan.scanners._definition_units import Place
from remit.scan.scanners._text import TextScanner

_FAMILY = "prompt"
_TEXTS = (".md", ".txt", ".yaml", ".yml", ".json", ".prompt", ".prompty", ".jinja", ".j2", ".xml")
_TURN = re.compile(r"(?im)^[ \t]*(?:human|user|assistant|ai|system)\s*:")
MANY_TURNS = 40
_LINK_DATA = re.compile(
    r"(?i)(?:!\[[^\]]{0,500}\]\(|<img[^>]{1,500}src=['\"]?|\]\()\s{0,20}https?://[^\s)>'\"]{0,2000}?(?:\{\{?|\$\{|<)[^\s)>'\"]{0,200}"
)
_OBJECTS = re.compile(
    r"!!python/|\"lc\"\s*:\s*1|\"type\"\s*:\s*\"constructor\"|\b_type\s*:\s*(?!prompt|few_shot|chat)\w"
)


@register
class Prompts(TextScanner):
    """Scanner ``prompts``."""

    name = "prompts"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Files of prompts by their name; in an artifact of prompts, everything that is text."""
        name = _text.base(member)
        if name.endswith(ENDINGS):
            return True
        if artifact.kind != "prompt":
            return False
        return name.endswith(_TEXTS) or _text.is_text(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every prompt."""
        del artifact
        budget = _learned.Budget()
        for member in claimed:
            data = _text.read(member)
            text = None if data is None else _text.decoded(data)
            if text is None:
                reason = "it is too large" if data is None else "it is not UTF-8"
                yield _text.unread(member, "prompt", reason)
                continue
            yield from prompt(text, member, budget)
            yield _text.complete(member, "prompt", executes=True)
        if claimed:
            yield from budget.findings("prompt", claimed[-1])


def prompt(text: str, member: Member, budget: _learned.Budget) -> Iterator[Finding]:
    """Everything wrong with a prompt."""
    seen = _learned.judged(text, Place("prompt", about(text)), "prompt", budget)
    yield from _learned.weighed(_patterns(text, member), seen)
    if seen is not None:
        yield from _learned.findings(seen, text, member)


def about(text: str) -> str:
    """What a prompt is about: how it begins."""
    return text.lstrip().partition("\n")[0][:300]


def _patterns(text: str, member: Member) -> Iterator[Finding]:
    yield from _orders.orders(text, member, "prompt", family=_FAMILY)
    kinds = frozenset({"injection", "exfiltration", "invisible", "secret", "uninspected"})
    for finding in _text.inspected(text, member, family=_FAMILY, kinds=kinds):
        # To the model, prompts look like what they are; only what a rule confirms is a finding.
        if finding.rule.endswith(".indirect_command"):
            # Any order to send or to ask is one; what makes it bad is found by what it means.
            yield msgspec.structs.replace(finding, severity="low")
        elif not finding.rule.endswith(".suspicious"):
            yield finding
    for match in _LINK_DATA.finditer(text):
        yield _text.found(
            "prompt.link_data", "a link or picture that carries data to its host", "high", member,
            shown=match[0], line=_text.line_of(text, match.start()),
        )  # fmt: skip
        break
    for match in _OBJECTS.finditer(text):
        yield _text.found(
            "prompt.object", "an object that loading the prompt would construct", "high", member,
            shown=_text.around(text, *match.span()), line=_text.line_of(text, match.start()),
        )  # fmt: skip
        break
    turns = len(_TURN.findall(text))
    if turns > MANY_TURNS:
        yield _text.found(
            "prompt.many_turns", "a long made-up conversation", "medium", member,
            shown=f"{turns} turns",
        )  # fmt: skip
