"""Digests of uploads so far."""

import hashlib

import msgspec

from remit.hub.registry.ports import Upload
from remit.hub.store.running import MAX_RUNNING, Runs

UPLOAD = Upload(id="u", repository="a")


def at(size):
    return msgspec.structs.replace(UPLOAD, size=size)


def test_a_digest_goes_on():
    runs = Runs()
    running = runs.take(at(0))
    running.update(b"abc")
    runs.keep("u", running)
    running = runs.take(at(3))
    running.update(b"def")
    assert running.digest == f"sha256:{hashlib.sha256(b'abcdef').hexdigest()}"


def test_a_digest_of_another_size_is_none():
    runs = Runs()
    running = runs.take(at(0))
    running.update(b"abc")
    runs.keep("u", running)
    assert runs.take(at(2)) is None
    assert runs.take(at(3)) is None
    assert runs.take(at(0)).size == 0


def test_a_copy_is_as_far_as_it_was():
    running = Runs().take(at(0))
    running.update(b"abc")
    copy = running.copy()
    running.update(b"d")
    assert (copy.size, running.size) == (3, 4)
    assert copy.digest == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"


def test_few_are_kept():
    runs = Runs()
    for number in range(MAX_RUNNING + 10):
        running = runs.take(at(0))
        running.update(b"x")
        runs.keep(str(number), running)
    assert len(runs._kept) == MAX_RUNNING
    runs.keep("none", None)
    runs.forget("300")
    runs.forget("never")
