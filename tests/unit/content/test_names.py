"""The optional detector, where its extra is not installed (as in this environment)."""

import pytest

from remit.content.base import ContentError, Surroundings
from remit.content.detectors import names
from remit.content.inspect import inspect, wanted
from remit.policy.errors import BundleError
from remit.policy.policy import Policy
from tests.unit.policy.support import PERMIT, load

TEXT = "Dear Ms. Larsen, it rains in Copenhagen."


@pytest.fixture(autouse=True)
def not_installed(monkeypatch):
    """As if the extra were not there."""
    monkeypatch.setitem(__import__("sys").modules, "presidio_analyzer", None)
    names.engine.cache_clear()


def test_it_is_not_used_unless_somebody_asks():
    assert "names" not in {d.name for d in wanted(Surroundings())}
    assert inspect(TEXT, Surroundings()) == ()


def test_what_is_asked_for_and_not_there_is_uninspected():
    (found,) = inspect(TEXT, Surroundings(optional=frozenset({"names"})))
    assert (found.kind, found.rule) == ("uninspected", "failed:names")


def test_a_bundle_that_asks_for_it_is_not_put_in_force(tmp_path):
    bundle = load(tmp_path, PERMIT, facts='[detectors]\noptional = ["names"]\n')
    with pytest.raises(ContentError) as error:
        Policy.compile(bundle).inspector.warm()
    assert "remit[names]" in error.value.hint


def test_a_detector_that_does_not_exist(tmp_path):
    with pytest.raises(BundleError) as error:
        load(tmp_path, PERMIT, facts='[detectors]\noptional = ["nams"]\n')
    assert "did you mean `names`?" in error.value.problems[0].hint
