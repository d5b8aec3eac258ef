"""State directories and lanes."""

import os

import pytest

from remit.guard import paths
from remit.guard.errors import GuardError


def test_each_guard_has_a_lane_and_all_share_the_pins(tmp_path):
    environ = {"REMIT_STATE": str(tmp_path)}
    places = [paths.take(None, "srv", environ) for _ in range(3)]
    assert [p.state.name for p in places] == ["0", "1", "2"]
    assert {p.pins for p in places} == {tmp_path / "servers" / "srv" / "tools.lock"}
    assert paths.take(None, "other", environ).state.name == "0"
    os.close(places[1].lock)
    assert paths.take(None, "srv", environ).state.name == "1"
    assert places[0].state.stat().st_mode & 0o777 == 0o700


def test_lanes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MAX_LANES", 2)
    environ = {"REMIT_STATE": str(tmp_path)}
    held = [paths.take(None, "srv", environ) for _ in range(2)]
    with pytest.raises(GuardError) as error:
        paths.take(None, "srv", environ)
    assert error.value.code == "guard.state_in_use"
    for place in held:
        os.close(place.lock)


def test_an_explicit_directory_is_used_exactly_and_once(tmp_path):
    place = paths.take(tmp_path / "state", "srv", {})
    assert place.state == tmp_path / "state"
    assert place.pins == tmp_path / "state" / "tools.lock"
    with pytest.raises(GuardError) as error:
        paths.take(tmp_path / "state", "srv", {})
    assert error.value.code == "guard.state_in_use"
    assert error.value.hint
    os.close(place.lock)
    os.close(paths.take(tmp_path / "state", "srv", {}).lock)


def test_a_place_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    for explicit, environ in (
        (tmp_path / "file" / "state", {}),
        (None, {"REMIT_STATE": str(tmp_path / "file")}),
        (tmp_path / ("x" * 300), {}),
    ):
        with pytest.raises(GuardError) as error:
            paths.take(explicit, "srv", environ)
        assert error.value.code == "guard.state_unusable"
        assert "--state" in error.value.hint
