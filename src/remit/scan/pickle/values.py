"""What is on the stack of a pickle, as far as it matters; payloads are never kept."""

import msgspec

MAX_KEPT_TEXT = 4096
MAX_KEPT_ITEMS = 64
Role = str


class Global(msgspec.Struct, frozen=True):
    """A name that was imported.

    Attributes:
        module, name: after the renames of old protocols.
        role: of the allow-list; empty if it is not on it.
    """

    module: str
    name: str
    role: Role = ""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Made(msgspec.Struct):
    """What a call made.

    Attributes:
        of: what was called.
        arguments: constants among its arguments, in order.
        state: what BUILD gave it.
    """

    of: Global
    arguments: tuple["Value", ...] = ()
    state: "Value | None" = None


class Items(msgspec.Struct):
    """A tuple, list, set or dictionary; only the first items are kept.

    Attributes:
        constant: whether all that is in it is text, bytes or numbers.
        items: the first values; for a dictionary keys and values by turns.
        count: how many there are.
        frozen: whether it is a tuple, which keeps all of its items or says that it does not.
        dictionary: whether keys and values take turns.
    """

    constant: bool = True
    items: tuple["Value", ...] = ()
    count: int = 0
    frozen: bool = False
    dictionary: bool = False

    @property
    def whole(self) -> bool:
        """Whether all its items are kept."""
        return self.count == len(self.items)

    def get(self, key: str) -> "Value | None":
        """The value of a key that is a text."""
        if not self.dictionary:
            return None
        pairs = zip(self.items[::2], self.items[1::2], strict=False)
        return next((value for name, value in reversed(list(pairs)) if name == key), None)


class Constant(msgspec.Struct, frozen=True):
    """Bytes, numbers that are not small integers, long texts, None."""

    what: str


class Bad(msgspec.Struct, frozen=True):
    """What a call made that nobody may make, and all that came of it."""

    why: str


Value = str | int | Global | Made | Items | Constant | Bad

BYTES = Constant("bytes")
TEXT = Constant("text")
NUMBER = Constant("number")
NONE = Constant("none")
BOOL = Constant("bool")
BUFFER = Constant("buffer")
STORAGE = Constant("storage")


def is_constant(value: Value) -> bool:
    """Whether it is text, bytes, a number, or made of nothing else."""
    if isinstance(value, Items):
        return value.constant
    return isinstance(value, (str, int, Constant))
