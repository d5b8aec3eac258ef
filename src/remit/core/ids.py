"""Identifiers that sort by time: 48 bits of milliseconds, 80 random bits (the ULID layout)."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(now_us: int, entropy: bytes) -> str:
    """A ULID of 26 characters in Crockford base 32.

    Args:
        now_us: microseconds since the Unix epoch.
        entropy: 10 random bytes.
    """
    if len(entropy) != 10:  # noqa: PLR2004 - the ULID specification
        raise ValueError("a ULID takes 10 bytes of entropy")
    number = (now_us // 1000 & (1 << 48) - 1) << 80 | int.from_bytes(entropy, "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
