"""Arrays that joblib writes between the opcodes of a pickle, and types of numpy's arrays."""

import math

from remit.scan.pickle.source import BrokenPickleError, Source
from remit.scan.pickle.values import Global, Items, Made, Value

_UNITS = {"U": 4}
_DEPTH = 8


def is_wrapper(of: Global) -> bool:
    """Whether raw numbers follow when it gets its state."""
    return of == Global("joblib.numpy_pickle", "NumpyArrayWrapper", "class")


def pass_over(source: Source, wrapper: Made) -> bool:
    """Go behind the numbers that follow a wrapper; whether a pickle follows instead.

    Raises:
        BrokenPickleError: how many there are is not known.
    """
    state = wrapper.state
    if not isinstance(state, Items):
        raise BrokenPickleError("an array of joblib has no state")
    shape, kind = state.get("shape"), state.get("dtype")
    width = item_bytes(kind)
    sizes = shape.items if isinstance(shape, Items) and shape.whole else None
    if width is None or sizes is None or not all(type(n) is int and n >= 0 for n in sizes):
        raise BrokenPickleError("an array of joblib has a size that is not known")
    if width == 0:
        return True
    if isinstance(state.get("numpy_array_alignment_bytes"), int):
        source.skip(source.number("B", 1))
    source.skip(width * math.prod(int(n) for n in sizes if isinstance(n, int)))
    return False


def item_bytes(kind: "Value | None", depth: int = 0) -> int | None:
    """Bytes of one item; 0 for objects, None if it is not known."""
    if not isinstance(kind, Made) or not kind.arguments or depth > _DEPTH:
        return None
    code = kind.arguments[0]
    if not isinstance(code, str):
        return None
    code = code.lstrip("<>|=")
    letter, digits = code[:1], code[1:]
    if letter == "O":
        return 0
    if letter not in "biufcSUV?mM" or not digits.isdigit():
        return None
    if letter == "V" and not _plain_fields(kind.state, depth):
        return None
    return int(digits) * _UNITS.get(letter, 1)


def _plain_fields(state: "Value | None", depth: int) -> bool:
    """Whether no field of a record is an object."""
    if not isinstance(state, Items):
        return False
    found = [each for each in state.items if isinstance(each, Items)]
    for each in found:
        if not each.whole:
            return False
        for item in each.items:
            fields = item.items if isinstance(item, Items) else (item,)
            for field in fields:
                if isinstance(field, Made) and not item_bytes(field, depth + 1):
                    return False
    return True
