"""Findings of scanners, from whatever form they are reported in.

SARIF 2.1.0, lists of findings, CycloneDX vulnerabilities, and the counts of KitOps' scan predicate.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from remit.artifacts.diff.base import Change, Severity, capped
from remit.artifacts.diff.text import TIMES, shown

NAME = "findings"
MAX_FINDINGS = 100_000
_SEVERITIES: Mapping[str, Severity] = {
    "critical": "critical", "high": "high", "error": "high", "medium": "medium",
    "moderate": "medium", "warning": "medium", "low": "low", "note": "low", "info": "info",
    "informational": "info", "none": "info", "negligible": "low",
}  # fmt: skip
_RULES = ("rule_id", "ruleId", "rule", "id", "check_id", "check", "code", "name", "kind")
_PLACES = ("path", "file", "location", "uri", "target", "member", "package")

Finding = tuple[str, str]
"""Rule and place: what makes two findings the same."""


def findings_of(value: Any) -> "dict[Finding, tuple[int, Severity]] | None":
    """How often each finding is reported, and how bad it is; ``None`` if none are reported here.

    An empty list of findings is a report.
    """
    if not isinstance(value, Mapping):
        return None
    rows: list[tuple[str, str, str]] | None = None
    if isinstance(value.get("runs"), list):
        rows = list(_sarif(value["runs"]))
    elif isinstance(value.get("findings"), list):
        rows = list(_plain(value["findings"]))
    elif isinstance(value.get("vulnerabilities"), list):
        rows = list(_plain(value["vulnerabilities"]))
    elif isinstance(value.get("evaluations"), list):
        rows = list(_evaluations(value["evaluations"]))
    if rows is None:
        return None
    counts: Counter[Finding] = Counter()
    severities: dict[Finding, Severity] = {}
    for rule, place, severity in rows[:MAX_FINDINGS]:
        counts[rule, place] += 1
        severities[rule, place] = _SEVERITIES.get(severity.lower(), "medium")
    return {each: (count, severities[each]) for each, count in counts.items()}


def finding_changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    """What is reported now and was not, and the other way round."""
    old, new = findings_of(before) or {}, findings_of(after) or {}
    yield from capped(
        _changes(path, old, new),
        lambda left: Change(comparer=NAME, kind="finding.more", path=path, severity="medium",
                            summary=f"{left} more findings differ"),
    )  # fmt: skip


def _changes(
    path: str,
    old: "dict[Finding, tuple[int, Severity]]",
    new: "dict[Finding, tuple[int, Severity]]",
) -> Iterator[Change]:
    for each in sorted(old.keys() | new.keys()):
        rule, place = each
        was, now = old.get(each), new.get(each)
        if was == now:
            continue
        known = now or was
        assert known is not None
        kind = "added" if was is None else "removed" if now is None else "changed"
        at = f" in `{shown(place)}`" if place else ""
        summary = f"finding {kind}{at}, {known[1]}"
        if was is not None and now is not None:
            summary = f"{was[0]} {TIMES} {was[1]} → {now[0]} {TIMES} {now[1]}{at}"
        yield Change(
            comparer=NAME,
            kind=f"finding.{kind}",
            path=path,
            subject=shown(rule),
            severity=known[1] if now is not None else "info",
            summary=summary,
            before=was[0] if was else None,
            after=now[0] if now else None,
            details={"place": shown(place)} if place else {},
        )


def _sarif(runs: list[Any]) -> Iterator[tuple[str, str, str]]:
    for run in runs:
        results = run.get("results") if isinstance(run, Mapping) else None
        for result in results if isinstance(results, list) else []:
            if isinstance(result, Mapping):
                rule = result.get("ruleId") or _at(result, "rule", "id") or "(no rule)"
                locations = result.get("locations")
                first = locations[0] if isinstance(locations, list) and locations else {}
                place = _at(first, "physicalLocation", "artifactLocation", "uri")
                yield str(rule), str(place or ""), str(result.get("level", "warning"))


def _plain(found: list[Any]) -> Iterator[tuple[str, str, str]]:
    for each in found:
        if isinstance(each, Mapping):
            rule = next((str(each[k]) for k in _RULES if isinstance(each.get(k), str)), "(no rule)")
            place = next((str(each[k]) for k in _PLACES if isinstance(each.get(k), str)), "")
            severity = each.get("severity") or _rated(each.get("ratings")) or "medium"
            yield rule, place, str(severity)


def _rated(ratings: Any) -> Any:
    return _at(ratings[0], "severity") if isinstance(ratings, list) and ratings else None


def _evaluations(found: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Counts by severity: as many findings without a rule."""
    for each in found:
        counts = _at(each, "metadata", "total_issues_by_severity")
        tool = _at(each, "tool", "name") or "scanner"
        for severity, count in counts.items() if isinstance(counts, Mapping) else ():
            if type(count) is int and 0 < count <= MAX_FINDINGS:
                for _ in range(count):
                    yield f"{tool}: {severity}", "", str(severity)


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
