"""What scanners of text share: members as text, findings of detectors, and digests of rules.

Every reading is bounded. A detector that gave up is a finding, because nobody can say what is in a
text that was not inspected.
"""

import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import ClassVar

from remit.content import inspect as content
from remit.content.base import Channel, Surroundings
from remit.content.base import Finding as Seen
from remit.core.digest import Digest, sha256
from remit.scan.base import Coverage, Finding, Member, Region, Severity, evidence

MAX_TEXT = 4 * 1024 * 1024
"""Bytes of a member that is read as text."""
_BEFORE, _AFTER = 40, 160

# Texts that speak of attacks say so nearby, and put the words in quotes.
_DISCUSSES = re.compile(
    r"(?i)\b(?:look(?:s|ing)? for|detect\w*|report\w*|flag\w*|classif\w+|examples?|e\.g|such as"
    r"|never (?:run|follow|execute)|do not (?:run|follow|execute)|says?|contain\w*|patterns?"
    r"|phrases?|attempts?|jailbreaks?|injections?|attacks?|suspicious|red flags?|malicious)\b"
)
_QUOTES = {"'": "'", '"': '"', "`": "`", "\u201c": "\u201d", "\u00ab": "\u00bb", "\u201e": "\u201c"}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class TextScanner:
    """Base of scanners of text.

    Attributes:
        name, version: see :class:`~remit.scan.base.Scanner`.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"

    @property
    def rules(self) -> Digest:
        """Digest of this scanner's code, of what scanners share, and of the detectors."""
        return sha256(f"{self.name}\n{self.version}\n{_own(type(self).__module__)}".encode())


@functools.cache
def _own(module: str) -> str:
    """Digests of everything that decides what a scanner of text finds."""
    total = hashlib.sha256()
    here = Path(__file__).parent
    named = sys.modules[module].__file__ or ""
    for path in sorted({Path(named), *here.glob("_*.py"), *here.glob("data/*")}):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    data = resources.files("remit.content") / "data"
    for each in sorted(data.iterdir(), key=lambda found: found.name):
        total.update(each.name.encode() + b"\0" + hashlib.sha256(each.read_bytes()).digest())
    total.update(" ".join(sorted(each.version for each in content.detectors())).encode())
    return total.hexdigest()


def read(member: Member, limit: int = MAX_TEXT) -> bytes | None:
    """All bytes of a member; ``None`` if there are more than ``limit``."""
    if member.size > limit:
        return None
    with member.open() as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def is_text(member: Member) -> bool:
    """Whether a member begins as text in UTF-8 does."""
    if _CONTROL.search(member.head):
        return False
    try:
        member.head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The beginning may end within a character.
        return error.start > len(member.head) - 4 and member.size > len(member.head)
    return True


def decoded(data: bytes) -> str | None:
    """UTF-8 text without its byte order mark, or ``None``."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def base(member: Member) -> str:
    """The last part of a member's path, in lower case."""
    return re.split(r"[/\\]", member.path)[-1].lower()


def complete(member: Member, form: str, *, executes: bool = False) -> Coverage:
    """Coverage of a member that was read and understood."""
    return Coverage(member=member.path, status="complete", executes=executes, format=form)


def unread(member: Member, form: str, reason: str, *, executes: bool = True) -> Coverage:
    """Coverage of a member that was not."""
    return Coverage(
        member=member.path, status="error", reason=reason, executes=executes, format=form
    )


def found(
    rule: str,
    title: str,
    severity: Severity,
    member: Member,
    *,
    shown: str = "",
    pointer: str = "",
    line: int = 0,
    confidence: int = 1000,
) -> Finding:
    """A finding in a member."""
    return Finding(
        rule=rule,
        title=title,
        severity=severity,
        confidence=confidence,
        member=member.path,
        region=Region(line=line, pointer=pointer),
        evidence=evidence(shown),
    )


def around(text: str, start: int, end: int) -> str:
    """What a finding shows of a text: the span and a little beside it."""
    return text[max(0, start - _BEFORE) : min(len(text), end + _AFTER)]


