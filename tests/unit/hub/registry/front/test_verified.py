"""Bytes on their way: all of them only if they are right, also when they come in odd pieces."""

import asyncio
import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.hub.registry.errors import BadGateway
from remit.hub.registry.front.verified import bounded, verified


async def _pieces(pieces):
    for each in pieces:
        yield each


def _run(stream):
    """What was given out, and whether it ended well."""

    async def run():
        found = b""
        with contextlib.suppress(BadGateway):
            async for piece in stream:
                found += piece
            return found, True
        return found, False

    return asyncio.run(run())


def _digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


PIECES = st.lists(st.binary(max_size=20), max_size=8)


@given(PIECES, st.sampled_from(["sha256", "sha512"]), st.booleans())
def test_what_is_right_is_given_out_whole(pieces, algorithm, sized):
    data = b"".join(pieces)
    size = len(data) if sized else None
    found = _run(verified(_pieces(pieces), _digest(data, algorithm), size))
    assert found == (data, True)


@given(PIECES, st.binary(max_size=40), st.booleans())
def test_what_is_wrong_is_never_given_out_whole(pieces, meant, sized):
    data = b"".join(pieces)
    size = len(meant) if sized else None
    found, well = _run(verified(_pieces(pieces), _digest(meant), size))
    assert well == (data == meant)
    if not well:
        # A client that counts sees that something is missing, however the upstream counted.
        assert len(found) < len(data) or not data
        assert data.startswith(found)


@given(PIECES, st.integers(min_value=0, max_value=100))
def test_a_part_is_never_longer_than_it_was_said(pieces, size):
    data = b"".join(pieces)
    found, well = _run(bounded(_pieces(pieces), size))
    assert well == (len(data) == size)
    assert len(found) <= size
    assert data.startswith(found)


def test_the_reason_names_the_digest():
    async def run():
        return [each async for each in verified(_pieces([b"a"]), _digest(b"b"), None)]

    with pytest.raises(BadGateway, match="does not have the digest `sha256:3e23"):
        asyncio.run(run())
