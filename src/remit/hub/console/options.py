"""What the console was asked to do, as the command line says it."""

from pathlib import Path
from typing import Annotated

import msgspec

from remit.web.urls import ALGORITHMS


class ConsoleOpenId(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of OpenID Connect that knows the people who use the console.

    Attributes:
        issuer: exact ``iss`` of id tokens; ``https``, or ``http`` on loopback.
        client_id: the Hub's name there.
        secret_file: holds the client's secret; ``None`` for a public client.
        user_claim: is the name of the account.
        name_claim: is the printed name.
        scopes, algorithms: what is asked for, and accepted.
    """

    issuer: str
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    secret_file: Path | None = None
    user_claim: str = "preferred_username"
    name_claim: str = "name"
    scopes: str = "openid profile email"
    algorithms: tuple[str, ...] = ALGORITHMS


class ConsoleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the console was asked to do.

    Attributes:
        openid: who says who people are, besides passwords.
        trust: file of the trust root that evidence is verified by; ``None`` for the Hub's own keys.
        trust_key: public key that must have signed it; ``None`` to take it as it lies there.
    """

    openid: ConsoleOpenId | None = None
    trust: Path | None = None
    trust_key: Path | None = None
