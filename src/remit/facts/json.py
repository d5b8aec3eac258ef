"""The JSON fact: scalars from anywhere in the arguments, as one set of strings.

Which ones is said by the fact's own ``arguments`` (:mod:`remit.facts.select`), for example
``$.items[*].sku``. Strings become NFC, as policy's own strings are; numbers become canonical
decimal text (``1.50`` and ``15e-1`` are ``1.5``), booleans ``true`` and ``false``.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from remit.core.strictjson import Number
from remit.core.text import normal
from remit.facts.base import MAX_VALUES, Environment, FactError, NoOptions, Raw, shape

MAX_STRING = 4096
MAX_EXPONENT = 400


class Json:
    """Extractor ``json``."""

    name = "json"
    options = NoOptions
    shape = shape(values="Set<String>", count="Long")
    worst: Mapping[str, Raw] = {"values": ("unknown",), "count": (1 << 63) - 1}

    def extract(
        self, values: Sequence[Any], options: NoOptions, env: Environment
    ) -> Mapping[str, Raw]:
        """The selected scalars, and those of selected lists; ``count`` counts repeated ones."""
        del options, env
        items = [item for value in values for item in (value if type(value) is list else (value,))]
        if len(items) > MAX_VALUES:
            raise FactError(f"more than {MAX_VALUES} values", code="facts.size")
        return {"values": {_scalar(item) for item in items}, "count": len(items)}


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            raise FactError(f"longer than {MAX_STRING} characters", code="facts.size")
        return normal("NFC", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    raise FactError("a value is not a string, number or boolean", code="facts.wrong_type")


def _number(value: float) -> str:
    """``value`` without exponent and trailing zeros; a token's own digits, none lost."""
    try:
        number = Decimal(value.token if isinstance(value, Number) else repr(value))
    except InvalidOperation:
        raise FactError("a number cannot be read", code="facts.wrong_type") from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise FactError("a number is out of range", code="facts.size")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


EXTRACTOR = Json()
