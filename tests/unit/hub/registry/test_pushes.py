"""Where a piece of an upload goes."""

import pytest

from remit.hub.registry.errors import RangeInvalid, UploadInvalid
from remit.hub.registry.ports import Appended, Upload
from remit.hub.registry.pushes import _check_range
from tests.unit.hub.support import asked

UPLOAD = Upload(id="0" * 64, repository="a", size=10)


def check(header, length=None):
    headers = [("content-range", header)] if header is not None else []
    if length is not None:
        headers.append(("content-length", str(length)))
    else:
        headers.append(("transfer-encoding", "chunked"))
    return _check_range(asked("PATCH", headers=headers), UPLOAD)


@pytest.mark.parametrize("header", ["10-14", "bytes 10-14", "bytes=10-14", "10-14/20", "bytes 10-14/*", " 10-14 "])  # fmt: skip
def test_the_next_piece(header):
    assert check(header, 5) == 5
    assert check(header) == 5


def test_without_a_range_it_is_the_next():
    assert check(None, 5) is None


@pytest.mark.parametrize("header", ["9-13", "11-15", "0-4", "99-103"])
def test_another_piece(header):
    with pytest.raises(RangeInvalid) as refused:
        check(header, 5)
    assert refused.value.status == 416
    assert dict(refused.value.headers)["range"] == "0-9"
    assert dict(refused.value.headers)["location"] == f"/v2/a/blobs/uploads/{UPLOAD.id}"


@pytest.mark.parametrize("header", ["", "x", "10", "10-", "-14", "10-14-18", "10-" + "9" * 20, "10 - 14", "lines 10-14"])  # fmt: skip
def test_a_range_that_cannot_be_read(header):
    with pytest.raises(UploadInvalid):
        check(header, 5)


@pytest.mark.parametrize("header", ["10-13", "10-15", "10-9", "10-0"])
def test_a_range_of_another_length(header):
    with pytest.raises(UploadInvalid):
        check(header, 5)


def test_an_upload_grows():
    grown = UPLOAD.grown(Appended(size=5, part="p1")).grown(Appended(size=1))
    assert (grown.size, grown.parts) == (16, ("p1",))
