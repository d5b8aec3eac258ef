"""GGUF: a header whose every length is checked, and the chat templates in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.formats.gguf import read
from remit.scan.base import Artifact, Coverage, Finding, Member, Region, Result, register
from remit.scan.scanners._format import FormatScanner
from remit.scan.scanners.templates import findings
from remit.scan.words import suspicious

_MAGIC = b"GGUF"
_KEY = re.compile(r"[a-z0-9_.]{1,65535}")
_TEMPLATE = re.compile(r"tokenizer\.chat_template(\..*)?")


@register
class Gguf(FormatScanner):
    """Reads headers; the numbers are not looked at."""

    name = "gguf"
    version = "1"
    sources = ("jinja.py", "data/template_words.json", "words.py")

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """By magic, and by name: one without the magic is malformed."""
        del artifact
        return member.head.startswith(_MAGIC) or member.path.lower().endswith(".gguf")

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        del artifact
        for member in claimed:
            reason = ""
            try:
                with member.open() as file:
                    model = read(file, member.size)
                yield from _keys(member, model.metadata)
            except NotLookedIntoError as error:
                reason = error.message
                yield Finding(
                    rule="gguf.malformed",
                    title="it breaks a rule of the format",
                    severity="high",
                    member=member.path,
                    evidence=reason,
                )
            except ValueError as error:
                reason = str(error)
            yield Coverage(
                member=member.path,
                status="error" if reason else "complete",
                reason=reason,
                executes=True,
                format="gguf",
            )


def _keys(member: Member, metadata: Mapping[str, Any]) -> Iterator[Finding]:
    for key, value in metadata.items():
        if key in {"gguf.version", "(padding)"}:
            continue
        if not _KEY.fullmatch(key):
            yield Finding(
                rule="gguf.key",
                title="a key has characters that the format does not allow",
                severity="medium",
                member=member.path,
                evidence=key[:200],
            )
        if _TEMPLATE.fullmatch(key) and isinstance(value, str):
            yield from findings(member.path, value, f"/{key}")
        elif isinstance(value, str):
            for rule, severity, title, text in suspicious(value):
                yield Finding(
                    rule=f"gguf.{rule}",
                    title=title,
                    severity=severity,
                    member=member.path,
                    region=Region(pointer=f"/{key}"),
                    evidence=text,
                )
