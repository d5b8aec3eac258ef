"""Directories signed by OpenSSF Model Signing's own program, verified by ours."""

import json
import os
import subprocess

import pytest

from remit.artifacts.model_signing import verify_model
from remit.attest.ecdsa import PublicKey
from remit.attest.trust import TrustRoot
from tests.rig.exchange import remit
from tests.rig.programs import RIG, need
from tests.unit.attest.signing import key

NOW = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A program that signs, with a key: (directory, method options) to the signature's file."""
    home = tmp_path_factory.mktemp("oms")
    private = home / "private.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private],
        check=True,
    )
    public = subprocess.run(
        ["openssl", "ec", "-in", private, "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    program = need(RIG / "py-oms/bin/model_signing", "rig-registry")

    def sign(directory, *options):
        target = directory.parent / "model.sig"
        subprocess.run(
            [program, "sign", "key", directory, "--private_key", private, "--signature", target, *options],
            check=True, capture_output=True, timeout=100,
        )  # fmt: skip
        return target

    return sign, public


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    (directory / "sub").mkdir(parents=True)
    (directory / ".git").mkdir()
    (directory / ".git" / "HEAD").write_text("ref")
    # Sorted by name and by part these are in another order.
    for name in ("a.txt", "sub/w.bin", "sub-2", "sub.txt", "Ä.txt", "z"):
        (directory / name).write_bytes(name.encode() * 100)
    (directory / "empty").write_bytes(b"")
    return directory


def code(model, signature, public):
    root = TrustRoot.of_signer(PublicKey.from_pem(public))
    found = verify_model(model, signature, root, "", NOW)
    return "" if found.passed else found.checks[0].code


def test_what_it_signed_is_taken(model, signed, tmp_path):
    sign, public = signed
    signature = sign(model)
    assert code(model, signature, public) == ""
    (tmp_path / "key.pub").write_text(public)
    command = (
        "verify",
        model,
        "--model-signature",
        signature,
        "--key",
        tmp_path / "key.pub",
        "-o",
        "json",
    )
    done = remit(*command, state=tmp_path / "state")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"]
    # The signature may lie in the directory.
    signature.rename(model / "model.sig")
    assert code(model, model / "model.sig", public) == ""
    assert code(model, model / "model.sig", key(9).public.pem) == "verify.unknown_key"


def changed(model):
    (model / "a.txt").write_text("x")


def added(model):
    (model / "new.py").write_text("x")


def removed(model):
    (model / "z").unlink()


def renamed(model):
    (model / "z").rename(model / "y")


def swapped(model):
    (model / "a.txt").rename(model / "t")
    (model / "z").rename(model / "a.txt")
    (model / "t").rename(model / "z")


def linked(model):
    (model / "z").rename(model.parent / "z")
    (model / "z").symlink_to(model.parent / "z")


def linked_directory(model):
    (model / "etc").symlink_to("/etc")


def a_pipe(model):
    os.mkfifo(model / "pipe")


@pytest.mark.parametrize(
    "change", [changed, added, removed, renamed, swapped, linked, linked_directory, a_pipe]
)
def test_what_was_changed_since(model, signed, change):
    sign, public = signed
    signature = sign(model)
    change(model)
    assert code(model, signature, public) == "verify.model_files"


def test_an_altered_signature(model, signed):
    sign, public = signed
    signature = sign(model)
    value = json.loads(signature.read_text())
    payload = value["dsseEnvelope"]["payload"]
    value["dsseEnvelope"]["payload"] = ("f" if payload[0] != "f" else "e") + payload[1:]
    signature.write_text(json.dumps(value))
    assert code(model, signature, public) in {"verify.signature", "verify.bundle"}
    signature.write_text("{}")
    assert code(model, signature, public) == "verify.bundle"
