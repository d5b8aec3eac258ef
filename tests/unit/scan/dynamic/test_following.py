"""How far a run is, by what it has written so far."""

import os
import threading

import pytest

from remit.scan.dynamic.following import Following
from remit.scan.dynamic.garak_report import MAX_LINE
from tests.unit.scan.dynamic.rows import INIT, evaluation, lines, setup

PROBES = ("dan.Dan_11_0", "goodside.Tag", "goodside.WhoIsRiley")


def follow(place):
    told = []
    return Following(place, lambda *each: told.append(each)), told


def test_probes_that_were_evaluated_are_counted(tmp_path):
    place = tmp_path / "report.jsonl"
    found, told = follow(place)
    with place.open("ab") as file:
        file.writelines(lines(setup(*PROBES), INIT))
        file.flush()
        found.look()
        whole = b"".join(lines(evaluation(PROBES[0]), evaluation(PROBES[0], detector="d.E")))
        file.write(whole[:-20])
        file.flush()
        found.look()
        file.write(whole[-20:])
        file.writelines(lines(evaluation(PROBES[1])))
        file.flush()
        found.look()
    assert told == [(0, 3), (1, 3), (2, 3)]


def test_what_is_no_report_says_nothing(tmp_path):
    place = tmp_path / "report.jsonl"
    place.write_bytes(b"\xff\n[]\n{}\n" + b"x" * (MAX_LINE + 5) + b"\n" + b"[" * 100_000 + b"\n")
    found, told = follow(place)
    found.look()
    assert told == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
def test_what_is_there_instead_of_a_file_is_not_read(tmp_path, kind):
    other, place = tmp_path / "other", tmp_path / "report.jsonl"
    other.write_bytes(b"".join(lines(setup(*PROBES))))
    if kind == "link":
        place.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    found, told = follow(place)
    try:
        found.look()
    except OSError:
        assert kind in {"link", "nothing"}
    assert told == []


def test_it_looks_again_until_the_block_ends(tmp_path):
    place, seen = tmp_path / "report.jsonl", threading.Event()
    with Following(place, lambda *_: seen.set(), every_s=0.01):
        place.write_bytes(b"".join(lines(setup(*PROBES))))
        assert seen.wait(20)
    assert not any(each.name.startswith("Follow") for each in threading.enumerate())
