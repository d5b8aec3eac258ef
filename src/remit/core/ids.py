"""Identifiers that sort by time: 48 bits of milliseconds, 80 random bits (the ULID layout)."""

from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHIFTS = range(120, -1, -10)
ENTROPY_BYTES = 10


def ulid(now_us: int, entropy: bytes) -> str:
    """A ULID of 26 characters in Crockford base 32.

    Args:
        now_us: microseconds since the Unix epoch.
        entropy: 10 random bytes.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("a ULID takes 10 bytes of entropy")
    number = (now_us // 1000 & (1 << 48) - 1) << 80 | int.from_bytes(entropy, "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


class EntropyPool:
    """Random bytes from a source that is asked rarely and for much: a system call costs more.

    Bytes are given out once. Belongs to one thread, and not to be used across a fork.
    """

    BLOCK = 4096

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._block = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """``count`` random bytes."""
        if count > self.BLOCK:
            return self._source(count)
        end = self._at + count
        if end > len(self._block):
            self._block = self._source(self.BLOCK)
            self._at, end = 0, count
        taken = self._block[self._at : end]
        self._at = end
        return taken
