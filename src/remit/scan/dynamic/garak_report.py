"""garak's ``report.jsonl``, read strictly: a run that says nothing has found nothing, and failed.

garak ends with status 0 whatever happened: no such probe, no target, nothing evaluated. So a run is
believed only under these rules:

1. Every line is an object with an ``entry_type``; sizes and numbers of lines are bounded.
2. There is one ``init`` with the version and the run, and one ``completion`` of the same run; no
   ``attempt`` or ``eval`` is behind it.
3. Each probe that was asked for, by itself or by its module, has an ``eval`` with
   ``total_evaluated`` greater than 0, and an attempt that was evaluated.
4. No other probe has one, and the numbers of an ``eval`` add up.

What is not checked: whether a detector judged rightly, and what the model was asked before.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from remit.core.digest import Digest
from remit.scan.base import Coverage, Finding, Report, Severity, evidence

NAME = "garak"
_T = TypeVar("_T", bound=msgspec.Struct)
MAX_LINE = 8 * 1024 * 1024
MAX_LINES = 1_000_000
MAX_TOTAL = 1 << 30
PROBE = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[A-Za-z][A-Za-z0-9_]{0,99})?", re.ASCII)
_FULL = re.compile(r"[a-z][a-z0-9_]{0,63}\.[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_DETECTOR = re.compile(r"[A-Za-z0-9_.]{1,200}", re.ASCII)
_EVALUATED = 2
_LEVELS: tuple[tuple[int, Severity], ...] = ((500, "high"), (100, "medium"), (0, "low"))
"""From which share of fails, in thousandths, a severity is given."""


class _Entry(msgspec.Struct):
    entry_type: str


class _Init(msgspec.Struct):
    garak_version: str
    run: str


class _Completion(msgspec.Struct):
    run: str


class _Attempt(msgspec.Struct):
    status: int
    probe_classname: str


class Evaluation(msgspec.Struct, frozen=True):
    """What one detector says of one probe.

    Attributes:
        probe: ``module.Class``.
        detector: ``module.Class``.
        passed, fails: answers that were as they should be, and those that were not.
        total_evaluated: of them.
        nones: answers that were not evaluated.
    """

    probe: str
    detector: str
    passed: int
    fails: int
    total_evaluated: int
    nones: int = 0


class BrokenRunError(ValueError):
    """The run cannot be believed; the text says why."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be believed.

    Attributes:
        version: of garak.
        run: its identifier.
        evaluations: of each probe by each detector.
    """

    version: str
    run: str
    evaluations: tuple[Evaluation, ...]


def read(lines: Iterable[bytes], asked: Sequence[str]) -> Run:
    """Read a report.

    Args:
        lines: of the file.
        asked: probes, as ``module`` or ``module.Class``.

    Raises:
        BrokenRunError: a rule of this module is broken.
    """
    if not asked or not all(PROBE.fullmatch(each) for each in asked):
        raise BrokenRunError("it is not said by name which probes were asked for")
    reader = _Reader(asked)
    for kind, line in _entries(lines):
        reader.take(kind, line)
    return reader.finish()


class _Reader:
    """What is known of a run so far."""

    def __init__(self, asked: Sequence[str]) -> None:
        self._asked = asked
        self._init: _Init | None = None
        self._done = False
        self._evaluated: set[str] = set()
        self._found: dict[tuple[str, str], Evaluation] = {}

    def take(self, kind: str, line: bytes) -> None:
        """The next line."""
        if kind == "init":
            if self._init is not None:
                raise BrokenRunError("it begins twice")
            self._init = _as(_Init, line)
        elif kind == "completion":
            run = _as(_Completion, line).run
            if self._done or self._init is None or run != self._init.run:
                raise BrokenRunError("its end is not of the run that began")
            self._done = True
        elif kind in {"attempt", "eval"}:
            if self._done or self._init is None:
                raise BrokenRunError("it goes on before its beginning or behind its end")
            self._result(kind, line)

    def _result(self, kind: str, line: bytes) -> None:
        if kind == "attempt":
            attempt = _as(_Attempt, line)
            if attempt.status == _EVALUATED:
                self._evaluated.add(attempt.probe_classname)
            return
        each = _evaluation(line, self._asked)
        if (each.probe, each.detector) in self._found:
            raise BrokenRunError(f"`{each.probe}` is evaluated twice by one detector")
        self._found[each.probe, each.detector] = each

    def finish(self) -> Run:
        """The run, if it came to its end and has all that was asked for."""
        if self._init is None or not self._done:
            raise BrokenRunError("it did not come to its end")
        for each in self._found.values():
            if each.total_evaluated and each.probe not in self._evaluated:
                raise BrokenRunError(f"`{each.probe}` is evaluated, but no attempt of it")
        _all_asked(self._asked, self._found.values())
        return Run(
            version=evidence(self._init.garak_version)[:40],
            run=evidence(self._init.run)[:80],
            evaluations=tuple(self._found.values()),
        )


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    total = 0
    for number, line in enumerate(lines):
        total += len(line)
        if number >= MAX_LINES or len(line) > MAX_LINE or total > MAX_TOTAL:
            raise BrokenRunError("its report is too large")
        if line.strip():
            yield _as(_Entry, line).entry_type, line


def _as(kind: type[_T], line: bytes) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenRunError("its report is malformed") from None


def _evaluation(line: bytes, asked: Sequence[str]) -> Evaluation:
    each = _as(Evaluation, line)
    named = _FULL.fullmatch(each.probe) and _DETECTOR.fullmatch(each.detector)
    counts = (each.passed, each.fails, each.total_evaluated, each.nones)
    if not named or min(counts) < 0 or each.passed + each.fails != each.total_evaluated:
        raise BrokenRunError("an evaluation does not add up")
    if not any(_is_of(each.probe, one) for one in asked):
        raise BrokenRunError(f"`{each.probe}` is evaluated, and nobody asked for it")
    return each


def _all_asked(asked: Sequence[str], found: Iterable[Evaluation]) -> None:
    some = {each.probe for each in found if each.total_evaluated}
    none = next((one for one in asked if not any(_is_of(probe, one) for probe in some)), None)
    if none is not None:
        raise BrokenRunError(f"nothing of the probe `{none}` was evaluated")


def _is_of(probe: str, asked: str) -> bool:
    return probe == asked or probe.startswith(asked + ".")


def report(run: Run, rules: Digest, target: str, seconds_milli: int = 0) -> Report:
    """A run as the report of a scanner: a finding for each probe and detector with fails.

    Args:
        run: what was read.
        rules: digest of what was asked, and how.
        target: name of the model, for people.
        seconds_milli: how long it took.
    """
    findings = tuple(
        Finding(
            rule=f"garak.{each.probe.lower()}",
            title=f"`{each.detector}` objects to answers of the model",
            severity=_severity(each),
            member=evidence(target),
            evidence=f"{each.fails} of {each.total_evaluated} answers",
            scanner=NAME,
        )
        for each in run.evaluations
        if each.fails
    )
    coverage = tuple(
        Coverage(
            member=f"{each.probe}/{each.detector}",
            status="complete" if each.total_evaluated and not each.nones else "partial",
            reason="" if each.total_evaluated else "nothing of it was evaluated",
            format="served",
        )
        for each in run.evaluations
    )
    return Report(
        scanner=NAME, version=run.version, rules=rules, findings=findings, coverage=coverage,
        seconds_milli=seconds_milli,
    )  # fmt: skip


def _severity(each: Evaluation) -> Severity:
    share = each.fails * 1000 // each.total_evaluated
    return next(level for least, level in _LEVELS if share >= least)
