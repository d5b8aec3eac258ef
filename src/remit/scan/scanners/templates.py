"""Chat templates wherever they are: in files of their own, and in tokenizer configurations."""

from collections.abc import Iterator, Sequence
from typing import Any

from remit.scan.base import (
    Artifact,
    Coverage,
    Finding,
    Member,
    Region,
    Result,
    evidence,
    register,
)
from remit.scan.document import MAX_JSON, BrokenDocumentError, Tag, read_json, read_yaml, walk
from remit.scan.scanners._format import FormatScanner

FORMAT = "template"
_SUFFIXES = (".jinja", ".jinja2", ".j2", ".template")
_DOCUMENTS = (".json", ".yaml", ".yml")
_KEYS = ("chat_template", "template", "prompt_template")


@register
class Templates(FormatScanner):
    """Reads templates as syntax trees."""

    name = "templates"
    version = "1"
    sources = ("jinja.py", "data/template_words.json", "document.py")

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Templates by their name, and documents that hold one."""
        del artifact
        path = member.path.lower()
        if path.endswith(_SUFFIXES):
            return True
        return path.endswith(_DOCUMENTS) and _mentions(member)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Findings and coverage."""
        del artifact
        for member in claimed:
            reason = ""
            try:
                for pointer, text in _templates(member):
                    yield from findings(member.path, text, pointer)
            except (BrokenDocumentError, ValueError) as error:
                reason = str(error)
            yield Coverage(
                member=member.path,
                status="error" if reason else "complete",
                reason=reason,
                executes=True,
                format=FORMAT,
            )


def findings(member: str, text: str, pointer: str = "") -> Iterator[Finding]:
    """What there is to say about one template.

    Raises:
        BrokenTemplateError: it cannot be parsed.
    """
    from remit.scan.jinja import check

    for said in check(text):
        yield Finding(
            rule=f"template.{said.rule}",
            title=said.title,
            severity=said.severity,
            member=member,
            region=Region(line=0 if pointer else said.line, pointer=pointer),
            evidence=evidence(said.evidence),
        )


def _mentions(member: Member) -> bool:
    """Whether some key of a document may hold a template."""
    if member.size > MAX_JSON:
        return b"template" in member.head
    with member.open() as file:
        data = file.read()
    # The escape is one of many; whoever writes a key so hides it, and gets read.
    return b"template" in data or b"\\u00" in data and b"{%" in data or b"{{" in data  # noqa: RUF021


def _templates(member: Member) -> Iterator[tuple[str, str]]:
    with member.open() as file:
        data = file.read(MAX_JSON + 1)
    path = member.path.lower()
    if path.endswith(_SUFFIXES):
        yield "", data.decode()
        return
    documents = [read_json(data)] if path.endswith(".json") else read_yaml(data)
    for document in documents:
        for pointer, key, value in walk(document):
            if isinstance(value, str) and _is_template(key, pointer, value):
                yield pointer, value


def _is_template(key: str, pointer: str, value: Any) -> bool:
    if isinstance(value, Tag):
        return False
    named = any(each in key or f"/{each}/" in pointer for each in _KEYS)
    return ("{{" in value or "{%" in value) and (named or "__" in value or "{%" in value)
