"""Bytes of another registry on their way to a client, who gets all of them only if right."""

from collections.abc import AsyncGenerator, AsyncIterator

from remit.artifacts.oci.digests import algorithm_of, hasher
from remit.core.digest import Digest
from remit.hub.registry.errors import BadGateway


async def verified(
    pieces: AsyncIterator[bytes], digest: Digest, size: int | None
) -> AsyncIterator[bytes]:
    """``pieces``, each given out when the next one is there, the last one when all were right.

    Raises:
        BadGateway: they do not have ``digest`` or ``size``; the last of them was kept back, so that
            nobody takes for whole what is not.
    """
    taken, found, last = hasher(algorithm_of(digest)), 0, b""
    async for piece in pieces:
        if not piece:
            continue
        found += len(piece)
        if size is not None and found > size:
            break
        taken.update(piece)
        if last:
            yield last
        last = piece
    if size is not None and found != size:
        raise BadGateway(f"the upstream registry gave {found} bytes of `{digest}` and said {size}")
    if f"{algorithm_of(digest)}:{taken.hexdigest()}" != digest:
        raise BadGateway(f"what the upstream registry gave does not have the digest `{digest}`")
    if last:
        yield last


async def bounded(pieces: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """``pieces`` of a part of a blob, which nobody can verify but whoever puts the parts together.

    Raises:
        BadGateway: they are more or fewer than ``size`` bytes; never more are given out.
    """
    found = 0
    async for piece in pieces:
        found += len(piece)
        if found > size:
            break
        yield piece
    if found != size:
        raise BadGateway("the upstream registry gave a part that is not as long as it said")
