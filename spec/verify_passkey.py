"""Check a statement that a passkey signed (webauthn.md) with `cryptography` only; exit 0 or 3.

The key and the origin of the pages are what you trust; the statement is printed, and is to be read
as approval.md says. `signed` is for other programs."""

import argparse
import base64
import hashlib
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

FORM = r'{"authenticatorData":"(.+)","clientDataJSON":"(.+)","credentialId":"(.+)","mediaType":'
FORM += r'"application/vnd\.remit\.webauthn\.(approval|enrolment)\.v1\+json","signature":"(.+)",'
FORM += r'"statement":"(.+)"}'


def need(holds, what):
    if not holds:
        raise ValueError(what)


def unb64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64: not canonical")
    return data


def once(pairs):
    need(len(dict(pairs)) == len(pairs), "client data: a member came twice")
    return dict(pairs)


def signed(text, der, origin):
    """The statement, if the key signed it on a page of that origin."""
    need(form := re.fullmatch(FORM, text), "the evidence is not as webauthn.md says")
    authenticator, client, _, media, signature, statement = form.groups()
    authenticator, client, statement = unb64(authenticator), unb64(client), unb64(statement)
    kind = f"https://remit.example/{media}/v1"
    challenge = hashlib.sha256(kind.encode() + b"\0" + statement).digest()
    said = json.loads(client, object_pairs_hook=once)
    exact = {"type": "webauthn.get", "origin": origin}
    exact["challenge"] = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
    need({**said, **exact} == said, "client data: something else, or elsewhere")
    need(said.get("crossOrigin", False) is False and "topOrigin" not in said, "inside another page")
    host = re.fullmatch(r"https?://([a-z0-9.-]+)(:\d+)?", origin)[1]
    need(authenticator[:32] == hashlib.sha256(host.encode()).digest(), "of another site")
    flags, more = authenticator[32], authenticator[37:]
    need(flags & 0b101 == 0b101 and not flags & 0x40, "nobody was verified")
    need(bool(more) == bool(flags & 0x80) and flags & 0x18 != 0x10, "authenticator data: malformed")
    message = authenticator + hashlib.sha256(client).digest()
    load_der_public_key(der).verify(unb64(signature), message, ECDSA(SHA256()))
    value = json.loads(statement)
    need(value["predicateType"] == kind, "statement: of another kind")
    return statement


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check what a passkey signed, without Remit.")
    parser.add_argument("evidence", type=Path, help="the stored object")
    parser.add_argument("--key", required=True, help="trusted public key, DER, base64")
    parser.add_argument("--origin", required=True, help="of the pages, as https://guard.example")
    args = parser.parse_args()
    try:
        print(signed(args.evidence.read_text(), unb64(args.key), args.origin).decode())
    except Exception as bad:  # noqa: BLE001 - whatever it is, it is not verified
        raise SystemExit(print("NOT VERIFIED", str(bad) or "a signature is wrong") or 3) from None
