"""Tokens for values that were taken out, and the way back, which only their session has."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from remit.content.values import pointer

ENTROPY_BYTES = 16
MAX_VALUES = 10_000
TOKEN = re.compile(r"<remit:([A-Za-z0-9_.-]{1,64}):([a-z2-7]{26})>")

Value = str | int | float
Allowed = Callable[[str, str], bool]
"""Whether the value of a token with this label may be put back at this JSON pointer."""


class Vault(Protocol):
    """Maps tokens to values for one session."""

    def put(self, value: Value, label: str) -> str | None:
        """The token of ``value``, equal for equal values; ``None`` if no more can be kept."""
        ...

    def get(self, token: str) -> Value | None:
        """The value; ``None`` for a token that this vault did not give out."""
        ...


class SessionVault:
    """A vault in memory. Tokens are random (128 bits), so nobody can make one up or compute one.

    One object per session is what binds tokens to it. Belongs to one thread.
    """

    def __init__(self, entropy: Callable[[int], bytes], *, limit: int = MAX_VALUES) -> None:
        self._entropy = entropy
        self._limit = limit
        self._tokens: dict[tuple[str, type, Value], str] = {}
        self._values: dict[str, Value] = {}

    def put(self, value: Value, label: str) -> str | None:
        """See :class:`Vault`."""
        known = self._tokens.get((label, type(value), value))
        if known is not None:
            return known
        if len(self._values) >= self._limit:
            return None
        name = base64.b32encode(self._entropy(ENTROPY_BYTES)).decode().rstrip("=").lower()
        token = f"<remit:{label}:{name}>"
        self._tokens[label, type(value), value] = token
        self._values[token] = value
        return token

    def get(self, token: str) -> Value | None:
        """See :class:`Vault`."""
        return self._values.get(token)


def detokenise(value: Any, vault: Vault, allowed: Allowed) -> Any:
    """``value`` with real values where tokens of ``vault`` stand and ``allowed`` agrees.

    Keys stay as they are. A token that the vault does not know stays: it means nothing. A string
    that is one token becomes the value in its own type.
    """
    return _restore(value, "", vault, allowed)


def _restore(value: Any, path: str, vault: Vault, allowed: Allowed) -> Any:
    if isinstance(value, str):
        return _text(value, path, vault, allowed)
    if isinstance(value, Mapping):
        return {k: _restore(v, pointer(path, k), vault, allowed) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_restore(v, pointer(path, at), vault, allowed) for at, v in enumerate(value)]
    return value


def _text(text: str, path: str, vault: Vault, allowed: Allowed) -> Value:
    def real(match: re.Match[str]) -> Value | None:
        value = vault.get(match[0])
        return value if value is not None and allowed(path, match[1]) else None

    whole = TOKEN.fullmatch(text)
    if whole is not None:
        value = real(whole)
        return text if value is None else value

    def put_back(match: re.Match[str]) -> str:
        value = real(match)
        return match[0] if value is None else str(getattr(value, "token", value))

    return TOKEN.sub(put_back, text) if "<remit:" in text else text
