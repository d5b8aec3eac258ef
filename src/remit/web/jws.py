"""Signed tokens in compact form (RFC 7515), read once, strictly, and then verified.

The library (``joserfc``) is asked for one thing: is this the signature of this key over these
bytes. What is signed was parsed here before, by the parser that refuses everything that two
readers could read differently. It is imported when a key or a signature is needed, not before.
"""

import functools
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NewType

import msgspec

from remit.core.errors import RemitError
from remit.core.strictjson import parse
from remit.core.text import printable
from remit.web.errors import invalid
from remit.web.urls import ALGORITHMS

if TYPE_CHECKING:
    from joserfc.jwk import Key
    from joserfc.jws import JWSRegistry

MAX_TOKEN = 16 * 1024
MAX_HEADER = 4 * 1024
MAX_SIGNATURE = 1024
MAX_KEY_ID = 256
_SEGMENTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
# None of these is understood here; a token that needs one of them is not understood either.
_EXTENSIONS = ("crit", "b64", "zip", "enc")

VerifiedClaims = NewType("VerifiedClaims", dict[str, Any])
"""Claims of a token whose signature was checked; whether they hold is another question."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token in its parts; nothing in it is verified.

    Attributes:
        text: as it was presented.
        algorithm: ``alg`` of the header.
        key_id: ``kid``; ``None`` if it names none.
        type: ``typ`` in lower case without ``application/``; empty if there is none.
        claims: the payload.
    """

    text: str
    algorithm: str
    key_id: str | None
    type: str
    claims: dict[str, Any]

    def __repr__(self) -> str:
        """Without the token."""
        return f"Token(alg={self.algorithm!r}, typ={self.type!r})"

    def verified(self, key: "Key") -> VerifiedClaims | None:
        """The claims if ``key`` made the signature, else ``None``.

        The key was chosen for the algorithm: see :mod:`.jwks`.
        """
        from joserfc.errors import JoseError
        from joserfc.jws import deserialize_compact

        try:
            deserialize_compact(self.text, key, registry=_registry(self.algorithm))
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return VerifiedClaims(self.claims)


@functools.cache
def _registry(algorithm: str) -> "JWSRegistry":
    """What the library needs to verify by exactly this algorithm."""
    from joserfc.jws import JWSRegistry

    class Registry(JWSRegistry):
        max_header_length = MAX_HEADER
        max_signature_length = MAX_SIGNATURE

        def get_alg(self, name: str) -> Any:
            # The library's own list warns of `EdDSA`, whose curve is settled by the key here.
            if name != algorithm or name not in ALGORITHMS:
                raise KeyError(name)
            return self.algorithms[name]

    return Registry(algorithms=[algorithm], strict_check_header=False)


def read_token(text: str) -> Token:
    """Take a token apart.

    Raises:
        TokenError: not three canonical base64url parts, JSON that is not strict, sizes,
            header parameters of the wrong type, or extensions.
    """
    if len(text) > MAX_TOKEN:
        raise invalid(f"the token is larger than {MAX_TOKEN} bytes", "oauth.size")
    segments = _SEGMENTS.fullmatch(text)
    if segments is None:
        raise invalid("the token is not a signed JWT", "oauth.malformed")
    header = _object(_decoded(segments[1]), fold_keys=True)
    _decoded(segments[3])
    for name in _EXTENSIONS:
        if name in header:
            raise invalid(f"the token needs `{name}`, which is not supported", "oauth.extension")
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(kind, str):
        raise invalid("the header of the token is not one of a JWT", "oauth.malformed")
    if key_id is not None and (not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID):
        raise invalid("the token names its key in a form nobody uses", "oauth.malformed")
    return Token(
        text=text,
        algorithm=algorithm,
        key_id=key_id,
        type=kind.lower().removeprefix("application/"),
        claims=_object(_decoded(segments[2]), fold_keys=False),
    )


def _decoded(segment: str) -> bytes:
    padded = segment + "=" * (-len(segment) % 4)
    try:
        data = urlsafe_b64decode(padded)
    except ValueError as error:
        raise invalid("the token is not base64url", "oauth.malformed") from error
    # Spare bits of the last character would let one token have several spellings.
    if urlsafe_b64encode(data).decode() != padded:
        raise invalid("the token is not canonical base64url", "oauth.malformed")
    return data


def _object(data: bytes, *, fold_keys: bool) -> dict[str, Any]:
    try:
        value = parse(data, fold_keys=fold_keys, max_bytes=MAX_TOKEN, max_depth=16)
    except RemitError as error:
        raise invalid("the token holds JSON that is not unambiguous", error.code) from error
    if not isinstance(value, dict):
        raise invalid("a part of the token is not an object", "oauth.malformed")
    return value


def text_claim(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is text which can be shown; empty if it is missing.

    Raises:
        TokenError: it is there and is anything else.
    """
    value = claims.get(name)
    if value is None:
        return ""
    wrong = not isinstance(value, str) or not 0 < len(value) <= MAX_KEY_ID
    if wrong or value != printable(value).strip() or "\n" in value or "\t" in value:
        raise invalid("a claim of the token that should name somebody does not", "oauth.claim")
    return str(value)
