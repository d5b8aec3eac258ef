"""The issuer's public keys: which of a JWK set (RFC 7517) may verify what.

A key is taken only if everything it says of itself fits: signatures, by the algorithm of the
token, with a public key of a good size. All others are as if they were not there.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.web.errors import WebError
from remit.web.jws import MAX_KEY_ID

if TYPE_CHECKING:
    from joserfc.jwk import Key

MAX_BYTES = 256 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192

_KINDS = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
_SAME = {"EdDSA": "Ed25519"}  # RFC 9864: on this curve both name one algorithm
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key that may verify signatures.

    Attributes:
        id: its ``kid``; ``None`` if it has none.
        kind: ``kty`` and ``crv``.
        algorithm: the only algorithm it is for; empty if it does not say.
        key: the library's.
    """

    id: str | None
    kind: tuple[str, str | None]
    algorithm: str
    key: Any

    def is_for(self, algorithm: str) -> bool:
        """Whether signatures by ``algorithm`` may be this key's."""
        if self.kind != _KINDS.get(algorithm):
            return False
        own = _SAME.get(self.algorithm, self.algorithm)
        return own in {"", _SAME.get(algorithm, algorithm)}


class KeySet(msgspec.Struct, frozen=True):
    """The usable keys of an issuer."""

    keys: tuple[PublicKey, ...]

    def knows(self, key_id: str | None) -> bool:
        """Whether looking again is of no use: the id is here, or none is asked for."""
        return key_id is None or any(key.id == key_id for key in self.keys)

    def candidates(self, key_id: str | None, algorithm: str) -> "Sequence[Key]":
        """Keys that could have made a signature; none if that is not clear.

        A token that names no key is the only usable key's; with two it could be anybody's.
        """
        fitting = [key for key in self.keys if key.is_for(algorithm)]
        if key_id is None:
            return [key.key for key in fitting] if len(fitting) == 1 else []
        return [key.key for key in fitting if key.id == key_id]


def read_key_set(data: bytes) -> KeySet:
    """The usable keys of a JWK set.

    Raises:
        WebError: not a JWK set, or one without any usable key.
    """
    try:
        value = parse(data, fold_keys=False, max_bytes=MAX_BYTES)
    except RemitError as error:
        raise WebError("the issuer's keys are not strict JSON", code="oauth.keys") from error
    found = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise WebError("the issuer's keys are not a JWK set", code="oauth.keys")
    keys = tuple(key for key in map(_usable, found) if key is not None)
    if not keys:
        raise WebError("the issuer has no key that could be used", code="oauth.keys")
    return KeySet(keys)


def _usable(jwk: Any) -> PublicKey | None:
    if not isinstance(jwk, dict) or not all(isinstance(v, str) for v in _texts(jwk)):
        return None
    key_id, algorithm = jwk.get("kid"), jwk.get("alg", "")
    operations = jwk.get("key_ops", ["verify"])
    kind = (jwk.get("kty", ""), jwk.get("crv") if jwk.get("kty") != "RSA" else None)
    unfit = (
        kind not in _KINDS.values()
        or jwk.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
        # Whoever publishes a private key has lost it.
        or not _PRIVATE.isdisjoint(jwk)
        or (key_id is not None and not 0 < len(key_id) <= MAX_KEY_ID)
        or (algorithm != "" and _KINDS.get(algorithm) != kind)
    )
    key = None if unfit else _imported(jwk)
    if key is None:
        return None
    return PublicKey(id=key_id, kind=kind, algorithm=algorithm, key=key)


def _texts(jwk: Mapping[str, Any]) -> list[Any]:
    return [jwk[name] for name in (*_PUBLIC, "kid", "alg", "use") if name in jwk]


def _imported(jwk: Mapping[str, Any]) -> "Key | None":
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        if jwk["kty"] == "RSA" and not MIN_RSA_BITS <= _bits(jwk["n"]) <= MAX_RSA_BITS:
            return None
        # Only what makes up the key: `use`, `alg` and the like were settled above.
        return import_key({name: jwk[name] for name in _PUBLIC if name in jwk})
    except (JoseError, ValueError, TypeError, KeyError, ArithmeticError):
        return None


def _bits(number: str) -> int:
    data = urlsafe_b64decode(number + "=" * (-len(number) % 4))
    return int.from_bytes(data).bit_length()
