"""The golden evidence in ``vectors/approvals``: the same bytes, and verified by code that shares none."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from remit.attest.ecdsa import PublicKey
from tests.conformance.test_log_golden import files
from tests.unit.audit.support import KEY

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "approvals"
SCRIPT = ROOT / "spec" / "verify_approval.py"


def load(path):
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def keys():
    return {
        user: PublicKey.from_pem((VECTORS / f"{user}.pem").read_text()).fingerprint
        for user in ("ann", "ben")
    }


def test_the_generator_gives_the_same_bytes(tmp_path):
    load(VECTORS / "generate.py").generate(tmp_path)
    assert files(tmp_path) == files(VECTORS)


@pytest.mark.parametrize(
    ("name", "last"),
    [("used", "used exactly once in the whole log"), ("denied", "not used in the whole log")],
)
def test_the_independent_verifier_accepts_it(name, last):
    command = [sys.executable, "-I", str(SCRIPT), str(VECTORS / f"{name}.json")]
    command += ["--vkey", KEY.vkey, "--log", str(VECTORS / "log")]
    command += [f"--approver={user}={key}" for user, key in keys().items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == last
    if name == "denied":
        assert "  а  U+0430 CYRILLIC SMALL LETTER A" in done.stdout
    else:
        assert "approve by 'ben', 'Bén Groß', key sha256:c1857df3" in done.stdout


def test_the_readme_says_how():
    text = (VECTORS / "README.md").read_text()
    for known in (KEY.vkey, *keys().values()):
        assert known in text


def test_the_log_is_one():
    command = [sys.executable, "-I", str(ROOT / "spec" / "verify_log.py"), str(VECTORS / "log")]
    done = subprocess.run(
        [*command, "--vkey", KEY.vkey], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["used", "denied"])
def test_no_changed_byte_is_accepted(name):
    data = (VECTORS / f"{name}.json").read_bytes()
    verify = load(SCRIPT).verify
    trusted = list(keys().values())
    assert verify(data, KEY.vkey, trusted)
    for at in range(0, len(data), 11):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        try:
            said = verify(bytes(changed), KEY.vkey, trusted)
        except Exception:
            continue
        pytest.fail(f"byte {at} of {data[at - 30 : at + 30]!r} does not count: {said}")
