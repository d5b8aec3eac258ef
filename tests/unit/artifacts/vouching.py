"""Trust roots, keys and attestations that tests verify. The artifact is a digest."""

import json

from remit.artifacts.attestations import Attestation
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.predicates import scan, signature, vsa
from remit.attest.predicates.fields import time_us
from remit.attest.statements import statement_payload
from remit.attest.trust import TrustRoot
from remit.core.digest import Digest, sha256
from tests.unit.attest.signing import key

NOW = time_us("2026-06-01T12:00:00Z", "now")
DAY = 24 * 3600 * 1_000_000
SUBJECT = sha256(b"an artifact")
OTHER = sha256(b"another")
POLICY = sha256(b"a policy")
REPOSITORY = "hub.example/team/model"
SIGN, SCAN, GATE, BUILD, STRANGER = map(key, (11, 12, 13, 14, 15))
ROLES = {
    "signer": (SIGN, "sign"),
    "scanner": (SCAN, "scan"),
    "gate": (GATE, "gate"),
    "ci": (BUILD, "build"),
}


def toml(*, serial=1, top="", more="", repositories=("hub.example/team/*",), **changes):
    """The text of a trust root with one key for each role; `changes` are lines for a key."""
    parts = [f'format = "remit.trust/v1"\nname = "acme"\nserial = {serial}\n{top}\n']
    for name, (signer, role) in ROLES.items():
        parts.append(
            f'[[keys]]\nname = "{name}"\nroles = ["{role}"]\nrepositories = {json.dumps(list(repositories))}\n'
            f'public = """\n{signer.public.pem}"""\n{changes.get(name, "")}\n'
        )
    return "".join([*parts, more])


def trust(**changes):
    return TrustRoot.parse(toml(**changes).encode())


def revocation(signer, reason="lost"):
    return f'[[revoked]]\nkey = "{signer.public.fingerprint}"\nreason = "{reason}"\n'


def bundle(signer, kind, predicate, subject=SUBJECT):
    return dump_bundle(
        sign(statement_payload("m", subject, kind, predicate), signer), signer.public
    )


def attested(signer, kind, predicate, subject=SUBJECT):
    data = bundle(signer, kind, predicate, subject)
    return Attestation(manifest=Digest(sha256(data)), data=data)


def signed(signer=SIGN, subject=SUBJECT):
    return attested(signer, signature.TYPE, signature.predicate(), subject)


def summary(
    result="PASSED",
    *,
    signer=GATE,
    age=DAY,
    policy=POLICY,
    subject=SUBJECT,
    expires=0,
    resource=f"oci://{REPOSITORY}",
):
    found = vsa.VerificationSummary(
        verifier="https://hub.example/gate",
        time_us=NOW - age,
        resource=resource,
        policy_uri="oci://hub.example/policies/base",
        policy_digest=policy,
        result=result,
        expires_us=expires,
    )
    return attested(signer, vsa.TYPE, found.predicate(), subject)


def scanned(*, signer=SCAN, expires=NOW + DAY, finished=NOW - DAY, subject=SUBJECT, **more):
    found = scan.Scan(
        **{
            "scanner": "pickle-scan",
            "version": "1.2",
            "rules_digest": sha256(b"rules"),
            "findings_digest": sha256(b"[]"),
            "counts": {"high": 1},
            "coverage": "complete",
            "started_us": finished - 1_000_000,
            "finished_us": finished,
            "expires_us": expires,
            **more,
        }
    )
    return attested(signer, scan.TYPE, found.predicate(), subject)
