"""What readers of models give: names, shapes, types, and where the numbers are."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import msgspec

CHUNK_BYTES = 4 * 1024 * 1024
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 32


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a file.

    Attributes:
        name: as the file has it.
        dtype: as the format writes it: ``BF16``, ``Q4_K``, ``<f4``.
        shape: sizes of its dimensions.
        offset, size: of its bytes in the file.
        scalar: how its numbers are read (:mod:`remit.artifacts.diff.formats.numbers`); empty if
            they are packed in blocks.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    scalar: str = ""

    @property
    def count(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    def chunks(self, file: BinaryIO, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Its bytes, in pieces of ``size``."""
        file.seek(self.offset)
        left = self.size
        while left:
            chunk = file.read(min(size, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a file of tensors.

    Attributes:
        tensors: by name.
        metadata: what else it says, by key.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any] = {}
