"""The golden evidence in ``vectors/approvals``: the same bytes, and verified by code that shares none."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from remit.attest.ecdsa import PublicKey
from remit.audit.checkpoint import Checkpoint, seal
from remit.audit.merkle import leaf_hash, root_of
from remit.audit.proof import Prover
from tests.conformance.test_log_golden import files
from tests.unit.audit.support import KEY, leaves_of, make_log

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


def test_the_script_reads_proofs_and_logs_of_every_shape(tmp_path):
    """Its tree is written down in another way than ours, so all small trees are compared."""
    module, count = load(SCRIPT), 34
    directory = make_log(tmp_path / "log", count)
    leaves = leaves_of(directory)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for size in range(1, count + 1):
        head = Checkpoint(KEY.name, size, root_of(hashes[:size]))
        prover = Prover(directory, seal(head, KEY), head)
        log = module.Log(KEY.vkey)
        for index in range(size):
            proof = prover.prove(index, leaves[index])
            assert log.record(proof.dump().decode(), "tool.decision")["seq"] == index
            for wrong in (proof.path[:-1], (*proof.path, hashes[0]), proof.path[::-1]):
                if wrong != proof.path:
                    changed = msgspec.structs.replace(proof, path=wrong)
                    with pytest.raises(ValueError, match=r"proof: length|not this"):
                        log.record(changed.dump().decode(), "tool.decision")
        assert log.uses(directory, {"APR-1"}) == 0
        if size > 1:
            log.head = (size, hashes[0])
            with pytest.raises(ValueError, match="not the one that was signed"):
                log.uses(directory, {"APR-1"})
