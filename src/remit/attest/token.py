"""Keys that never leave a PKCS #11 token, by the library `python-pkcs11` (extra `pkcs11`).

Named by a URI (RFC 7512): `pkcs11:token=TOKEN;object=NAME?module-path=/usr/lib/…/module.so`. An
attribute that is not known here is refused, because it could select another key.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Self
from urllib.parse import unquote, unquote_to_bytes

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from remit.attest.ecdsa import PublicKey
from remit.attest.errors import KeyPlaceError, StatementError

_KNOWN = frozenset({"token", "serial", "object", "id", "type", "module-path"})
_P256 = bytes.fromhex("06082a8648ce3d030107")
"""EC_PARAMS of the curve: the DER form of its object identifier."""
_COORDINATE = 32
_POINT = 65


class TokenPlace:
    """A key on a token.

    Args:
        module: path of the token's PKCS #11 library.
        token: label of the token, and ``serial`` its number; one of them may be empty.
        object: label of the key, and ``id`` its CKA_ID; one of them may be empty.
    """

    asks_for = "PIN"

    def __init__(self, module: str, token: str, serial: str, label: str, key_id: bytes) -> None:
        self.module = module
        self.token = token
        self.serial = serial
        self.label = label
        self.key_id = key_id

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a PKCS #11 URI.

        `module-path` belongs behind the question mark, and is taken before it too.

        Raises:
            KeyPlaceError: it is none, or does not say which key.
        """
        path, _, query = text.removeprefix("pkcs11:").partition("?")
        found: dict[str, str] = {}
        for part in [*path.split(";"), *query.split("&")]:
            name, _, value = part.partition("=")
            if not part:
                continue
            if name == "pin-value":
                raise KeyPlaceError(
                    "a PIN does not belong into a command line", hint="you are asked for it"
                )
            if name not in _KNOWN or name in found:
                raise KeyPlaceError(
                    f"`{name}` in the PKCS #11 URI is not known or there twice",
                    hint=f"known are {', '.join(sorted(_KNOWN))}",
                )
            found[name] = value
        plain = {name: unquote(value) for name, value in found.items()}
        if plain.get("type", "private") != "private":
            raise KeyPlaceError("the PKCS #11 URI names no private key")
        if not plain.get("module-path"):
            raise KeyPlaceError(
                "the PKCS #11 URI names no library", hint="add ?module-path=/path/of/module.so"
            )
        if not (plain.get("token") or plain.get("serial")):
            raise KeyPlaceError("the PKCS #11 URI names no token", hint="add token=LABEL")
        if not (plain.get("object") or found.get("id")):
            raise KeyPlaceError("the PKCS #11 URI names no key", hint="add object=LABEL")
        return cls(
            plain["module-path"], plain.get("token", ""), plain.get("serial", ""),
            plain.get("object", ""), unquote_to_bytes(found.get("id", "")),
        )  # fmt: skip

    def public(self) -> PublicKey:
        """See :class:`remit.attest.places.Place`; the token must show public keys without PIN."""
        with self._session(None) as (pkcs11, session):
            return self._public(pkcs11, session)

    def open(self, secret: bytes) -> "TokenSigner":
        """See :class:`remit.attest.places.Place`."""
        with self._session(secret) as (pkcs11, session):
            self._key(session, pkcs11.ObjectClass.PRIVATE_KEY, pkcs11)
            return TokenSigner(self, secret, self._public(pkcs11, session))

    def create(self, secret: bytes) -> PublicKey:
        """See :class:`remit.attest.places.Place`."""
        with self._session(secret, write=True) as (pkcs11, session):
            private = pkcs11.ObjectClass.PRIVATE_KEY
            if any(True for _ in session.get_objects(self._selects(pkcs11, private))):
                raise KeyPlaceError(f"`{self}` exists", hint="A key is never overwritten.")
            curve = {pkcs11.Attribute.EC_PARAMS: _P256}
            session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(
                store=True,
                label=self.label or None,
                id=self.key_id or hashlib.sha256(self.label.encode()).digest()[:8],
                public_template={pkcs11.Attribute.PRIVATE: False},
            )
            return self._public(pkcs11, session)

    def ecdsa(self, pin: bytes, digest: bytes) -> bytes:
        """The two numbers of an ECDSA signature over ``digest``, 32 bytes each, made there.

        Raises:
            KeyPlaceError: the token is gone, or does not sign.
        """
        with self._session(pin) as (pkcs11, session):
            key = self._key(session, pkcs11.ObjectClass.PRIVATE_KEY, pkcs11)
            return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))

    def _selects(self, pkcs11: ModuleType, kind: Any) -> dict[Any, Any]:
        chosen = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC}
        if self.label:
            chosen[pkcs11.Attribute.LABEL] = self.label
        if self.key_id:
            chosen[pkcs11.Attribute.ID] = self.key_id
        return chosen

    def _key(self, session: Any, kind: Any, pkcs11: ModuleType) -> Any:
        found = list(session.get_objects(self._selects(pkcs11, kind)))
        if len(found) != 1:
            what = "no" if not found else "more than one"
            raise KeyPlaceError(
                f"the token has {what} such key: `{self}`",
                hint=f"remit approvals key new --key '{self}'"
                if not found
                else "name its object and id",
            )
        return found[0]

    def _public(self, pkcs11: ModuleType, session: Any) -> PublicKey:
        key = self._key(session, pkcs11.ObjectClass.PUBLIC_KEY, pkcs11)
        # CKA_EC_POINT is the point in a DER OCTET STRING.
        point = bytes(key[pkcs11.Attribute.EC_POINT])[-_POINT:]
        if bytes(key[pkcs11.Attribute.EC_PARAMS]) != _P256:
            raise KeyPlaceError(f"`{self}` is no P-256 key")
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError as error:
            raise KeyPlaceError(f"`{self}` is no P-256 key") from error
        return PublicKey(
            public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    @contextlib.contextmanager
    def _session(
        self, pin: bytes | None, *, write: bool = False
    ) -> Iterator[tuple[ModuleType, Any]]:
        """A session with the token; what goes wrong in it is told in our words."""
        try:
            import pkcs11
        except ImportError as error:
            raise KeyPlaceError(
                "the library for tokens is not installed", hint="pip install 'remit[pkcs11]'"
            ) from error
        try:
            token = pkcs11.lib(self.module).get_token(
                token_label=self.token or None, token_serial=self.serial.encode() or None
            )
            # The library takes a PIN as text only.
            text = None if pin is None else pin.decode(errors="replace")
            with token.open(user_pin=text, rw=write) as session:
                yield pkcs11, session
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise KeyPlaceError(
                f"`{self.module}` has not exactly one such token",
                hint="plug it in, and look at `token` and `serial` in the URI",
            ) from error
        except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid) as error:
            raise KeyPlaceError(
                "the token does not open with this PIN", code="attest.pin"
            ) from error
        except pkcs11.PinLocked as error:
            raise KeyPlaceError(
                "the token is locked", hint="its maker's tool unlocks it", code="attest.pin"
            ) from error
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            what = str(error) or type(error).__name__
            raise KeyPlaceError(f"the token at `{self.module}` does not work: {what}") from error

    def __str__(self) -> str:
        """The URI, without what it does not need."""
        from urllib.parse import quote

        parts = {"token": self.token, "serial": self.serial, "object": self.label}
        path = [f"{name}={quote(value, safe='')}" for name, value in parts.items() if value]
        if self.key_id:
            path.append("id=" + "".join(f"%{byte:02x}" for byte in self.key_id))
        return f"pkcs11:{';'.join(path)}?module-path={quote(self.module)}"


class TokenSigner:
    """Signs on the token, in a session for each signature."""

    def __init__(self, place: TokenPlace, pin: bytes, public: PublicKey) -> None:
        self._place = place
        self._pin = pin
        self.public = public

    def sign(self, message: bytes) -> bytes:
        """DER-encoded ECDSA over SHA-256 of ``message``.

        Raises:
            AttestError: the token is gone, or signed with another key.
        """
        # Hashed here: many tokens offer plain ECDSA only.
        raw = self._place.ecdsa(self._pin, hashlib.sha256(message).digest())
        r, s = raw[:_COORDINATE], raw[_COORDINATE:]
        signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        if not self.public.verifies(signature, message):
            raise StatementError(
                "the token signed with another key than its public one",
                hint="name the key by object and id",
                code="attest.token",
            )
        return signature
