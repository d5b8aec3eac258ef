"""Secrets in every text of an artifact.

Comments and files of the artifact that ask scanners to look away are not obeyed, and a file is not
left out because of its name: lock files and fixtures hold secrets, too.
"""

import re
from collections.abc import Iterator, Sequence

from remit.content import inspect as content
from remit.content.base import Surroundings
from remit.content.detectors import secrets as detector
from remit.scan.base import Artifact, Coverage, Finding, Member, Result, register
from remit.scan.scanners import _text
from remit.scan.scanners._text import TextScanner

PIECE = 256 * 1024
OVERLAP = 8 * 1024
MAX_BYTES = 64 * 1024 * 1024
_ASKS = re.compile(
    r"(?i)(?:pragma:?\s*(?:allowlist|whitelist)(?: nextline)?[ -]secret|gitleaks:allow|trufflehog:ignore|nosec\b|noqa:\s*S10[567]|ggignore|secretlint-disable)"
)


@register
class Secrets(TextScanner):
    """Scanner ``secrets``."""

    name = "secrets"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Everything that begins as text does."""
        del artifact
        return member.size > 0 and _text.is_text(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every text in pieces that overlap."""
        del artifact
        for member in claimed:
            yield from _member(member)


def _member(member: Member) -> Iterator[Result]:
    known: set[str] = set()
    asked = False
    read, before, line = 0, "", 1
    with member.open() as file:
        while read < MAX_BYTES and (data := file.read(PIECE)):
            read += len(data)
            text = before + data.decode("utf-8", "replace")
            yield from _piece(text, line, member, known)
            if not asked and known and (match := _ASKS.search(text)) is not None:
                asked = True
                yield _text.found(
                    "secrets.suppressed", "the artifact asks scanners to look away", "low", member,
                    shown=match[0], line=line + text.count("\n", 0, match.start()),
                )  # fmt: skip
            kept = text[-OVERLAP:]
            line += text.count("\n", 0, len(text) - len(kept))
            before = kept
    # It is not vouched for by this scanner: it looked for one thing only.
    more = f"only the first {MAX_BYTES} bytes were read; " if member.size > MAX_BYTES else ""
    yield Coverage(
        member=member.path, status="partial", format="text",
        reason=f"{more}looked at for secrets only",
    )  # fmt: skip


def _piece(text: str, line: int, member: Member, known: set[str]) -> Iterator[Finding]:
    for seen in content.inspect(
        text, Surroundings(channel="tool_result"), using=(detector.DETECTOR,)
    ):
        value = text[seen.start : seen.end]
        if seen.kind != "uninspected" and value in known:
            continue
        known.add(value)
        found = _text.converted(seen, text, member, family="secrets")
        at = _text.line_of(text, seen.start) + line - 1
        yield _text.found(
            found.rule.replace("secrets.secret.", "secrets."), found.title, found.severity, member,
            shown=found.evidence if seen.kind == "secret" else "", line=at,
            confidence=found.confidence,
        )  # fmt: skip
