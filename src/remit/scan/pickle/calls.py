"""What a pickle may import, call and change; everything else is a note.

1. A name is allowed as an exact pair, with a role (:mod:`remit.scan.pickle.names`).
2. A call is allowed as the role says; what comes of another call is bad, and so is what is done
   with it. The import was noted already: it runs code, too.
3. BUILD is allowed on what was made of a class, never on a class or function itself.
"""

from collections.abc import Callable

from remit.scan.pickle.names import allowed, is_dangerous, resolved
from remit.scan.pickle.values import Bad, Global, Items, Made, Value, is_constant

Noted = Callable[[str, str, str, str], None]
_APPENDED = frozenset({"list", "deque", "set", "frozenset", "bytearray", "OrderedDict", "Counter"})
_MAPPINGS = frozenset({"Bunch", "dict", "OrderedDict", "defaultdict", "Counter"})
_LATIN = frozenset({"latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii"})
_MAX_DEPTH = 40
_MAX_MADE = 1 << 20


class Calls:
    """The rules.

    Args:
        noted: told what is wrong.
        torchscript: whether the names of TorchScript's own classes are of the archive's code.

    Attributes:
        imports: names that were imported.
        acts: calls, and states that were set.
    """

    def __init__(self, noted: Noted, *, torchscript: bool = False) -> None:
        self._note = noted
        self._torchscript = torchscript
        self._known = allowed()
        self.imports = 0
        self.acts = 0

    def imported(self, module: str, name: str, protocol: int) -> Value:
        """A name of the pickle."""
        self.imports += 1
        module, name = resolved(module, name, protocol)
        shown = f"{module}.{name}"
        if "." in name:
            self._note("attribute", "critical", "a name reaches into a module's own imports", shown)
            return Bad(shown)
        role = self._known.get((module, name))
        if role is not None:
            return Global(module, name, role)
        if self._torchscript and module.partition(".")[0] == "__torch__":
            return Global(module, name, "class")
        if is_dangerous(module):
            self._note("import", "critical", "it imports what can run, read or write things", shown)
        else:
            self._note("unknown", "high", "it imports a name that is not known to be safe", shown)
        return Bad(shown)

    def computed(self, module: Value, name: Value) -> Value:
        """A name that is not there as a text."""
        self.imports += 1
        del module, name
        self._note("computed", "critical", "it imports a name that it computes", "")
        return Bad("computed")

    def called(self, function: Value, arguments: Value) -> Value:
        """REDUCE, INST and OBJ."""
        self.acts += 1
        if not isinstance(function, Global):
            if not isinstance(function, Bad):
                self._note("call", "critical", "it calls what is no name", "")
            else:
                self._note("call", "critical", "it calls what it must not import", function.why)
            return Bad("called")
        items = arguments if isinstance(arguments, Items) else None
        if items is None:
            self._note("call", "high", "it calls with arguments that are no tuple", str(function))
            return Bad(str(function))
        if function.module == "copyreg":
            return self._reconstructed(items)
        role = function.role
        if _is_bomb(function, items):
            self._note("bomb", "high", "it asks for much memory with few bytes", str(function))
        fine = (
            (role == "call" and is_constant(items) and self._encoding(function, items))
            or (role == "type" and _clean(items))
            or (role == "rebuild" and self._rebuilt(function, items))
        )
        if not fine:
            self._note("call", "high", "it calls a name in a way that is not known", str(function))
            return Bad(str(function))
        return Made(function, items.items)

    def _encoding(self, function: Global, items: Items) -> bool:
        if function.module != "_codecs":
            return True
        _, *encoding = items.items or (None, None)
        return not encoding or (len(encoding) == 1 and encoding[0] in _LATIN)

    def _rebuilt(self, function: Global, items: Items) -> bool:
        if function.name == "_rebuild_from_type_v2":
            # It calls its first argument with its third.
            match items.items:
                case (inner, kind, arguments, _) if items.whole:
                    pass
                case _:
                    return False
            made = self.called(inner, arguments)
            return isinstance(made, Made) and isinstance(kind, Global) and _clean(items)
        if function.module == "numpy.random._pickle":
            # It calls the class or function that it is given.
            given = [each for each in items.items if isinstance(each, Global)]
            return _clean(items) and all(g.module.startswith("numpy.random.") for g in given)
        return _clean(items)

    def _reconstructed(self, items: Items) -> Value:
        """``copyreg._reconstructor(class, base, state)``."""
        kind = items.items[0] if items.items else None
        base = items.items[1] if len(items.items) > 1 else None
        plain = isinstance(base, Global) and base.module == "builtins"
        if isinstance(kind, Global) and kind.role in {"class", "type"} and plain and _clean(items):
            return Made(kind)
        self._note("call", "high", "it makes an object of what is no known class", str(kind)[:100])
        return Bad("reconstructed")

    def made(self, kind: Value, arguments: Value) -> Value:
        """NEWOBJ: a class without its constructor."""
        self.acts += 1
        if isinstance(kind, Global) and kind.role in {"class", "type"} and _clean(arguments):
            return Made(kind, arguments.items if isinstance(arguments, Items) else ())
        why = kind.why if isinstance(kind, Bad) else str(kind)[:100]
        severity = "critical" if isinstance(kind, Bad) else "high"
        self._note("call", severity, "it makes an object of what is no known class", why)
        return Bad("made")

    def built(self, target: Value, state: Value) -> None:
        """BUILD."""
        self.acts += 1
        if isinstance(target, Made) and target.of.role in {"class", "type", "rebuild", "call"}:
            target.state = state
            return
        if isinstance(target, Bad):
            self._note("build", "critical", "it changes what it must not have", target.why)
        else:
            self._note("build", "critical", "it changes a class, function or plain value", "")

    def extended(self, target: Value, how: str) -> None:
        """APPEND, SETITEM and their kin on something that is no plain list or dictionary."""
        self.acts += 1
        if isinstance(target, Made) and target.of.role == "type":
            names = _MAPPINGS if how == "setitem" else _APPENDED
            if target.of.name in names:
                return
        self._note("items", "high", f"it uses {how} on an object that is no collection", "")


def _is_bomb(function: Global, items: Items) -> bool:
    """Whether the constructor makes something large of a number."""
    if function.module not in {"builtins", "collections"}:
        return False
    first = items.items[0] if items.items else None
    if function.name in {"bytes", "bytearray"}:
        return isinstance(first, int) and first > _MAX_MADE
    return isinstance(first, Made) and first.of.name == "range" and function.name != "range"


def _clean(value: Value, depth: int = 0) -> bool:
    """Whether nothing bad is among what is kept of a value."""
    if isinstance(value, Bad) or depth > _MAX_DEPTH:
        return False
    if isinstance(value, Items):
        return value.constant or all(_clean(each, depth + 1) for each in value.items)
    return True
