"""Kinds of files that are known and not read, so that the reason says so."""

from collections.abc import Iterator

from remit.artifacts.diff.base import Change, NotLookedIntoError, Pair, Work

_KINDS = {
    ".pb": "graphs in protocol buffers",
    ".tflite": "TensorFlow Lite models",
    ".h5": "HDF5 files",
    ".hdf5": "HDF5 files",
    ".mlmodel": "Core ML models",
    ".engine": "compiled engines",
    ".7z": "7z archives",
    ".rar": "RAR archives",
    ".exe": "programs",
    ".dll": "programs",
    ".so": "programs",
    ".dylib": "programs",
    ".pyc": "compiled Python files",
}


class UnreadComparer:
    """Never has a change to tell."""

    name = "unread"
    order = 900

    def takes(self, pair: Pair) -> bool:
        """By suffix."""
        return pair.suffix in _KINDS

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Refuse.

        Raises:
            NotLookedIntoError: always.
        """
        del work
        yield from ()
        raise NotLookedIntoError(f"{_KINDS[pair.suffix]} are not looked into")


COMPARER = UnreadComparer()
