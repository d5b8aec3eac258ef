"""Where uploads were going."""

import json

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.transfer.memory import MAX_AGE_S, Uploads

DIGEST = digest_of(b"x")
WHERE = ("https://registry.example", "a/b", DIGEST)


def uploads(tmp_path, time=1000.0):
    return Uploads(tmp_path, lambda: time)


def files(tmp_path):
    return list((tmp_path / "uploads").iterdir())


def kept(tmp_path):
    with uploads(tmp_path).slot(*WHERE) as slot:
        slot.keep("https://registry.example/u/1")
    return files(tmp_path)[0]


def location(tmp_path, *where, time=1000.0):
    with uploads(tmp_path, time).slot(*(where or WHERE)) as slot:
        return slot.location


def test_it_is_remembered_for_its_owner_only(tmp_path):
    path = kept(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert location(tmp_path) == "https://registry.example/u/1"


def test_it_is_of_one_registry_one_repository_and_one_blob(tmp_path):
    kept(tmp_path)
    assert location(tmp_path, "http://registry.example", "a/b", DIGEST) == ""
    assert location(tmp_path, "https://registry.example", "a/c", DIGEST) == ""
    assert location(tmp_path, "https://registry.example", "a/b", digest_of(b"y")) == ""


def test_a_file_in_another_s_place_says_nothing(tmp_path):
    path = kept(tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "origin": "https://other.example"}))
    assert location(tmp_path) == ""


def test_it_is_forgotten_after_a_day_and_never_believed_from_the_future(tmp_path):
    kept(tmp_path)
    assert location(tmp_path, time=1000.0 + MAX_AGE_S - 1)
    assert location(tmp_path, time=999.0) == ""
    kept(tmp_path)
    assert location(tmp_path, time=1000.0 + MAX_AGE_S) == ""


def test_nonsense_is_nothing(tmp_path):
    for text in ("", "{", "[]", "\x00" * 100, '{"location":1}'):
        path = kept(tmp_path)
        path.write_text(text)
        assert location(tmp_path) == ""


def test_two_at_once(tmp_path):
    with uploads(tmp_path).slot(*WHERE) as one:
        one.keep("https://registry.example/u/1")
        with uploads(tmp_path).slot(*WHERE) as two:
            assert two is None
    assert location(tmp_path) == "https://registry.example/u/1"


def test_what_is_forgotten_leaves_no_file(tmp_path):
    with uploads(tmp_path).slot(*WHERE) as slot:
        slot.keep("https://registry.example/u/1")
        slot.forget()
    assert files(tmp_path) == []
    with uploads(tmp_path).slot(*WHERE):
        pass
    assert files(tmp_path) == []


def test_a_shorter_place_replaces_a_longer_one(tmp_path):
    with uploads(tmp_path).slot(*WHERE) as slot:
        slot.keep("https://registry.example/" + "x" * 500)
        slot.keep("https://registry.example/y")
    assert location(tmp_path) == "https://registry.example/y"


def test_old_ones_are_swept(tmp_path):
    mtime = kept(tmp_path).stat().st_mtime
    assert uploads(tmp_path, mtime + 10).sweep() == 0
    assert uploads(tmp_path, mtime + MAX_AGE_S + 10).sweep() == 1
    assert files(tmp_path) == []
