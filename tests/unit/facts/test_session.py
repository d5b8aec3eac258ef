import pytest

from remit.facts.base import FactError
from remit.facts.session import SHAPE, SessionState


def test_record_has_the_declared_shape() -> None:
    session = SessionState(["b", "a"])
    session.calls += 2
    session.tools.add("fs/read")
    assert session.record() == {"labels": ["a", "b"], "calls": 2, "tools": ["fs/read"]}
    assert session.record().keys() == SHAPE.keys()


def test_sessions_share_nothing() -> None:
    first, second = SessionState(), SessionState()
    first.label("untrusted")
    first.tools.add("x/y")
    assert second.record() == {"labels": [], "calls": 0, "tools": []}


@pytest.mark.parametrize("label", ["", "x" * 65, "a\nb", "é", "a\x00"])
def test_odd_labels_are_refused(label: str) -> None:
    with pytest.raises(FactError) as caught:
        SessionState().label(label)
    assert caught.value.code == "facts.bad_label"
