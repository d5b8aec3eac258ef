"""Unpacking gzip (RFC 1952) and Zstandard (RFC 8878) streams without trusting them.

A few bytes can unpack to gigabytes, so output is taken in pieces of at most 1 MiB and counted
against :class:`~remit.artifacts.members.Limits`. A stream that ends early, or has something behind
its end, is refused; several streams one after another are one, as both formats say.
"""

import importlib
import zlib
from collections.abc import Callable
from typing import Any, Literal, Protocol

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import LIMITS, Limits
from remit.artifacts.tarball import CHUNK_BYTES

Compression = Literal["", "gzip", "zstd"]
MAX_WINDOW_LOG = 27
"""128 MiB, the most memory that a Zstandard stream may ask for."""
_INPUT_BYTES = 64 * 1024


class _Decompressor(Protocol):
    """One stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def take(self, data: bytes, size: int) -> bytes: ...
    @property
    def hungry(self) -> bool: ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.hungry = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def take(self, data: bytes, size: int) -> bytes:
        out = self._stream.decompress(self._stream.unconsumed_tail + data, size)
        self.hungry = not self._stream.unconsumed_tail and len(out) < size
        return out


class _Zstd:
    def __init__(self) -> None:
        module = _zstd()
        options = {module.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        self._stream = module.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._stream.unused_data)

    @property
    def hungry(self) -> bool:
        return bool(self._stream.needs_input)

    def take(self, data: bytes, size: int) -> bytes:
        return bytes(self._stream.decompress(data, size))


def _zstd() -> Any:
    """The standard library's module (Python 3.14), or its backport."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return importlib.import_module("backports.zstd")


class Decompressed:
    """The content of a compressed stream, to be read in pieces.

    Args:
        read: gives up to so many bytes of the compressed stream; none at its end.
        compression: ``""`` for none.
        limits: for the ratio.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        compression: Compression,
        limits: Limits = LIMITS,
    ) -> None:
        self._source = read
        self._limits = limits
        self._compression = compression
        self._stream: _Decompressor | None = None
        self._kept = b""
        self._taken = 0
        self._given = 0

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, at most 1 MiB; none at the end.

        Raises:
            ArchiveError: the stream is broken, cut off, followed by something else, or unpacks to
                too much.
        """
        if not self._compression:
            return self._source(min(size, CHUNK_BYTES))
        size = min(size, CHUNK_BYTES)
        while size:
            if self._stream is None and not self._begin():
                return b""
            out = self._step(size)
            if out:
                return out
        return b""

    def _begin(self) -> bool:
        """Start the next stream, if there is one."""
        if not self._kept:
            self._kept = self._more()
            if not self._kept:
                if not self._taken:
                    raise ArchiveError("the compressed archive is empty")
                return False
        self._stream = _Gzip() if self._compression == "gzip" else _Zstd()
        return True

    def _more(self) -> bytes:
        data = self._source(_INPUT_BYTES)
        self._taken += len(data)
        return data

    def _step(self, size: int) -> bytes:
        stream = self._stream
        assert stream is not None
        data, self._kept = self._kept, b""
        if not data and stream.hungry:
            data = self._more()
            if not data:
                raise ArchiveError(f"the {self._compression} stream is cut off")
        try:
            out = stream.take(data, size)
        except (zlib.error, ValueError, EOFError) as error:
            raise self._broken(error) from error
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise self._broken(error) from error
        if stream.eof:
            self._kept, self._stream = stream.unused_data, None
        self._given += len(out)
        limits = self._limits
        if self._given > max(limits.free, limits.ratio * self._taken):
            raise ArchiveError(
                f"the archive unpacks to more than {limits.ratio} times its size",
                hint="archives made to fill a disk do that; pack it anew without compression if"
                " it is meant to",
            )
        return out

    def _broken(self, error: Exception) -> ArchiveError:
        return ArchiveError(f"the {self._compression} stream is broken: {error}")
