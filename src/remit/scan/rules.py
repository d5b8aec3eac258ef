"""Digests of what decides what a scanner finds: its code and its data files."""

from pathlib import Path

from remit.core.digest import Digest, sha256

_ROOT = Path(__file__).parent


def rules_of(*paths: str, more: str = "") -> Digest:
    """Of files below ``remit.scan``, directories with all their modules, and of ``more``.

    A change of any asks for new scans.
    """
    parts = [more.encode()]
    for path in paths:
        place = _ROOT / path
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            parts += [file.relative_to(_ROOT).as_posix().encode(), file.read_bytes()]
    return sha256(b"\0".join(parts))
