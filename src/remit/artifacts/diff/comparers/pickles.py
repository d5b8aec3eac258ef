"""Pickles, by what they import and call. See ``formats.pickles``: nothing is loaded."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from remit.artifacts.diff.base import Change, Pair, Severity, Work, capped
from remit.artifacts.diff.formats.pickles import COMPUTED, Pickle, profile
from remit.artifacts.diff.text import shown

NAME = "pickles"
_SUFFIXES = (".pkl", ".pickle", ".p", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".dill")
_CALLS = ("REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "EXT1", "EXT2", "EXT4",
          "PERSID", "BINPERSID")  # fmt: skip
_SHOWN_TEXTS = 20
_PROTOCOL = re.compile(rb"\x80[\x02-\x05].", re.DOTALL)

_RUNS = frozenset({
    "os", "nt", "posix", "subprocess", "sys", "pty", "socket", "ssl", "importlib", "imp", "runpy",
    "ctypes", "_ctypes", "cffi", "code", "codeop", "marshal", "pickle", "_pickle", "cloudpickle",
    "dill", "shutil", "tempfile", "pathlib", "io", "_io", "webbrowser", "urllib", "http",
    "requests", "httpx", "aiohttp", "ftplib", "smtplib", "telnetlib", "asyncio",
    "multiprocessing", "threading", "signal", "types", "inspect", "gc", "pip", "setuptools",
    "distutils", "timeit", "cProfile", "profile", "pdb", "bdb", "trace",
    "pydoc", "commands", "zipimport", "pkgutil", "site", "linecache", "logging", "idlelib",
})  # fmt: skip
"""Top-level modules whose functions start programs, load code or reach files and networks."""
_CALLED = frozenset({
    "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__",
    "builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.open",
    "builtins.globals", "builtins.locals", "builtins.vars", "builtins.apply", "builtins.map",
    "builtins.filter", "builtins.breakpoint", "builtins.input", "operator.attrgetter",
    "operator.methodcaller", "functools.partial", "functools.reduce", "torch.load",
    "torch.hub.load", "numpy.load", "joblib.load", "pandas.read_pickle",
})  # fmt: skip
_HARMLESS = frozenset({
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter",
    "collections.deque", "builtins.set", "builtins.frozenset", "builtins.complex", "builtins.list",
    "builtins.dict", "builtins.tuple", "builtins.int", "builtins.float", "builtins.bytearray",
    "builtins.slice", "builtins.range", "builtins.object", "builtins.str", "builtins.bytes",
    "builtins.bool", "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta",
    "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
    "copyreg._reconstructor", "_codecs.encode", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter", "torch.Size", "torch.device", "torch.FloatStorage",
    "torch.HalfStorage", "torch.BFloat16Storage", "torch.DoubleStorage", "torch.LongStorage",
    "torch.IntStorage", "torch.ShortStorage", "torch.CharStorage", "torch.ByteStorage",
    "torch.BoolStorage",
})  # fmt: skip
"""Known to make values and nothing else. Exact names: every big package has functions that load."""


class PickleComparer:
    """Imports, calls, protocol and what follows the end."""

    name = NAME
    order = 200

    def takes(self, pair: Pair) -> bool:
        """A pickle of protocol 2 or later, or one of an old protocol that is named as such."""
        return all(_pickled(head, pair.suffix) for head in pair.heads)

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """From the profiles of both sides."""
        del work
        with pair.a.open() as file:
            before = profile(file, pair.a.size)
        with pair.b.open() as file:
            after = profile(file, pair.b.size)
        yield from pickle_changes(pair.path, before, after)


def _pickled(head: bytes, suffix: str) -> bool:
    new = _PROTOCOL.match(head) is not None
    old = suffix in {".pkl", ".pickle", ".p"} and head[:1] in b"(]}cIVFNKGJXTUi"
    return new or (bool(head) and old)


def danger(name: str) -> Severity:
    """How bad an import is in a pickle: ``module.name``."""
    named = name.replace("__builtin__.", "builtins.", 1)
    if named in _HARMLESS:
        return "info"
    top = named.partition(".")[0]
    if name == COMPUTED or name.startswith("(") or top in _RUNS or named in _CALLED:
        return "critical"
    return "high"


def pickle_changes(path: str, before: Pickle, after: Pickle) -> Iterator[Change]:
    """What changed between two profiles."""
    yield from _imports(path, before, after)
    for name in _CALLS:
        was, now = before.opcodes.get(name, 0), after.opcodes.get(name, 0)
        if was != now:
            yield Change(
                comparer=NAME,
                kind="pickle.calls",
                path=path,
                subject=name,
                severity="medium" if now > was else "low",
                summary=f"{was} → {now} times",
                before=was,
                after=now,
            )
    if (before.streams, before.protocols) != (after.streams, after.protocols):
        yield Change(
            comparer=NAME,
            kind="pickle.protocol",
            path=path,
            severity="low" if before.streams == after.streams else "medium",
            summary=_streams(before, after),
            before=list(before.protocols)[:20],
            after=list(after.protocols)[:20],
        )
    if before.trailing_digest != after.trailing_digest:
        yield Change(
            comparer=NAME,
            kind="pickle.trailing",
            path=path,
            severity="high" if not before.trailing else "medium",
            summary=f"data after the end: {before.trailing} → {after.trailing} bytes",
            before=before.trailing,
            after=after.trailing,
        )
    yield from _values(path, before, after)


def _imports(path: str, before: Pickle, after: Pickle) -> Iterator[Change]:
    names = sorted(before.globals.keys() | after.globals.keys())
    yield from capped(
        (
            _import(path, n, before, after)
            for n in names
            if (n in before.globals) != (n in after.globals)
        ),
        lambda left: Change(
            comparer=NAME,
            kind="pickle.more",
            path=path,
            severity="critical",
            summary=f"{left} more imports were added or removed",
        ),
    )


def _import(path: str, name: str, before: Pickle, after: Pickle) -> Change:
    del before
    added = name in after.globals
    return Change(
        comparer=NAME,
        kind="pickle.import_added" if added else "pickle.import_removed",
        path=path,
        subject=shown(name),
        severity=danger(name) if added else "low",
        summary=f"imports `{shown(name)}` when it is loaded"
        if added
        else f"no longer imports `{shown(name)}`",
    )


def _streams(before: Pickle, after: Pickle) -> str:
    if before.streams != after.streams:
        return f"{before.streams} → {after.streams} pickles one after the other"
    return f"protocol {_list(before.protocols)} → {_list(after.protocols)}"


def _list(protocols: Iterable[int]) -> str:
    return ", ".join(map(str, list(protocols)[:5]))


def _values(path: str, before: Pickle, after: Pickle) -> Iterator[Change]:
    """Constants: texts by what they are, everything else by a count of opcodes."""
    if before.arguments == after.arguments:
        return
    gone = Counter(before.texts) - Counter(after.texts)
    come = Counter(after.texts) - Counter(before.texts)
    # Names of imports are texts, too, and told already.
    words = {w for n in {*before.globals, *after.globals} for w in (n, *n.rpartition(".")[::2])}
    old = [shown(text) for text in gone if text not in words][:_SHOWN_TEXTS]
    new = [shown(text) for text in come if text not in words][:_SHOWN_TEXTS]
    counted = {
        name: [before.opcodes.get(name, 0), after.opcodes.get(name, 0)]
        for name in sorted(before.opcodes.keys() | after.opcodes.keys())
        if before.opcodes.get(name, 0) != after.opcodes.get(name, 0)
    }
    if old or new:
        summary = "texts in it changed"
    elif before.globals != after.globals:
        return
    else:
        summary = "values in it changed"
    yield Change(
        comparer=NAME,
        kind="pickle.values",
        path=path,
        severity="low",
        summary=summary,
        before=old or None,
        after=new or None,
        details={"opcodes": counted} if counted else {},
    )


COMPARER = PickleComparer()