def line_of(text: str, at: int) -> int:
    """The line of a place, from 1."""
    return text.count("\n", 0, at) + 1


def mentioned(text: str, start: int, end: int) -> bool:
    """Whether a span is quoted by a text that speaks about such texts.

    It must lie within quotation marks in one line, and the sentences around must discuss it.
    Invisible characters never do.
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    line = text[first : last if last >= 0 else len(text)]
    if len(line) > 4_000 or "<!--" in line or not line.isprintable():
        return False
    at, to = start - first, min(end - first, len(line))
    # A detector's span may begin before the quotation: what counts is whether all of the commands
    # inside of it are quoted, so the quoted parts are taken out and what is left must be calm.
    quote = _quoted(line, at, to)
    if quote is None:
        return False
    # What is quoted does not discuss itself: a host may be called `attack.example`.
    return _DISCUSSES.search(f"{line[: quote[0]]} {line[quote[1] :]}") is not None


_NEGATED = re.compile(
    r"(?i)\b(?:never|do not|don't|must not|should not|avoid|not)\s+(?:(?:ever|run|running|execute|use|using|do"
    r"|simply|just|blindly|things|commands?|like|the|an?|any|to|or|and|follow)\s+){0,4}[\"'`(]?\Z"
)


def negated(text: str, start: int) -> bool:
    """Whether the words just before a place forbid what begins there.

    Only words that cannot turn the meaning round may stand between: "do not hesitate to" does.
    """
    return _NEGATED.search(text[max(0, start - 80) : start]) is not None


def _quoted(line: str, start: int, end: int) -> tuple[int, int] | None:
    """The quotation that a span lies in: where it begins, and where it has ended."""
    at = 0
    while at < len(line):
        close = _QUOTES.get(line[at])
        opens = close is not None and (at == 0 or not line[at - 1].isalnum())
        stop = line.find(close, at + 1) if opens and close is not None else -1
        if stop > at:
            if at <= start and end <= stop + 1:
                return at, stop + 1
            at = stop
        at += 1
    return None


def inspected(
    text: str,
    member: Member,
    *,
    family: str,
    pointer: str = "",
    kinds: frozenset[str] = frozenset({"injection", "exfiltration", "invisible", "uninspected"}),
    channel: Channel = "tool_result",
) -> Iterator[Finding]:
    """Findings of the content detectors in a text, as findings of a scanner.

    What only the n-gram model thinks asks a person; what a rule confirms, or a thing that is
    hidden, blocks.
    """
    for seen in content.inspect(text, Surroundings(channel=channel)):
        if seen.kind in kinds:
            yield converted(seen, text, member, family=family, pointer=pointer)


_TITLES = {
    "injection": "a text that gives orders to the model that reads it",
    "exfiltration": "a link that carries data away",
    "invisible": "text that a model reads and a person does not see",
    "uninspected": "a text that could not be inspected to its end",
    "secret": "a secret",
    "poisoning": "a definition that speaks to the model instead of describing",
}


def converted(seen: Seen, text: str, member: Member, *, family: str, pointer: str = "") -> Finding:
    """A finding of a detector as a finding of a scanner; secrets are masked."""
    severity: Severity = seen.severity
    if seen.kind == "injection" and (seen.rule == "ngrams" or seen.score_milli < 900):
        severity = "medium"
    if seen.kind in {"injection", "poisoning"} and mentioned(text, seen.start, seen.end):
        severity = "low"
    shown = masked(text, seen) if seen.kind == "secret" else around(text, seen.start, seen.end)
    return Finding(
        rule=f"{family}.{seen.kind}.{seen.label}".lower(),
        title=_TITLES.get(seen.kind, seen.kind),
        severity=severity,
        confidence=seen.score_milli,
        member=member.path,
        region=Region(line=line_of(text, seen.start), pointer=pointer),
        evidence=evidence(shown),
    )


def masked(text: str, seen: Seen) -> str:
    """What may be shown of a secret: its kind, its first letters, and how long it is."""
    value = text[seen.start : seen.end]
    return f"{seen.label}: {value[:4]}… ({len(value)} characters)"
