"""Which names a pickle may import, and as what: exact pairs in data files, no prefixes.

Roles:

``value``
    may be referred to and is never called.
``class``
    may be made without its constructor (NEWOBJ, ``copyreg._reconstructor``) and get a state.
``type``
    may be called, too, with constants and with what is allowed itself.
``call``
    a function that may be called with constants alone.
``rebuild``
    a function that may be called with what is allowed itself.
"""

import functools
from importlib import resources

import msgspec

from remit.core.digest import Digest, sha256

FILES = ("pickle_names.json", "pickle_classes.json")
_DANGEROUS = "pickle_dangerous.json"


class _Names(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    about: str
    roles: dict[str, dict[str, list[str]]]


def _read(name: str) -> bytes:
    return (resources.files("remit.scan") / "data" / name).read_bytes()


@functools.cache
def allowed() -> dict[tuple[str, str], str]:
    """(module, name) → role."""
    found: dict[tuple[str, str], str] = {}
    for file in FILES:
        data = msgspec.json.decode(_read(file), type=_Names)
        for role, modules in data.roles.items():
            for module, names in modules.items():
                found.update({(module, name): role for name in names})
    return found


@functools.cache
def dangerous() -> frozenset[str]:
    """Modules that reach processes, files, the network or the interpreter."""
    return frozenset(msgspec.json.decode(_read(_DANGEROUS), type=list[str]))


def digest() -> Digest:
    """Of all lists together."""
    return sha256(b"\0".join(_read(name) for name in (*FILES, _DANGEROUS)))


_PYTHON_3 = 3
"""The first protocol of Python 3."""


def is_dangerous(module: str) -> bool:
    """Whether ``module``, or a package that it is in, is one of :func:`dangerous`."""
    parts = module.split(".")
    return any(".".join(parts[: n + 1]) in dangerous() for n in range(len(parts)))


@functools.cache
def _renames() -> tuple[dict[tuple[str, str], tuple[str, str]], dict[str, str]]:
    import _compat_pickle

    return _compat_pickle.NAME_MAPPING, _compat_pickle.IMPORT_MAPPING


def resolved(module: str, name: str, protocol: int) -> tuple[str, str]:
    """What Python 3 imports for a name of a pickle of ``protocol`` (``fix_imports``)."""
    if protocol >= _PYTHON_3:
        return module, name
    names, modules = _renames()
    if (module, name) in names:
        return names[module, name]
    return modules.get(module, module), name
