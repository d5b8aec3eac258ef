"""Skills: what their text orders, and what the code beside it does.

Every file is looked at: ``SKILL.md`` and other texts as orders to the model, code as code, and what
is neither text nor a picture as something that nobody read. What code takes (the environment, key
files) and where it sends is joined over all files of the skill.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from remit.artifacts.errors import ArtifactError
from remit.artifacts.kinds.base import field, front_matter
from remit.scan.base import Artifact, Coverage, Finding, Member, Result, register
from remit.scan.scanners import _code, _media, _orders, _text
from remit.scan.scanners._pyrules import Facts
from remit.scan.scanners._text import TextScanner

_FAMILY = "skill"
_MAIN = "skill.md"
_KINDS = ("skill", "agent")
_XML = (".xml", ".pmml")
_ENTITIES = re.compile(r"(?i)<!\s*(?:DOCTYPE|ENTITY)")
_ANY_TOOL = re.compile(r"(?i)(?:\A|[\s,\[])(?:\*|Bash(?:\(\s*(?:\*|:\*)?\s*\))?)(?=\Z|[\s,\]])")


@register
class Skills(TextScanner):
    """Scanner ``skills``."""

    name = "skills"
    version = "1"

    def __init__(self) -> None:
        self._artifact: Artifact | None = None
        self._folders: tuple[str, ...] = ()

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Everything in a skill or an agent, and everything beside a ``SKILL.md`` elsewhere."""
        if artifact.kind in _KINDS:
            return True
        if self._artifact is not artifact:
            self._artifact = artifact
            mains = [each.path for each in artifact.members if _text.base(each) == _MAIN]
            self._folders = tuple(sorted({path[: -len(_MAIN)] for path in mains}))
        return any(member.path.startswith(folder) for folder in self._folders)

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every file, then what all of them do together."""
        del artifact
        together: list[tuple[Member, Facts]] = []
        for member in claimed:
            yield from self._member(member, together)
        yield from _code.joined(together)

    def _member(self, member: Member, together: list[tuple[Member, Facts]]) -> Iterator[Result]:
        kind = _media.kind(member)
        name = _text.base(member)
        if kind == "empty":
            form = _code.FORM if _code.is_code(member) else kind
            yield _text.complete(member, form, executes=form == _code.FORM)
            return
        if kind and kind != "text":
            yield from _binary(kind, member)
            return
        data = _text.read(member)
        text = None if data is None else _text.decoded(data)
        if text is None:
            reason = "it is too large" if data is None else "it is neither text nor a known format"
            yield _text.unread(member, "unknown", reason)
            return
        language = _code.language(name, text)
        if language == "other":
            yield from _prose(text, member, code=True)
            yield Coverage(
                member=member.path, status="unsupported", executes=True, format=_code.FORM,
                reason="code in a language that is not read",
            )  # fmt: skip
            return
        facts = _code.facts_of(language, text)
        if language and facts is None:
            yield _text.unread(member, _code.FORM, f"it cannot be read as {language}")
            return
        if name == _MAIN:
            yield from _front(text, member)
        yield from _prose(text, member, code=bool(language))
        if facts is not None:
            together.append((member, facts))
            yield from _code.issues(facts, member, 0)
        elif not language:
            for code, line in _code.fenced(text):
                together.append((member, code))
                yield from _code.issues(code, member, line)
        if name.endswith(_XML):
            if _ENTITIES.search(text) is not None:
                yield _text.found(
                    "skill.entities", "XML that is completed from elsewhere", "high", member
                )
            yield _text.complete(member, "xml", executes=True)
        else:
            yield _text.complete(member, _code.FORM if language else "text", executes=True)


def _binary(kind: str, member: Member) -> Iterator[Result]:
    if kind in _media.PASSIVE:
        yield Coverage(
            member=member.path, status="unsupported", reason="pictures and fonts are not read",
            format=kind,
        )  # fmt: skip
        return
    rule, title = (
        ("archive", "an archive in a skill")
        if kind in _media.ARCHIVES
        else ("binary", "a program or bytecode without its source in a skill")
    )
    yield _text.found(f"skill.{rule}", title, "high", member, shown=kind)
    yield Coverage(
        member=member.path, status="unsupported", executes=True, format=kind,
        reason=f"`{kind}` is not read",
    )  # fmt: skip


def _front(text: str, member: Member) -> Iterator[Finding]:
    try:
        values, _ = front_matter(text, member.path)
    except ArtifactError as error:
        yield _text.found(
            "skill.front_matter", "a front matter that has no one meaning", "medium", member,
            shown=error.message,
        )  # fmt: skip
        return
    yield from _tools(values, member)
    folder = re.split(r"[/\\]", member.path)[:-1]
    name = field(values, "name")
    if folder and name and folder[-1] != name:
        yield _text.found(
            "skill.name", "its name is not that of its folder", "low", member, shown=name
        )
    if not field(values, "description"):
        yield _text.found("skill.no_description", "it has no description", "low", member)
    if "hooks" in values:
        yield _text.found("skill.hooks", "it brings commands that run unasked", "high", member)


def _tools(values: Mapping[str, Any], member: Member) -> Iterator[Finding]:
    for key in ("allowed-tools", "allowed_tools", "tools"):
        value = values.get(key)
        said = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
        if _ANY_TOOL.search(said):
            yield _text.found(
                "skill.any_tool", "it may run any command without asking", "medium", member,
                shown=f"{key}: {said}",
            )  # fmt: skip


def _prose(text: str, member: Member, *, code: bool) -> Iterator[Finding]:
    """Orders in a text; of code only what is an order wherever it stands."""
    for finding in _orders.orders(text, member, "skill", family=_FAMILY):
        weak = finding.rule.endswith((".every_request", ".sleeper", ".persistence"))
        if not code or not weak:
            yield finding
    for finding in _text.inspected(text, member, family=_FAMILY, channel="user_prompt"):
        # Skills are orders, and the model of injections was made for texts that should be none.
        if finding.rule.endswith(".suspicious") or (code and finding.severity == "medium"):
            continue
        yield finding
