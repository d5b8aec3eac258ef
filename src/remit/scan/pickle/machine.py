"""The pickle machine, with values that only say what they are (:mod:`remit.scan.pickle.values`).

Every opcode of :mod:`pickletools` has the effect that it has in CPython's ``_pickle``:

1. names are followed on every way to ``STACK_GLOBAL``: strings of all kinds, memo, duplicates;
2. several ``PROTO`` are allowed, the last one counts; ``FRAME`` is a hint, whatever it says;
3. what a pickle did before an opcode that is broken, it did.

Not followed: what happens inside calls. That is why only names of the allow-list may be called.
"""

from collections.abc import Callable, Iterator

from remit.scan.pickle import arrays
from remit.scan.pickle.calls import Calls
from remit.scan.pickle.literals import Literals
from remit.scan.pickle.source import BrokenPickleError, LimitError, Source
from remit.scan.pickle.stack import MARK, filled, ignore, tuple_of
from remit.scan.pickle.storages import is_storage
from remit.scan.pickle.values import (
    BOOL,
    BUFFER,
    NONE,
    NUMBER,
    STORAGE,
    Bad,
    Items,
    Made,
    Value,
)

MAX_OPCODES = 40_000_000
MAX_STACK = 1_500_000
_MAX_PROTOCOL = 5
_MAX_NESTED = 20


