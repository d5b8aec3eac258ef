"""Statements of OpenSSF Model Signing that its own program would not write."""

import hashlib
import json

import pytest

from remit.artifacts.model_signing import verify_model
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.predicates import signature
from remit.attest.predicates.known import MODEL_SIGNING
from remit.attest.trust import TrustRoot
from tests.unit.artifacts.vouching import GATE, NOW, SIGN, trust

FORM = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
A, B = (hashlib.sha256(each).hexdigest() for each in (b"a", b"b"))
FILES = [{"name": n, "algorithm": "sha256", "digest": d} for n, d in (("a", A), ("b", B))]


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    for name in ("a", "b"):
        (directory / name).write_bytes(name.encode())
    return directory


def code(
    model, files=FILES, form=FORM, *, kind=MODEL_SIGNING, subject=None, signer=SIGN, root=None
):
    digests = b"".join(bytes.fromhex(each["digest"]) for each in files if len(each["digest"]) == 64)
    payload = json.dumps({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": kind,
        "subject": [{"name": "model", "digest": {"sha256": subject or hashlib.sha256(digests).hexdigest()}}],
        "predicate": {"serialization": form, "resources": files},
    }).encode()  # fmt: skip
    path = model.parent / "model.sig"
    path.write_bytes(dump_bundle(sign(payload, signer), signer.public))
    found = verify_model(model, path, root or TrustRoot.of_signer(SIGN.public), "", NOW)
    assert found.passed == (not found.checks[0].code)
    return found.checks[0].code


def one(**changes):
    return [FILES[0], {**FILES[1], **changes}]


def test_what_is_taken(model):
    assert code(model) == ""
    assert code(model, FILES[::-1]) == ""


def test_what_is_refused(model):
    assert code(model, subject=A) == "verify.model_statement"
    assert code(model, []) == "verify.model_statement"
    assert code(model, one(name="a")) == "verify.model_statement"
    assert code(model, one(name="./b")) == "verify.model_statement"
    assert code(model, one(digest=B.upper())) == "verify.model_statement"
    assert code(model, one(digest="b")) == "verify.model_statement"
    assert code(model, one(digest=A)) == "verify.model_files"
    assert code(model, one(name="../b")) == "verify.model_files"
    assert code(model, FILES[:1]) == "verify.model_files"
    assert code(model, [*FILES, {**FILES[0], "name": "c"}]) == "verify.model_files"
    assert code(model, one(algorithm="blake2b")) == "verify.model_method"
    assert code(model, form={**FORM, "method": "shards"}) == "verify.model_method"
    assert code(model, form={**FORM, "ignore_paths": [1]}) == "verify.model_statement"
    assert code(model, form=None) == "verify.model_method"
    assert code(model, kind=signature.TYPE) == "verify.missing"


def test_who_may_sign(model):
    everywhere = trust(repositories=["**"])
    assert code(model, root=everywhere) == ""
    assert code(model, root=everywhere, signer=GATE) == "verify.role"
    assert code(model, root=trust()) == "verify.scope"


def test_what_the_signer_left_out(model):
    (model / "notes").write_text("x")
    assert code(model) == "verify.model_files"
    assert code(model, form={**FORM, "ignore_paths": ["notes"]}) == ""
    assert code(model, form={**FORM, "ignore_paths": ["."]}) == "verify.model_files"
