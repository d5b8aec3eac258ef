import pytest

from remit.scan.advisories import digest_of, settled
from remit.scan.base import ScanError, Settings, fingerprint, scanners


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "advisories"
    (made / "PyPI").mkdir(parents=True)
    (made / "PyPI" / "a.json").write_text("{}")
    return made


def test_the_digest_is_of_names_and_bytes(folder, tmp_path):
    first = digest_of(folder)
    assert digest_of(folder) == first
    (folder / "PyPI" / "a.json").write_text("[]")
    second = digest_of(folder)
    (folder / "PyPI" / "a.json").rename(folder / "b.json")
    third = digest_of(folder)
    (folder / "note.txt").write_text("not an advisory")
    assert digest_of(folder) == third
    assert len({first, second, third}) == 3
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.json").write_text("[]")
    assert digest_of(other) == third


def test_what_is_no_directory_is_an_error(folder, tmp_path):
    for place in (tmp_path / "nowhere", folder / "PyPI" / "a.json"):
        with pytest.raises(ScanError, match="cannot be read") as found:
            settled(Settings(advisories=str(place)))
        assert found.value.code == "scan.advisories"
    (folder / "c.json").symlink_to("/nowhere/x")
    with pytest.raises(ScanError):
        digest_of(folder)


def test_one_digest_says_that_a_scan_is_due(folder, monkeypatch):
    plain = fingerprint()
    assert plain == fingerprint(Settings())
    assert plain == fingerprint(Settings(today="2026-01-01"))
    given = settled(Settings(advisories=str(folder)))
    assert fingerprint(given) != plain
    (folder / "new.json").write_text("{}")
    assert fingerprint(settled(given)) != fingerprint(given)
    assert fingerprint(Settings(indexes=("a.example",))) != plain
    assert fingerprint(names=("pickles",)) != fingerprint(names=("gguf",)) != plain
    monkeypatch.setattr(type(scanners()["pickles"]), "version", "next")
    assert fingerprint() != plain
