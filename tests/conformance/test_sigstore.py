"""Our bundles, verified by npm's ``@sigstore/verify``: accepted as they are, refused if changed."""

import base64
import json
from pathlib import Path

from tests.conformance.test_approval_vectors import VECTORS
from tests.rig.sigstore import sigstore

ANN, BEN = ((VECTORS / f"{user}.pem").read_text() for user in ("ann", "ben"))


def bundles(path: Path) -> list[str]:
    """All bundles of an evidence file."""
    approvals = json.loads(path.read_bytes())["approvals"]
    return [one[kind] for one in approvals for kind in ("enrolment", "decision")]


def test_it_accepts_what_we_sign() -> None:
    found = [*bundles(VECTORS / "used.json"), *bundles(VECTORS / "denied.json")]
    assert len(found) == 6
    assert sigstore([ANN, BEN], found) == ["ok"] * 6


def test_it_insists_on_the_key() -> None:
    found = bundles(VECTORS / "used.json")
    said = sigstore([ANN], found)
    assert said[:2] == ["ok", "ok"]
    assert all("no trusted key has the hint" in one for one in said[2:])
    _, of_ann, _, of_ben = (json.loads(one) for one in found)
    of_ann["verificationMaterial"] = of_ben["verificationMaterial"]
    (said_of_ann,) = sigstore([ANN, BEN], [json.dumps(of_ann)])
    assert "signature verification failed" in said_of_ann


def test_it_refuses_every_changed_byte_that_was_signed() -> None:
    text = bundles(VECTORS / "used.json")[1]
    changed = []
    for member, change in (("payload", 1), ("payload", 128), ("sig", 1), ("sig", 16)):
        value = json.loads(text)
        envelope = value["dsseEnvelope"]
        holder = envelope if member == "payload" else envelope["signatures"][0]
        data = base64.b64decode(holder[member])
        for at in range(len(data)):
            flipped = bytearray(data)
            flipped[at] ^= change
            holder[member] = base64.b64encode(flipped).decode()
            changed.append(json.dumps(value))
    value = json.loads(text)
    value["dsseEnvelope"]["payloadType"] += "x"
    changed.append(json.dumps(value))
    assert len(changed) > 2000
    assert "ok" not in sigstore([ANN, BEN], changed)
