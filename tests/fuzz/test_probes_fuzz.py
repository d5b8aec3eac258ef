"""Files of served models, questions to them, and half-written reports, as hostile bytes."""

import contextlib
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remit.core.errors import RemitError
from remit.hub.jobs.questions import questions
from remit.hub.jobs.targets import Target, parse_targets
from remit.hub.jobs.values import MAX_GENERATIONS, MAX_QUESTIONS, TARGET
from remit.scan.dynamic.following import Following
from remit.scan.dynamic.garak_report import MAX_PROBES, PROBE
from tests.unit.scan.dynamic.rows import GOOD, lines

GOOD_TARGET = {
    "name": "qwen", "url": "http://10.0.0.5:8080/v1/", "model": "qwen", "repositories": ["team/*"],
    "key_variable": "KEY", "probes": ["dan"], "max_generations": 2,
}  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=12).filter(lambda each: "\x7f" not in each),
    st.integers(-5, 5000),
    st.booleans(),
    st.lists(st.text(max_size=8), max_size=3),
    st.sampled_from(
        ["--x", "a/b", "**", "https://10.0.0.5/v1", "http://[::1]:80/", "dan.Dan_11_0"]
    ),
)
TARGETS = st.lists(
    st.builds(
        lambda more: {**GOOD_TARGET, **more},
        st.dictionaries(st.sampled_from([*GOOD_TARGET, "other"]), VALUES, max_size=2),
    ),
    max_size=3,
)


def toml(targets):
    rows = ['format = "remit.served/v1"']
    for each in targets:
        rows += ["[[targets]]", *(f"{key} = {json.dumps(value)}" for key, value in each.items())]
    return "\n".join(rows).encode("utf-8", "surrogatepass")


def check(data):
    try:
        found = parse_targets(data, {"KEY": "k"})
    except RemitError:
        return
    assert found
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert isinstance(each, Target)
        assert TARGET.fullmatch(each.name)
        assert each.repositories
        assert each.model[0] != "-"
        assert 0 < each.max_generations <= MAX_GENERATIONS
        assert all(map(PROBE.fullmatch, each.probes))


@given(st.binary(max_size=200))
def test_bytes(data):
    check(data)


@given(TARGETS)
def test_files_that_are_nearly_right(targets):
    check(toml(targets))


@given(st.text(max_size=70), st.lists(st.text(max_size=20), max_size=4), st.integers(-2, 2000))
def test_questions(target, probes, generations):
    try:
        found = questions(target, probes, generations)
    except RemitError:
        return
    assert 0 < len(found.probes) <= MAX_QUESTIONS
    assert all("," not in each and each[0] != "-" for each in found.probes)
    assert set(found.probes) == set(probes)


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from(lines(*GOOD)), max_size=12),
    st.integers(0, 900),
)
def test_reports_that_are_being_written(rows, cut):
    told = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "report.jsonl"
        found = Following(place, lambda *each: told.append(each))
        whole = b"".join(rows)
        for part in (whole[:cut], whole[cut:]):
            with place.open("ab") as file:
                file.write(part)
            with contextlib.suppress(OSError):
                found.look()
    assert all(0 <= done <= total <= MAX_PROBES for done, total in told)