class Machine(Literals):
    """Runs the pickles of one file, one after the other.

    Args:
        source: the file.
        limit: opcodes of all pickles together.
        torchscript: whether it is of an archive with TorchScript's code in it.

    Attributes:
        notes: what they do that they should not, without repetition.
        calls: the rules, and how often they were asked.
        opcodes: how many were followed, of all pickles.
        result: what the last pickle is.
    """

    def __init__(
        self, source: Source, limit: int = MAX_OPCODES, *, torchscript: bool = False
    ) -> None:
        super().__init__(source)
        self._left = limit
        self.calls = Calls(self.note, torchscript=torchscript)
        self.protocol = 0
        self.opcodes = 0
        self.result: Value = NONE
        self._depth = 0
        self._does: dict[int, Callable[[], None]] = dict(self._table())

    def run(self) -> None:
        """Follow one pickle up to its STOP; the file is behind it then.

        Raises:
            BrokenPickleError: the machine would fail here, or this is more than is followed.
        """
        self._stack, self._memo, self.protocol = [], {}, 0
        does, read, stack = self._does, self._source.read, self._stack
        stop = ord(".")
        while True:
            code = read(1)
            if not code:
                raise BrokenPickleError("it is cut off")
            self._left -= 1
            self.opcodes += 1
            if self._left < 0:
                raise LimitError("it has more opcodes than are followed")
            if len(stack) > MAX_STACK:
                raise LimitError(f"its stack holds more than {MAX_STACK} values")
            if code[0] == stop:
                self.result = self._pop()
                return
            step = does.get(code[0])
            if step is None:
                raise BrokenPickleError(f"it has the unknown opcode 0x{code.hex()}")
            step()

    # -- opcodes -------------------------------------------------------------------------------

    def _table(self) -> Iterator[tuple[int, Callable[[], None]]]:
        source = self._source

        def constant(value: Value) -> Callable[[], None]:
            return lambda: self._stack.append(value)

        def skipped(value: Value, size: int) -> Callable[[], None]:
            def step() -> None:
                source.take(size)
                self._stack.append(value)

            return step

        def integer(code: str, size: int) -> Callable[[], None]:
            return lambda: self._stack.append(source.number(code, size))

        def text(code: str, size: int, kind: str) -> Callable[[], None]:
            return lambda: self._text(source.number(code, size), kind)

        def sized(code: str, size: int, what: Callable[[int], None]) -> Callable[[], None]:
            return lambda: what(source.number(code, size))

        table: dict[str, Callable[[], None]] = {
            "N": constant(NONE), "\x88": constant(BOOL), "\x89": constant(BOOL),
            "J": integer("i", 4), "K": integer("B", 1), "M": integer("H", 2),
            "G": skipped(NUMBER, 8), "F": self._float, "I": self._int, "L": self._long,
            "\x8a": sized("B", 1, self._long_bytes), "\x8b": sized("i", 4, self._long_bytes),
            "S": self._string, "V": self._unicode,
            "T": text("i", 4, "string"), "U": text("B", 1, "string"),
            "B": text("I", 4, "bytes"), "C": text("B", 1, "bytes"),
            "\x8e": text("Q", 8, "bytes"), "\x96": text("Q", 8, "bytearray"),
            "X": text("I", 4, "unicode"), "\x8c": text("B", 1, "unicode"),
            "\x8d": text("Q", 8, "unicode"),
            "(": lambda: self._stack.append(MARK), ")": lambda: self._push(tuple_of(())),
            "]": lambda: self._push(Items()), "}": lambda: self._push(Items(dictionary=True)),
            "\x8f": lambda: self._push(Items()),
            "t": lambda: self._push(tuple_of(self._marked())),
            "\x85": lambda: self._tuple(1), "\x86": lambda: self._tuple(2),
            "\x87": lambda: self._tuple(3),
            "l": lambda: self._push(filled(Items(), self._marked())),
            "d": lambda: self._push(filled(Items(dictionary=True), self._pairs())),
            "\x91": lambda: self._push(filled(Items(), self._marked())),
            "a": lambda: self._extend([self._pop()], "append"),
            "e": lambda: self._extend(self._marked(), "append"),
            "\x90": lambda: self._extend(self._marked(), "append"),
            "s": self._setitem, "u": lambda: self._extend(self._pairs(), "setitem"),
            "0": self._discard, "1": lambda: ignore(self._marked()),
            "2": lambda: self._push(self._top()),
            "p": self._put_line, "q": lambda: self._put(source.number("B", 1)),
            "r": lambda: self._put(source.number("I", 4)),
            "\x94": lambda: self._put(len(self._memo)),
            "g": self._get_line, "h": lambda: self._get(source.number("B", 1)),
            "j": lambda: self._get(source.number("I", 4)),
            "c": self._global, "\x93": self._stack_global, "i": self._inst, "o": self._obj,
            "R": self._reduce, "\x81": self._newobj, "\x92": self._newobj_ex, "b": self._build,
            "P": self._persid, "Q": lambda: self._persistent(self._pop()),
            "\x82": sized("B", 1, self._ext), "\x83": sized("H", 2, self._ext),
            "\x84": sized("i", 4, self._ext),
            "\x80": sized("B", 1, self._proto), "\x95": sized("Q", 8, self._frame),
            "\x97": constant(BUFFER), "\x98": lambda: ignore(self._top()),
        }  # fmt: skip
        return ((ord(code), step) for code, step in table.items())

    def _proto(self, protocol: int) -> None:
        if protocol > _MAX_PROTOCOL:
            raise BrokenPickleError(f"it has the unknown protocol {protocol}")
        self.protocol = protocol

    def _frame(self, length: int) -> None:
        if length > self._source.left():
            # CPython reads the frame first and fails; other readers go on.
            self.note("frame", "high", "a frame says that it is longer than the file", str(length))

    def _setitem(self) -> None:
        value = self._pop()
        self._extend([self._pop(), value], "setitem")

    def _extend(self, items: list[Value], how: str) -> None:
        target = self._top()
        if isinstance(target, Items) and not target.frozen:
            if (how == "setitem") is not target.dictionary and how == "setitem":
                self.note("confused", "high", "a value is set in what is no dictionary")
            filled(target, items)
        else:
            self.calls.extended(target, how)

    # -- names and calls -----------------------------------------------------------------------

    def _mark_place(self) -> None:
        self._at = self._source.tell() - 1

    def _named(self, module: bytes, name: bytes) -> Value:
        try:
            return self.calls.imported(module.decode(), name.decode(), self.protocol)
        except UnicodeDecodeError:
            raise BrokenPickleError("a name is not UTF-8") from None

    def _global(self) -> None:
        self._mark_place()
        module = self._source.line()
        self._push(self._named(module, self._source.line()))

    def _stack_global(self) -> None:
        self._mark_place()
        name, module = self._pop(), self._pop()
        if isinstance(name, str) and isinstance(module, str):
            self._push(self.calls.imported(module, name, self.protocol))
        else:
            self._push(self.calls.computed(module, name))

    def _inst(self) -> None:
        self._mark_place()
        module = self._source.line()
        found = self._named(module, self._source.line())
        self._push(self.calls.called(found, tuple_of(self._marked())))

    def _obj(self) -> None:
        self._mark_place()
        items = self._marked()
        if not items:
            raise BrokenPickleError("an object has no class")
        self._push(self.calls.called(items[0], tuple_of(items[1:])))

    def _reduce(self) -> None:
        self._mark_place()
        arguments = self._pop()
        self._push(self.calls.called(self._pop(), arguments))

    def _newobj(self) -> None:
        self._mark_place()
        arguments = self._pop()
        self._push(self.calls.made(self._pop(), arguments))

    def _newobj_ex(self) -> None:
        self._mark_place()
        keywords, arguments = self._pop(), self._pop()
        found = self.calls.made(self._pop(), arguments)
        if not (isinstance(keywords, Items) and keywords.constant):
            self.note("call", "high", "an object is made with computed named arguments")
        self._push(found)

    def _build(self) -> None:
        self._mark_place()
        state, target = self._pop(), self._top()
        self.calls.built(target, state)
        wraps = isinstance(target, Made) and arrays.is_wrapper(target.of)
        if wraps and isinstance(target, Made) and arrays.pass_over(self._source, target):
            self._nested()

    def _nested(self) -> None:
        """Follow a pickle in the middle of this one, with a stack and memo of its own."""
        if self._depth >= _MAX_NESTED:
            raise LimitError("its arrays of objects are nested too deeply")
        kept = self._stack, self._memo, self.protocol
        self._depth += 1
        self.run()
        self._depth -= 1
        self._stack, self._memo, self.protocol = kept

    def _persid(self) -> None:
        self._mark_place()
        self._source.line()
        self.note("persistent", "critical", "an object is found by a text, which torch never does")
        self._push(Bad("persistent"))

    def _persistent(self, value: Value) -> None:
        self._mark_place()
        if not is_storage(value):
            self.note(
                "persistent", "critical", "an object from outside is not one of torch's storages"
            )
            self._push(Bad("persistent"))
        else:
            self._push(STORAGE)

    def _ext(self, number: int) -> None:
        self._mark_place()
        self.note("extension", "critical", "an extension code stands for a name", str(number))
        self._push(Bad("extension"))
