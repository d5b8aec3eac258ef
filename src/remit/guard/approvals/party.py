"""Under which name passkeys know the pages of a Guard. Pure."""

import re
from urllib.parse import urlsplit

from remit.attest.webauthn import Party

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TLS_PORT = 443


def party_of(base: str) -> Party | None:
    """Who asks passkeys for signatures at a listener; ``None`` if browsers have none there.

    They want TLS or this machine, and a name: an address of numbers is no relying party id, so
    pages on this machine are under ``localhost`` (Web Authentication Level 3 §5.1.2, §13.4.9).

    Args:
        base: canonical URL of the listener.
    """
    parts = urlsplit(base)
    host = parts.hostname or ""
    if host in _LOOPBACK:
        port = f":{parts.port}" if parts.port else ""
        return Party(id="localhost", origin=f"{parts.scheme}://localhost{port}")
    if parts.scheme != "https" or not host or ":" in host or re.fullmatch(r"[0-9.]+", host):
        return None
    port = f":{parts.port}" if parts.port not in {None, _TLS_PORT} else ""
    return Party(id=host, origin=f"https://{host}{port}")
