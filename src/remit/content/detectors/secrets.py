"""Secrets: keys, tokens, passwords, private keys, credentials in URLs and connection strings.

Rules are data: those of gitleaks (``data/gitleaks.json``, MIT, ``data/LICENSE.gitleaks``) and our
own (``data/secrets.toml``). What has the exact shape of a provider's key is a secret; a value
behind a name such as ``password`` is one if it looks random and is not a placeholder, a reference,
or a kind of value that is public. All readings of the text are searched.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources

import msgspec

from remit.content import _secret_checks as checks
from remit.content import _secret_names as names
from remit.content.base import Finding, PatternDetector, Severity, Surroundings, Views
from remit.content.patterns import Engine, Match, Pattern, PatternSet

VERSION = "secrets/1"


class Rule(msgspec.Struct, frozen=True):
    """A rule as it is written in the data.

    Attributes:
        id, regex, keywords, group, before, after, together, begins: see
            :class:`~remit.content.patterns.Pattern`.
        entropy: least entropy of the value, bits a character.
        allow: values that are none, as RE2 or Python patterns.
        check: a name of ``_secret_checks.CHECKS``.
        score: thousandths.
        severity: where it does not belong.
    """

    id: str
    regex: str
    keywords: tuple[str, ...]
    group: int | None = None
    before: int = 96
    after: int = 512
    together: bool = False
    begins: str = ""
    entropy: float = 0
    allow: tuple[str, ...] = ()
    check: str = ""
    score: int = 900
    severity: Severity = "high"


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules, ours first."""
    data = resources.files("remit.content") / "data"
    ours = tomllib.loads((data / "secrets.toml").read_text(encoding="utf-8"))
    shapes = (
        {**common, **shape, "regex": rf"\b({shape['regex']})(?:[^A-Za-z0-9]|$)"}
        for common in ours["shapes"]
        for shape in common.pop("of")
    )
    theirs = msgspec.json.decode((data / "gitleaks.json").read_bytes())
    return msgspec.convert((*ours["rules"], *shapes, *theirs, *names.RULES), tuple[Rule, ...])


@functools.cache
def pattern_set(engine: Engine = "auto") -> PatternSet:
    """The rules as patterns, in the same order."""
    return PatternSet(
        (
            Pattern(
                id=r.id, regex=r.regex, keywords=r.keywords, group=r.group,
                before=r.before, after=r.after, together=r.together, begins=r.begins,
            )
            for r in rules()
        ),
        engine=engine,
    )  # fmt: skip


class Secrets(PatternDetector):
    """The detector."""

    name = "secrets"
    version = VERSION
    kind = "secret"

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Secrets in every reading, each once."""
        del around
        places = pattern_set().places(text.views, _place)
        found: list[Finding] = []
        for index, start, end in places:
            rule = rules()[index]
            label, sure = rule.id.replace("-", "_"), (rule.severity, rule.score)
            found.append(self.finding(label, sure, (start, end), rule.id))
        return strongest(found)


def _place(match: Match, text: str) -> tuple[int, int] | None:
    """The span of the value, or ``None`` if it is no secret."""
    rule = rules()[match.pattern]
    start, end = match.value_start, match.value_end
    if rule.check == "named":
        return names.secret(text, match)
    value = text[start:end]
    if rule.entropy and checks.entropy(value) < rule.entropy:
        return None
    if rule.allow and any(_allow(a).search(value) for a in rule.allow):
        return None
    if not checks.CHECKS[rule.check](value):
        return None
    ends = ".,;:!?)]}*" if rule.check in _IN_PROSE else "."
    end -= len(value) - len(value.rstrip(ends))
    return start, end


_IN_PROSE = frozenset({"prose", "strong"})


@functools.cache
def _allow(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


def strongest(found: list[Finding]) -> Iterator[Finding]:
    """Findings that are not inside another one that is at least as sure, in order."""
    found.sort(key=lambda f: (f.start, -f.end, -f.score_milli))
    kept: list[Finding] = []
    for finding in found:
        if kept and finding.end <= kept[-1].end and finding.score_milli <= kept[-1].score_milli:
            continue
        while kept and finding.start == kept[-1].start and finding.end >= kept[-1].end:
            if finding.score_milli < kept[-1].score_milli:
                break
            kept.pop()
        kept.append(finding)
    return iter(kept)


DETECTOR = Secrets()
