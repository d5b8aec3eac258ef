"""Code beside other things: of MCP servers, of models, of whatever is no skill.

What it does is found as in skills. Servers evaluate, start processes and read their environment
for good reasons, and most of their code is of libraries; so what merely can be misused asks a
person at most, and in folders of libraries it is recorded only. A model needs no code: what its
code does as soon as it is imported blocks.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from remit.scan.base import Artifact, Coverage, Finding, Member, Result, Severity, register
from remit.scan.scanners import _code, _text, skills
from remit.scan.scanners._pyrules import Facts
from remit.scan.scanners._text import TextScanner

_LIBRARIES = re.compile(
    r"(?i)(?:\A|/)(?:node_modules|site-packages|dist-packages|vendor|third_party|\.venv|venv)/"
)
_USUAL = frozenset(
    {"evaluates", "shell_built", "loads_objects", "built_query", "endless", "assembled_name",
     "unverified_tls", "piped_code", "unclear_shell", "credential_in_body"}
)  # fmt: skip
_WEAKER: dict[Severity, Severity] = {"critical": "high", "high": "medium", "medium": "low"}


@register
class Code(TextScanner):
    """Scanner ``code``."""

    name = "code"
    version = "1"

    def __init__(self) -> None:
        self._skills = skills.Skills()

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Code by name or first line, but that of data sets, skills and archives of weights."""
        if artifact.kind == "dataset" or self._skills.claims(artifact, member):
            return False
        return _code.is_code(member) and re.search(r"!/[^/]+/code/.+\.py\Z", member.path) is None

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every file, then what those do together that are of the artifact itself."""
        together: list[tuple[Member, Facts]] = []
        for member in claimed:
            data = _text.read(member)
            text = None if data is None else _text.decoded(data)
            if text is None:
                reason = "it is too large" if data is None else "it is not UTF-8"
                yield _text.unread(member, _code.FORM, reason)
                continue
            language = _code.language(_text.base(member), text)
            facts = _code.facts_of(language, text)
            if facts is None and text:
                yield Coverage(
                    member=member.path, status="unsupported", executes=True, format=_code.FORM,
                    reason="code in a language that is not read"
                    if language == "other"
                    else f"it cannot be read as {language}",
                )  # fmt: skip
                continue
            if facts is not None:
                library = _LIBRARIES.search(member.path) is not None
                if not library:
                    together.append((member, facts))
                yield from _issues(facts, member, library=library, model=artifact.kind == "model")
            yield _text.complete(member, _code.FORM, executes=True)
        for finding in _code.joined(together):
            # What one file takes and another one sends is what servers are for.
            yield finding if finding.severity == "critical" else _weaker(finding)


def _issues(facts: Facts, member: Member, *, library: bool, model: bool) -> Iterator[Finding]:
    for finding in _code.issues(facts, member, 0):
        usual = finding.rule.removeprefix("code.") in _USUAL
        once = _weaker(finding) if usual else finding
        yield _weaker(once) if library and usual else once
    if model:
        for line, what in facts.at_import:
            yield _text.found(
                "code.import_effect", "code that acts as soon as a model's code is imported", "high",
                member, shown=what, line=line,
            )  # fmt: skip


def _weaker(finding: Finding) -> Finding:
    return msgspec.structs.replace(
        finding, severity=_WEAKER.get(finding.severity, finding.severity)
    )
