"""Environments built by the real pip, of small packages made here; nothing is fetched."""

import base64
import hashlib
import subprocess
import sys
import threading
import zipfile

import pytest

from remit.scan.external import environments, install
from remit.scan.external.environments import RECORD, installed, place_of
from remit.scan.external.install import InstallError, remove
from remit.scan.external.install import install as install_it

NAME = "picklescan"


def wheel(folder, name, version, body=""):
    """A wheel, and its line in a lock file."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{path},sha256={digest.decode()},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def where(tmp_path):
    return tmp_path / "scanners"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    return folder


def locked(monkeypatch, text):
    for module in (environments, install):
        monkeypatch.setattr(module, "lock_of", lambda name: text.encode())


def build(where, told=None):
    return install_it(NAME, where, (told if told is not None else []).append)


def test_install_twice_and_remove(where, wheels, monkeypatch):
    locked(monkeypatch, wheel(wheels, NAME, "7.0"))
    told = []
    found = build(where, told)
    assert found.record.version == "7.0"
    code = "import picklescan, sys; print(sys.prefix)"
    inside = subprocess.run(
        [found.python, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert inside.stdout.strip() == str(found.place)
    assert any("1 packages by their digests" in line for line in told)
    before = found.place.stat().st_ino
    assert build(where, told).place.stat().st_ino == before
    assert told[-1] == "picklescan 7.0 is installed"
    assert remove(NAME, where)
    assert installed(NAME, where) is None
    assert not remove(NAME, where)


def test_a_package_with_another_digest_is_not_installed(where, wheels, monkeypatch):
    line = wheel(wheels, NAME, "7.0")
    wheel(wheels, NAME, "7.0", body="print('other')")
    locked(monkeypatch, line)
    with pytest.raises(InstallError) as caught:
        build(where)
    assert caught.value.code == "scan.install"
    assert "\n" not in caught.value.message
    assert installed(NAME, where) is None
    assert [each.name for each in where.iterdir()] == [".picklescan.lock"]


def test_a_package_that_is_not_there(where, wheels, monkeypatch):
    locked(monkeypatch, f"{NAME}==9 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InstallError):
        build(where)
    assert installed(NAME, where) is None


def test_what_is_not_locked_is_not_brought(where, wheels, monkeypatch):
    wheel(wheels, "other", "1")
    locked(monkeypatch, wheel(wheels, NAME, "7.0") + "other==1\n")
    with pytest.raises(InstallError):
        build(where)


@pytest.mark.slow
def test_another_lock_file_is_another_environment(where, wheels, monkeypatch):
    first, second = wheel(wheels, NAME, "7.0"), wheel(wheels, NAME, "8.0")
    locked(monkeypatch, first)
    old = build(where)
    rules = old.rules()
    locked(monkeypatch, second)
    assert installed(NAME, where) is None
    found = build(where)
    assert (found.record.version, old.place.exists()) == ("8.0", False)
    assert found.rules() != rules


@pytest.mark.slow
def test_a_build_that_fails_leaves_the_old_one(where, wheels, monkeypatch):
    first = wheel(wheels, NAME, "7.0")
    locked(monkeypatch, first)
    old = build(where)
    locked(monkeypatch, f"{NAME}==9 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InstallError):
        build(where)
    locked(monkeypatch, first)
    assert installed(NAME, where) == old


@pytest.mark.slow
@pytest.mark.parametrize("record", [None, b"", b"{}", b'{"name": "bandit"}'])
def test_an_environment_without_its_record_is_not_used(where, wheels, monkeypatch, record):
    locked(monkeypatch, wheel(wheels, NAME, "7.0"))
    place = build(where).place
    (place / RECORD).unlink()
    if record is not None:
        (place / RECORD).write_bytes(record)
    assert installed(NAME, where) is None
    assert build(where).record.version == "7.0"


@pytest.mark.slow
def test_what_a_killed_build_left_is_not_used_and_goes(where, wheels, monkeypatch):
    locked(monkeypatch, wheel(wheels, NAME, "7.0"))
    where.mkdir()
    left = where / ".picklescan.abc.partial"
    left.mkdir()
    (left / RECORD).write_text("{}")
    assert installed(NAME, where) is None
    build(where)
    assert not left.exists()


def test_two_at_once_build_one(where, wheels, monkeypatch):
    locked(monkeypatch, wheel(wheels, NAME, "7.0"))
    told = [[], []]
    threads = [threading.Thread(target=build, args=(where, each)) for each in told]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(len(each) for each in told) == [1, 3]
    assert installed(NAME, where) is not None


def test_an_interpreter_that_is_none(where, wheels, monkeypatch):
    locked(monkeypatch, wheel(wheels, NAME, "7.0"))
    with pytest.raises(InstallError):
        install_it(NAME, where, print, python="/nowhere/python")
    assert installed(NAME, where) is None


def test_nobody_of_that_name(where):
    for call in (lambda: install_it("nobody", where, print), lambda: remove("nobody", where)):
        with pytest.raises(InstallError) as caught:
            call()
        assert "modelaudit" in caught.value.hint


def test_every_scanner_has_a_lock_file_with_digests():
    for name, tool in environments.tools().items():
        text = environments.lock_of(name).decode()
        pins = [line for line in text.splitlines() if "==" in line]
        assert any(line.startswith(f"{tool.distribution}==") for line in pins), name
        packages = text.replace("\\\n", " ").splitlines()
        for line in packages:
            if line.strip():
                assert "==" in line, line
                assert "--hash=sha256:" in line, line
        assert place_of(name, install.Path("/x")).name.startswith(f"{name}-")
        assert tool.summary
    assert sys.version_info >= (3, 11)
