"""Personal and health data: identifiers that have a shape, a checksum, or a name beside them.

A rule is a pattern, and what must hold besides it: a checksum, words around it, words that must
not be there. Names and places are not found here: they have no shape. Labels are those that are
usual in the field (Presidio's where it has one); ``phi`` are the ones of health care.
"""

import functools
from collections.abc import Iterable, Iterator

from remit.content import _pii_rules, _pii_tables
from remit.content.base import Finding, PatternDetector, Sure, Surroundings, Views
from remit.content.patterns import Engine, Match, PatternSet

VERSION = "pii/1"
PHI = frozenset(("MRN", "NPI", "DEA", "MBI", "MEMBER_ID", "ICD10"))


@functools.cache
def pattern_set(engine: Engine = "auto") -> PatternSet:
    """The rules as patterns, in the same order."""
    patterns = (*(r.pattern for r in _pii_rules.RULES), _pii_tables.HEAD)
    return PatternSet(patterns, engine=engine)


class Pii(PatternDetector):
    """The detector."""

    name = "pii"
    version = VERSION
    kind = "pii"

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Identifiers in every reading, each once."""
        del around
        found: list[Finding] = []
        known: _pii_rules.Known = {}

        heads: list[int] = []

        def place(match: Match, read: str) -> tuple[int, int] | None:
            if match.pattern == len(_pii_rules.RULES):
                if read is text.original:
                    heads.append(match.end)
                return None
            return _pii_rules.RULES[match.pattern].place(read, match, known)

        for index, start, end in pattern_set().places(text.views, place):
            rule = _pii_rules.RULES[index]
            sure = rule.severity, rule.score
            found.append(self._identifier(rule.label, sure, (start, end), rule.pattern.id))
        found += [
            self._identifier(cell.label, ("medium", 850), (cell.start, cell.end), "table")
            for cell in _pii_tables.cells(text.views[0], heads)
        ]
        return _apart(found)

    def _identifier(self, label: str, sure: Sure, span: tuple[int, int], rule: str) -> Finding:
        return self.finding(label, sure, span, rule, kind="phi" if label in PHI else "")


def _apart(found: list[Finding]) -> Iterator[Finding]:
    """Findings that do not overlap: the surer one stays, then the longer one."""
    found.sort(key=lambda f: (f.start, -f.score_milli, -f.end))
    kept: list[Finding] = []
    for finding in found:
        if kept and finding.start < kept[-1].end:
            last = kept[-1]
            if (finding.score_milli, finding.end - finding.start) <= (
                last.score_milli, last.end - last.start,
            ):  # fmt: skip
                continue
            kept.pop()
        kept.append(finding)
    return iter(kept)


DETECTOR = Pii()
