"""A run of garak as the report of a scanner.

A probe and a detector that objects to answers are a finding, by the share of them. So is what a
detector did not judge: somebody has to look, because garak leaves out what it cannot load. A probe
of which nothing is known is not covered, and that blocks, as what can execute and was not read.
"""

from remit.core.digest import Digest
from remit.scan.base import Coverage, Finding, Report, Severity, evidence
from remit.scan.dynamic.garak_report import NAME, Evaluation, Gap, Run

_LEVELS: tuple[tuple[int, Severity], ...] = ((500, "high"), (100, "medium"), (0, "low"))
"""From which share of fails, in thousandths, a severity is given."""
UNJUDGED = "garak.unjudged"
_FORMAT = "served"


def report(run: Run, rules: Digest, target: str, seconds_milli: int = 0) -> Report:
    """A run as the report of a scanner.

    Args:
        run: what was read.
        rules: digest of what was asked, and how.
        target: name of the model, for people.
        seconds_milli: how long it took.
    """
    partly = {(each.probe, each.detector): each for each in run.gaps if each.detector}
    judged = {(each.probe, each.detector) for each in run.evaluations if each.total_evaluated}
    unknown = [each for each in run.gaps if not each.detector]
    objections = [_objection(each, target) for each in run.evaluations if each.fails]
    return Report(
        scanner=NAME,
        version=run.version,
        rules=rules,
        findings=(*objections, *(_unjudged(each, target) for each in partly.values())),
        coverage=(
            *(_covered(each, partly) for each in run.evaluations if each.total_evaluated),
            *(_uncovered(each) for key, each in partly.items() if key not in judged),
            *(
                Coverage(
                    member=each.probe, status="error", reason=each.why, executes=True,
                    format=_FORMAT,
                )
                for each in unknown
            ),
        ),
        seconds_milli=seconds_milli,
    )  # fmt: skip


def _objection(each: Evaluation, target: str) -> Finding:
    share = each.fails * 1000 // each.total_evaluated
    return Finding(
        rule=f"garak.{each.probe.lower()}",
        title=f"`{each.detector}` objects to answers of the model",
        severity=next(level for least, level in _LEVELS if share >= least),
        member=evidence(target),
        evidence=f"{each.fails} of {each.total_evaluated} answers",
        scanner=NAME,
    )


def _unjudged(each: Gap, target: str) -> Finding:
    return Finding(
        rule=f"{UNJUDGED}.{each.probe.lower()}",
        title=f"`{each.detector}` did not judge all answers to `{each.probe}`",
        severity="medium",
        member=evidence(target),
        evidence=each.why,
        scanner=NAME,
    )


def _covered(each: Evaluation, partly: dict[tuple[str, str], Gap]) -> Coverage:
    gap = partly.get((each.probe, each.detector))
    return Coverage(
        member=f"{each.probe}/{each.detector}",
        status="complete" if gap is None else "partial",
        reason="" if gap is None else gap.why,
        format=_FORMAT,
    )


def _uncovered(each: Gap) -> Coverage:
    return Coverage(
        member=f"{each.probe}/{each.detector}", status="partial", reason=each.why, format=_FORMAT
    )
