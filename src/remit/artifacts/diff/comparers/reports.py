"""Reports of scanners that lie among the files."""

from collections.abc import Iterator

from remit.artifacts.diff.base import Change, NotLookedIntoError, Pair, Work
from remit.artifacts.diff.comparers.structured import value_changes
from remit.artifacts.diff.comparers.text import COMPARER as TEXT
from remit.artifacts.diff.findings import finding_changes, findings_of
from remit.artifacts.diff.structure import MAX_JSON_BYTES, load_json
from remit.artifacts.diff.text import looks_like_text, read_bytes

_NAMES = ("findings.json", "scan.json", "scan-results.json", "report.json", "results.json")


class ReportComparer:
    """Findings by rule and place."""

    name = "reports"
    order = 420

    def takes(self, pair: Pair) -> bool:
        """By name."""
        named = pair.suffix == ".sarif" or pair.name in _NAMES
        return named and all(map(looks_like_text, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Findings, if both sides report any, else the values."""
        try:
            before = load_json(read_bytes(pair.a, MAX_JSON_BYTES))
            after = load_json(read_bytes(pair.b, MAX_JSON_BYTES))
        except NotLookedIntoError:
            yield from TEXT.compare(pair, work)
            return
        if findings_of(before) is None or findings_of(after) is None:
            yield from value_changes(self.name, pair.path, before, after)
        else:
            yield from finding_changes(pair.path, before, after)


COMPARER = ReportComparer()
