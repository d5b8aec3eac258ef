import pytest

from remit.scan.scanners.executables import Executables
from tests.unit.scan.making import scan


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("m.h5", b"x", "hdf5"),
        ("m.bin", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("m", b"\x7fELF", "native"),
        ("setup.py", b"x", "code"),
        ("run", b"#!/bin/sh\n", "code"),
        ("m.PMML", b"<", "xml"),
        ("x.tflite", b"\0\0\0\0TFL3", "tflite"),
        ("a.pyc", b"x", "bytecode"),
        ("lib.so.1", b"x", "native"),
        ("m.pt!/archive/evil.py", b"x", "code"),
    ],
)
def test_formats_that_execute_and_are_not_read(tmp_path, name, data, form):
    _, _, coverage = scan(Executables(), tmp_path, (name, data))
    assert [(each.status, each.executes, each.format) for each in coverage] == [
        ("unsupported", True, form)
    ]


@pytest.mark.parametrize(
    "name", ["README.md", "a.json", "m.safetensors", "m.pt!/archive/code/__torch__/m.py"]
)
def test_what_does_not(tmp_path, name):
    assert scan(Executables(), tmp_path, (name, b"x"))[0] == []


def test_one_file_may_be_two(tmp_path):
    _, _, coverage = scan(Executables(), tmp_path, ("m.py", b"\x7fELF"))
    assert {each.format for each in coverage} == {"native", "code"}
