"""A blob of the store that is read once, and hashed while it is read.

What is hashed and what is handed on are the same bytes objects, whatever becomes of the file
meanwhile. A blob of more than one block is read and hashed by a thread of its own, a few blocks
ahead, so that the hashing takes no time of what is done with the bytes: :mod:`hashlib` and the
system calls let other threads run. Nothing may be believed before :meth:`Blob.verify`.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from remit.artifacts.errors import ArchiveError, DigestError
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.oci.digests import algorithm_of, hasher
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.tarball import CHUNK_BYTES

AHEAD = 4
"""Blocks of 1 MiB that are read before somebody asks for them."""


class Blob:
    """An open blob; :meth:`close` it.

    Args:
        layout: the store.
        descriptor: of the blob.
        told: is told how many bytes were handed on.

    Raises:
        LayoutError: it is not in the store.
        DigestError: the file has another size.
    """

    def __init__(
        self, layout: Layout, descriptor: Descriptor, told: Callable[[int], None] = lambda _: None
    ) -> None:
        self._descriptor = descriptor
        self._told = told
        self._hasher = hasher(algorithm_of(descriptor.digest))
        self._block = memoryview(b"")
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: deque[Future[bytes]] = deque()
        try:
            self._file = layout.path(descriptor.digest).open("rb", buffering=0)
        except FileNotFoundError:
            raise LayoutError(
                f"`{descriptor.digest}` is not in the store `{layout.root}`",
                hint="`remit pull` fetches what is missing",
            ) from None
        if os.fstat(self._file.fileno()).st_size != descriptor.size:
            self.close()
            raise DigestError(f"the file of `{descriptor.digest}` has another size")
        if descriptor.size > CHUNK_BYTES:
            self._pool = ThreadPoolExecutor(max_workers=1)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end.

        Raises:
            OSError: the disk is broken.
        """
        if not self._block:
            self._block = memoryview(self._next())
        data = bytes(self._block[:size])
        self._block = self._block[size:]
        self._told(len(data))
        return data

    def verify(self) -> None:
        """Check that all was read and has the digest.

        Raises:
            ArchiveError: there is more.
            DigestError: it has another digest.
        """
        if self._block or self._next():
            raise ArchiveError(f"the layer `{self._descriptor.digest}` has more behind its end")
        algorithm = algorithm_of(self._descriptor.digest)
        if f"{algorithm}:{self._hasher.hexdigest()}" != self._descriptor.digest:
            raise DigestError(
                f"the file of `{self._descriptor.digest}` in the store holds something else",
                hint="`remit pull` fetches it again once it is removed",
            )

    def close(self) -> None:
        """Close the file, once nobody reads it any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._file.close()

    def _next(self) -> bytes:
        """The next block, hashed; none at the end."""
        if self._pool is None:
            return self._hashed()
        while len(self._ahead) < AHEAD:
            self._ahead.append(self._pool.submit(self._hashed))
        return self._ahead.popleft().result()

    def _hashed(self) -> bytes:
        """Read a block and hash it; of one thread only, and so in order."""
        block = self._file.read(CHUNK_BYTES) or b""
        self._hasher.update(block)
        return block
