"""Numbers of tensors as float64, and statistics of them, a chunk at a time.

8-bit floats are the OCP ones (E4M3 without infinity, E5M2 as IEEE 754); BF16 is the upper half of
a float32.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_PLAIN = {
    "bool": "?", "u8": "u1", "i8": "i1", "u16": "<u2", "i16": "<i2", "u32": "<u4", "i32": "<i4",
    "u64": "<u8", "i64": "<i8", "f16": "<f2", "f32": "<f4", "f64": "<f8",
}  # fmt: skip
WIDTHS = {"bf16": 2, "f8_e4m3": 1, "f8_e5m2": 1, "bool": 1, "u8": 1, "i8": 1, "u16": 2, "i16": 2,
          "u32": 4, "i32": 4, "u64": 8, "i64": 8, "f16": 2, "f32": 4, "f64": 8}  # fmt: skip
"""Bytes of one number of each kind that can be read."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Of all numbers of a tensor; of those that are finite where it matters.

    Attributes:
        count: of all.
        nan, infinite: how many are none.
        minimum, maximum, mean, deviation: of the finite ones; ``None`` if there are none.
    """

    count: int
    nan: int
    infinite: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How far the numbers of two tensors of one shape are apart.

    Attributes:
        changed: numbers that are not equal; two that are both NaN are.
        share: of all, 0 to 1.
        largest: biggest absolute difference of two finite numbers.
        mean: absolute difference, over all that are finite on both sides.
        relative: norm of the difference by norm of the first side; ``None`` if that is 0.
    """

    changed: int
    share: float
    largest: float
    mean: float
    relative: float | None


def decode(data: bytes, scalar: str) -> "Array":
    """The numbers in ``data`` as float64."""
    import numpy as np

    if scalar == "bf16":
        upper = np.frombuffer(data, "<u2").astype("<u4") << 16
        return upper.view("<f4").astype(np.float64)
    if scalar in {"f8_e4m3", "f8_e5m2"}:
        return _eights(scalar)[np.frombuffer(data, np.uint8)]
    return np.frombuffer(data, _PLAIN[scalar]).astype(np.float64)


@functools.cache
def _eights(scalar: str) -> "Array":
    """Value of each byte of an 8-bit float."""
    import numpy as np

    mantissa, bias = (3, 7) if scalar == "f8_e4m3" else (2, 15)
    out = np.empty(256)
    for code in range(256):
        sign = -1.0 if code & 0x80 else 1.0
        exponent, fraction = (code & 0x7F) >> mantissa, code & ((1 << mantissa) - 1)
        if scalar == "f8_e4m3" and code & 0x7F == 0x7F:  # noqa: PLR2004 - the only NaN
            out[code] = math.nan
        elif scalar == "f8_e5m2" and exponent == 0x1F:  # noqa: PLR2004 - as IEEE 754
            out[code] = math.nan if fraction else sign * math.inf
        elif exponent == 0:
            out[code] = sign * fraction * 2.0 ** (1 - bias - mantissa)
        else:
            out[code] = sign * (1 + fraction / (1 << mantissa)) * 2.0 ** (exponent - bias)
    return out


class Sums:
    """Statistics of chunks that come one after the other."""

    def __init__(self) -> None:
        self.count = self.nan = self.infinite = 0
        self._minimum, self._maximum = math.inf, -math.inf
        self._mean = self._square = 0.0
        self._finite = 0

    def take(self, values: "Array") -> None:
        """More numbers; mean and deviation are joined after Chan et al. (1983)."""
        import numpy as np

        self.count += values.size
        finite = np.isfinite(values)
        if not finite.all():
            nan = int(np.isnan(values).sum())
            self.nan += nan
            self.infinite += int(values.size - finite.sum()) - nan
            values = values[finite]
        if not values.size:
            return
        self._minimum = min(self._minimum, float(values.min()))
        self._maximum = max(self._maximum, float(values.max()))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            square = float(np.square(values - mean).sum())
        total = self._finite + values.size
        apart = mean - self._mean
        self._mean += apart * values.size / total
        self._square += square + apart * apart * self._finite * values.size / total
        self._finite = total

    def done(self) -> Statistics:
        """Of everything that was taken."""
        some = self._finite > 0
        return Statistics(
            count=self.count,
            nan=self.nan,
            infinite=self.infinite,
            minimum=self._minimum if some else None,
            maximum=self._maximum if some else None,
            mean=_finite(self._mean) if some else None,
            deviation=_finite(math.sqrt(self._square / self._finite)) if some else None,
        )


class Apart:
    """The distance of two tensors, chunk by chunk."""

    def __init__(self) -> None:
        self._count = self._changed = self._both = 0
        self._largest = self._sum = self._square = self._norm = 0.0

    def take(self, a: "Array", b: "Array") -> None:
        """The same numbers of both sides."""
        import numpy as np

        self._count += a.size
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        self._changed += int(a.size - equal.sum())
        both = np.isfinite(a) & np.isfinite(b)
        if not both.all():
            a, b = a[both], b[both]
        if a.size:
            with np.errstate(over="ignore", invalid="ignore"):
                gap = np.abs(b - a)
                self._both += gap.size
                self._largest = max(self._largest, float(gap.max()))
                self._sum += float(gap.sum())
                self._square += float(np.square(gap).sum())
                self._norm += float(np.square(a).sum())

    def done(self) -> Moved:
        """Of everything that was taken."""
        relative = math.sqrt(self._square / self._norm) if self._norm > 0 else None
        return Moved(
            changed=self._changed,
            share=self._changed / self._count if self._count else 0.0,
            largest=_finite(self._largest) or 0.0,
            mean=_finite(self._sum / self._both) or 0.0 if self._both else 0.0,
            relative=relative if relative is not None and math.isfinite(relative) else None,
        )


def statistics(chunks: Iterable[bytes], scalar: str) -> Statistics:
    """Of one tensor."""
    sums = Sums()
    for chunk in chunks:
        sums.take(decode(chunk, scalar))
    return sums.done()


def both(
    a: Iterator[bytes], b: Iterator[bytes], scalar_a: str, scalar_b: str
) -> tuple[Statistics, Statistics, Moved]:
    """Of two tensors of as many numbers; chunks hold as many numbers on both sides."""
    left, right, apart = Sums(), Sums(), Apart()
    for x, y in zip(a, b, strict=False):
        values_a, values_b = decode(x, scalar_a), decode(y, scalar_b)
        shorter = min(values_a.size, values_b.size)
        left.take(values_a)
        right.take(values_b)
        apart.take(values_a[:shorter], values_b[:shorter])
    return left.done(), right.done(), apart.done()


def differing_bytes(a: Iterator[bytes], b: Iterator[bytes]) -> int:
    """How many bytes differ, of two runs of equal length."""
    import numpy as np

    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            shorter = min(len(x), len(y))
            left, right = np.frombuffer(x, np.uint8), np.frombuffer(y, np.uint8)
            count += int((left[:shorter] != right[:shorter]).sum())
    return count


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
