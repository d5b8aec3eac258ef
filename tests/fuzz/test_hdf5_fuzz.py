"""Files of HDF5 with bytes changed: an answer or an error, in bounded time, never something else."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.scan.hdf5.reader import Reader
from remit.scan.hdf5.source import BrokenHdf5Error


class Nobody:
    def attribute(self, path, found): ...
    def link(self, path, found): ...
    def storage(self, path, found): ...


def made(version):
    held = io.BytesIO()
    with h5py.File(held, "w", libver=(version, "latest")) as file:
        for at in range(12):
            group = file.create_group(f"g{at}")
            group.attrs["text"] = "x" * 40
            file.attrs[f"a{at}"] = b"y"
        file.attrs["long"] = "z" * 70_000
        file.create_dataset("c", data=np.arange(100), chunks=(10,), compression="gzip")
        file.create_dataset("d", data=np.arange(100))
        file["e"] = h5py.ExternalLink("a", "b")
    return held.getvalue()


FILES = {version: made(version) for version in ("earliest", "v108", "latest")}


def followed(data):
    try:
        Reader(io.BytesIO(data), len(data), Nobody()).read()
    except BrokenHdf5Error:
        return False
    return True


@pytest.mark.parametrize("version", FILES)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 1 << 30), st.sampled_from([0, 1, 2, 4, 127, 255]) | st.integers(0, 255)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_changed_bytes(version, changes):
    data = bytearray(FILES[version])
    for at, value in changes:
        data[at % min(len(data), 12_000)] = value
    followed(bytes(data))


@pytest.mark.parametrize("version", FILES)
@given(st.integers(0, 1 << 30))
def test_cut(version, at):
    data = FILES[version]
    assert not followed(data[: at % len(data)])


@given(st.binary(max_size=300))
def test_anything_behind_the_signature(data):
    followed(b"\x89HDF\r\n\x1a\n" + data)
