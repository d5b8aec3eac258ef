"""The repositories of a registry, where it lists them (``_catalog``, distribution's own)."""

from collections.abc import AsyncIterator

from remit.artifacts.oci.answers import next_link
from remit.artifacts.oci.errors import ProtocolError
from remit.artifacts.oci.http import read
from remit.artifacts.oci.names import is_repository
from remit.artifacts.oci.session import Call, Session
from remit.core.strictjson import StrictJsonError, parse

PAGE = 1000
MAX_PAGES = 10_000
MAX_PAGE_BYTES = 8 * 1024 * 1024
_SCOPE = "registry:catalog:*"


async def repositories(session: Session) -> AsyncIterator[str]:
    """Names of all repositories, as the registry sorts them.

    Raises:
        RegistryError: it does not list them, or not to whoever asks.
        ProtocolError: the list cannot be read, or has no end.
    """
    target = f"/v2/_catalog?n={PAGE}"
    seen: set[str] = set()
    while target:
        if target in seen or len(seen) >= MAX_PAGES:
            raise ProtocolError(f"the list of the repositories of `{session.origin}` has no end")
        seen.add(target)
        call = Call(method="GET", target=target, what="list the repositories", scopes=(_SCOPE,))
        async with session.send(call) as answer:
            data = await read(answer, MAX_PAGE_BYTES)
            link = next_link(answer.headers)
        try:
            page = parse(data, fold_keys=False, max_bytes=MAX_PAGE_BYTES, max_depth=8)
        except StrictJsonError as error:
            raise ProtocolError(f"the list of repositories cannot be read: {error}") from error
        names = page.get("repositories") if isinstance(page, dict) else None
        if names is not None and not isinstance(names, list):
            raise ProtocolError("the list of repositories is not a list")
        for name in names or []:
            if isinstance(name, str) and is_repository(name):
                yield name
        target = session.follow(link, session.follow(target)) if link else ""
