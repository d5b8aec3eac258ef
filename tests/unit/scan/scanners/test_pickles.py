import io
import pickle

import numpy as np
import pytest

from remit.scan.scanners.pickles import Pickles
from tests.unit.scan.making import RUN, rules, scan

CRITICAL = [("pickle.call", "critical"), ("pickle.import", "critical")]
GOOD = pickle.dumps({"a": 1})


def one(tmp_path, name, data):
    return scan(Pickles(), tmp_path, (name, data))


@pytest.mark.parametrize("name", ["m.pkl", "m.bin", "m", "README.md", "m.safetensors", "a.txt"])
def test_a_pickle_is_one_whatever_its_name(tmp_path, name):
    for data in (RUN + b".", b"\x80\x02" + RUN + b"."):
        _, findings, coverage = one(tmp_path, name, data)
        assert rules(findings) == CRITICAL
        assert coverage[0].status == "complete"


def test_a_later_pickle_in_the_file(tmp_path):
    _, findings, _ = one(tmp_path, "m.pkl", GOOD * 3 + RUN + b".")
    assert rules(findings) == CRITICAL


def test_what_is_behind_the_last_one_is_told(tmp_path):
    _, findings, coverage = one(tmp_path, "m.pkl", GOOD + b"\0\0more")
    assert rules(findings) == [("pickle.trailing", "medium")]
    assert coverage[0].status == "complete"


@pytest.mark.parametrize("tail", [b"\xff", b"", b"X\xff\xff\xff\xff"])
def test_a_payload_before_what_is_broken(tmp_path, tail):
    _, findings, coverage = one(tmp_path, "m.pkl", RUN + tail)
    assert rules(findings) == CRITICAL
    assert (coverage[0].status, coverage[0].executes) == ("error", True)


@pytest.mark.parametrize(
    "data",
    [
        b"the cat\nsat on\nthe mat\n",
        b"cat\ndog\nbird\n",
        b"# c\n",
        b"\0" * 100,
        b"I am\n",
        b"PK\x03\x04xx\n",
    ],
)
def test_other_files_are_not_claimed(tmp_path, data):
    assert one(tmp_path, "notes.txt", data)[0] == []


@pytest.mark.parametrize("data", [b"not a pickle", b"\x80\x02", b"\0"])
def test_a_named_pickle_that_is_none_is_an_error(tmp_path, data):
    assert one(tmp_path, "m.pkl", data)[2][0].status == "error"


def test_torch_before_zip(tmp_path):
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    head = magic + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    rest = pickle.dumps({}, 2) + pickle.dumps(["0"], 2) + b"\1\2\3" + RUN
    assert one(tmp_path, "m.pt", head + rest)[1] == []
    _, findings, _ = one(tmp_path, "m.pt", head + b"\x80\x02" + RUN + b"." + rest)
    assert rules(findings) == CRITICAL


def test_arrays_of_objects(tmp_path):
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    _, findings, coverage = one(tmp_path, "m.npy", out.getvalue())
    assert (findings, coverage[0].status) == ([], "complete")
    bad = out.getvalue()[:128] + RUN + b"."
    assert rules(one(tmp_path, "m.npy", bad)[1]) == CRITICAL
    out = io.BytesIO()
    np.save(out, np.arange(3.0))
    assert one(tmp_path, "m.npy", out.getvalue())[0] == []


def test_evidence_acts_on_no_terminal(tmp_path):
    _, findings, _ = one(tmp_path, "m.pkl", b"c\x1b[31mos\nsystem\n.")
    assert all(c.isprintable() for c in findings[0].evidence)


def test_a_payload_behind_padding_in_a_file_without_a_name(tmp_path):
    _, findings, _ = one(tmp_path, "data.bin", b"N0" * 100_000 + RUN + b".")
    assert rules(findings) == CRITICAL


def test_a_dangerous_import_before_what_is_broken_in_any_file(tmp_path):
    assert rules(one(tmp_path, "notes.txt", b"cos\nsystem\n\xff")[1]) == [
        ("pickle.import", "critical")
    ]


def test_a_pickle_that_begins_like_another_format(tmp_path):
    _, findings, _ = one(tmp_path, "m.pkl", b"GGUF12345" + RUN + b".")
    assert rules(findings) == CRITICAL
