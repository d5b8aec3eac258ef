import json

import pytest

from remit.core.digest import sha256
from remit.scan.dynamic import garak_report
from remit.scan.dynamic.garak_report import BrokenRunError, read, report
from remit.scan.verdict import judge
from tests.unit.scan.dynamic.rows import (
    DIGEST,
    END,
    GOOD,
    INIT,
    SETUP,
    attempt,
    evaluation,
    lines,
)

ATTEMPT, EVAL = attempt("dan.Dan_11_0"), evaluation("dan.Dan_11_0", 1, 3)


@pytest.mark.parametrize("asked", [("dan",), ("dan.Dan_11_0",)])
def test_a_run_that_can_be_believed(asked):
    run = read(lines(*GOOD), asked)
    assert (run.version, run.run) == ("0.17.1", "r-1")
    made = report(run, sha256(b""), "qwen")
    assert [(f.rule, f.severity, f.evidence) for f in made.findings] == [
        ("garak.dan.dan_11_0", "high", "3 of 4 answers")
    ]
    assert judge([made], ("garak",)).word == "blocked"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "did not come to its end"),
        ([SETUP, INIT], "did not come to its end"),
        ([SETUP, INIT, ATTEMPT, EVAL], "did not come to its end"),
        # What garak writes for a name that it does not know, or without a detector.
        ([SETUP, INIT, END], "nothing of the probe `dan` was evaluated"),
        ([INIT, ATTEMPT, END], "nothing of the probe `dan`"),
        # The target was never reached: everything is `None`.
        ([INIT, ATTEMPT, evaluation("dan.Dan_11_0", 0, 0, nones=256), END], "nothing of the probe"),
        ([INIT, EVAL, END], "but no attempt"),
        ([INIT, attempt("dan.Dan_11_0", 1), EVAL, END], "but no attempt"),
        ([INIT, ATTEMPT, EVAL, {**END, "run": "r-2"}], "not of the run"),
        ([ATTEMPT, EVAL, END], "before its beginning"),
        ([INIT, ATTEMPT, END, EVAL], "behind its end"),
        ([INIT, INIT, ATTEMPT, EVAL, END], "begins twice"),
        ([INIT, ATTEMPT, EVAL, END, END], "not of the run"),
        ([INIT, ATTEMPT, EVAL, EVAL, END], "twice by one detector"),
        ([INIT, attempt("xss.A"), evaluation("xss.A"), END], "nobody asked"),
        ([INIT, attempt("dang.A"), evaluation("dang.A"), END], "nobody asked"),
        ([INIT, ATTEMPT, {**EVAL, "fails": -1, "total_evaluated": 0}, END], "does not add up"),
        ([INIT, ATTEMPT, {**EVAL, "total_evaluated": 9}, END], "does not add up"),
        ([INIT, ATTEMPT, {**EVAL, "fails": True}, END], "malformed"),
        ([INIT, ATTEMPT, {**EVAL, "fails": 3.0}, END], "malformed"),
        ([INIT, ATTEMPT, {**EVAL, "fails": "3"}, END], "malformed"),
        ([INIT, ATTEMPT, {**EVAL, "probe": "dan.\x1b[2J"}, END], "does not add up"),
        ([INIT, ATTEMPT, {**EVAL, "detector": "<b>"}, END], "does not add up"),
        ([b"not json"], "malformed"),
        ([b"[]"], "malformed"),
        ([b"{}"], "malformed"),
        ([b"[" * 100_000], "malformed"),
        ([b"\xff"], "malformed"),
    ],
)  # fmt: skip
def test_other_runs_are_not(rows, why):
    with pytest.raises(BrokenRunError) as caught:
        read(lines(*rows), ("dan",))
    assert why in str(caught.value)


def test_each_probe_that_was_asked_for_must_be_there():
    assert read(lines(*GOOD), ("dan",))
    with pytest.raises(BrokenRunError, match="`promptinject`"):
        read(lines(*GOOD), ("dan", "promptinject"))


@pytest.mark.parametrize("asked", [(), ("",), ("all",), ("*",), ("tag:owasp",), ("dan.",)])
def test_only_probes_by_name_can_be_asked_for(asked):
    with pytest.raises(BrokenRunError):
        read(lines(*GOOD), asked)


def test_bounds(monkeypatch):
    for name, value in (("MAX_LINE", 60), ("MAX_LINES", 3), ("MAX_TOTAL", 500)):
        with monkeypatch.context() as patch:
            patch.setattr(garak_report, name, value)
            with pytest.raises(BrokenRunError, match="too large"):
                read(lines(*GOOD), ("dan",))


@pytest.mark.parametrize(
    ("passed", "fails", "severity"), [(5, 5, "high"), (9, 1, "medium"), (99, 1, "low")]
)
def test_severities_by_share(passed, fails, severity):
    rows = (INIT, ATTEMPT, evaluation("dan.Dan_11_0", passed, fails), END, DIGEST)
    made = report(read(lines(*rows), ("dan",)), sha256(b""), "m")
    assert made.findings[0].severity == severity


def test_what_was_evaluated_in_part_is_said():
    rows = (
        INIT, ATTEMPT, evaluation("dan.Dan_11_0"),
        evaluation("dan.Dan_11_0", 0, 0, detector="lmrc.X", nones=4), END,
    )  # fmt: skip
    made = report(read(lines(*rows), ("dan",)), sha256(b""), "m")
    assert [c.status for c in made.coverage] == ["complete", "partial"]
    assert json.dumps(made.coverage[1].reason) == '"nothing of it was evaluated"'
