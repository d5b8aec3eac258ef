"""A passkey in software, which can be told to lie."""

import base64
import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.attest.webauthn import Assertion, Party

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 1, 4, 8, 16, 64, 128
MODEL = bytes(range(16))


def b64url(data: bytes) -> str:
    """Encode as WebAuthn does in JSON."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Passkey:
    """One credential at one party; every part of an answer can be given."""

    def __init__(self, party: Party, name: bytes = b"") -> None:
        self.party = party
        self.name = name or os.urandom(16)
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def der(self) -> bytes:
        """The public key."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def cose(self) -> bytes:
        """The public key as an authenticator writes it."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return bytes.fromhex("a5010203262001215820") + x + bytes.fromhex("225820") + y

    def client(self, kind: str, challenge: bytes, /, **more: Any) -> bytes:
        """What the browser says; `more` replaces members, `None` takes one out."""
        said = {
            "type": f"webauthn.{kind}",
            "challenge": b64url(challenge),
            "origin": self.party.origin,
            "crossOrigin": False,
            **more,
        }
        return json.dumps({k: v for k, v in said.items() if v is not None}).encode()

    def data(self, flags: int, rest: bytes = b"", party: str = "") -> bytes:
        """What the authenticator says."""
        about = hashlib.sha256((party or self.party.id).encode()).digest()
        return about + bytes([flags]) + bytes(4) + rest

    def made(self, flags: int = PRESENT | VERIFIED | ATTESTED, **parts: bytes) -> bytes:
        """What the authenticator says of a new credential."""
        name = parts.get("name", self.name)
        rest = MODEL + len(name).to_bytes(2, "big") + name + parts.get("cose", self.cose)
        return self.data(flags, rest + parts.get("more", b""))

    def get(
        self, challenge: bytes, *, client: bytes | None = None, data: bytes | None = None
    ) -> Assertion:
        """Sign a challenge, or whatever else is given."""
        client = self.client("get", challenge) if client is None else client
        data = self.data(PRESENT | VERIFIED) if data is None else data
        signed = data + hashlib.sha256(client).digest()
        return Assertion(
            credential=self.name,
            client_data=client,
            authenticator_data=data,
            signature=self.key.sign(signed, ec.ECDSA(hashes.SHA256())),
        )
