"""Configurations of Keras models: which classes and functions they make, and from where.

What a configuration may name is listed; the rest of what it names is a finding. Pure.
"""

import builtins
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from remit.scan.base import Severity
from remit.scan.document import walk
from remit.scan.words import suspicious

_PARTS = frozenset(
    [
        *(
            "activations",
            "constraints",
            "distribution",
            "dtype_policies",
            "engine",
            "initializers",
            "layers",
        ),
        *("losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "quantizers"),
        *("random", "regularizers"),
    ]
)
"""Packages below ``keras`` whose classes may be made: none of them loads, fetches or runs."""
_FUNCTIONS = frozenset(
    ["activations", "constraints", "initializers", "losses", "metrics", "regularizers"]
)
_ROOTS = frozenset({"keras", "tf_keras"})
_CLASSES_OF_ROOT = frozenset({"Sequential", "Functional", "Model", "DTypePolicy", "Variable"})
_VALUES = frozenset(
    [
        *("__tuple__", "__numpy__", "__tensor__", "__keras_tensor__", "__ellipsis__", "__bytes__"),
        "slice",
    ]
)
"""Names of values that Keras writes as if they were classes."""
_RUNS = frozenset(
    ["Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"]
)
_SYMBOLS = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod"})
"""Layers that call what TensorFlow has under a name."""
_CALCULATES = re.compile(
    r"(?:math|nn|linalg|keras\.backend|__operators__|compat\.v1\.(?:math|nn))\.\w+|(?:compat\.v1\.)?"
    r"(?:abs|add|broadcast_to|cast|clip_by_value|concat|convert_to_tensor|divide|equal|exp"
    r"|expand_dims|eye|fill|gather|gather_nd|greater|identity|less|matmul|maximum|minimum|multiply"
    r"|one_hot|ones|ones_like|pad|pow|range|rank|repeat|reshape|reverse|shape|sigmoid|size|slice"
    r"|split|sqrt|square|squeeze|stack|strided_slice|subtract|tanh|tensordot|tile|transpose|unstack"
    r"|where|zeros|zeros_like|reduce_\w+)"
)
_VOCABULARY = re.compile(
    r"(?i)\A(?:vocabulary|vocab|vocabulary_file|vocab_file|idf_weights|merges|proto)\Z"
)
_PLACE = re.compile(
    r"(?i)\A[a-z][a-z0-9+.-]{1,20}://|\A(?:[a-z]:)?[\\/]{1,2}\w|\A~[\\/]|(?:\A|[\\/])\.\.[\\/]"
)
_CODE_KEYS = frozenset({"function_type", "output_shape_type", "mask_type", "arguments_type"})
_PLAIN = re.compile(r"[A-Za-z_]\w*\Z")
_LONG = 16


class Said(msgspec.Struct, frozen=True):
    """Something that a configuration says.

    Attributes:
        rule: the part behind ``keras.``.
        severity, title: as in a finding.
        shown: what it was.
        pointer: where, as a JSON pointer.
    """

    rule: str
    severity: Severity
    title: str
    shown: str
    pointer: str


def check(document: Any, pointer: str = "") -> Iterator[Said]:
    """Everything wrong with a configuration, at any depth."""
    for at, key, value in walk(document, pointer):
        if isinstance(value, dict):
            yield from _object(value, at)
        elif isinstance(value, str):
            yield from _text(key, value, at)


def names_classes(document: Any) -> bool:
    """Whether a document is a configuration of Keras: something in it is of a class."""
    return any(
        isinstance(value, dict) and "class_name" in value and "config" in value
        for _, _, value in walk(document)
    )


def _object(value: dict[str, Any], at: str) -> Iterator[Said]:
    if "class_name" in value:
        yield from _class(value, at)
    elif isinstance(value.get("module"), str) and not _known(value["module"], _PARTS):
        yield Said("module", "critical", "a module is imported that is none of Keras",
                   value["module"], f"{at}/module")  # fmt: skip
    for key in sorted(_CODE_KEYS & value.keys()):
        if value[key] not in {None, "raw"}:
            yield Said("code", "critical", "a layer is a function that comes with the model",
                       f"{key}: {value[key]}", f"{at}/{key}")  # fmt: skip


def _class(value: dict[str, Any], at: str) -> Iterator[Said]:
    name, module = value["class_name"], value.get("module")
    shown = f"{module or ''}.{name}".lstrip(".")[:200]
    if not isinstance(name, str) or not isinstance(module, (str, type(None))):
        yield Said("class", "high", "a class is no name", shown, at)
        return
    bare = name.rpartition(">")[2]
    if bare in _RUNS:
        yield Said("code", "critical", "a layer runs code that comes with the model", shown, at)
    elif bare in _SYMBOLS:
        yield from _symbol(value, at)
    elif name == "function":
        yield from _function(value, module, at)
    elif module == "builtins" and name in _VALUES:
        return
    elif (module and not _known(module, _PARTS)) or (not module and "." in name):
        yield Said("module", "critical", "a class of a module that is none of Keras", shown, at)
    elif (module in _ROOTS and bare not in _CLASSES_OF_ROOT) or (
        not module and name.startswith("__") and name not in _VALUES
    ):
        yield Said("class", "high", "a class that is not known", shown, at)
    elif ">" in name or not _PLAIN.match(bare):
        yield Said("custom", "medium", "a class that its user has to bring", shown, at)
    elif module and not bare[:1].isupper():
        yield Said("class", "high", "a function is called as if it were a class", shown, at)


def _symbol(value: dict[str, Any], at: str) -> Iterator[Said]:
    config = value.get("config")
    named = config.get("function", config.get("symbol")) if isinstance(config, dict) else None
    if not isinstance(named, str) or not _CALCULATES.fullmatch(named):
        yield Said("symbol", "critical", "a layer calls what is not known to calculate only",
                   str(named)[:200], at)  # fmt: skip


def _function(value: dict[str, Any], module: str | None, at: str) -> Iterator[Said]:
    named = value.get("config")
    shown = f"{module or ''}.{named}".lstrip(".")[:200]
    if module in {None, "builtins"}:
        # Looked up among Keras's own and those that the user has registered.
        if isinstance(named, str) and hasattr(builtins, named):
            yield Said("module", "critical", "a function of Python itself", shown, at)
        elif not isinstance(named, str) or not _PLAIN.match(named):
            yield Said("custom", "medium", "a function that its user has to bring", shown, at)
    elif not _known(module or "", _FUNCTIONS):
        yield Said("module", "critical", "a function of a module that is none of Keras", shown, at)


def _known(module: str, parts: frozenset[str]) -> bool:
    root, *below = module.split(".")
    if root not in _ROOTS:
        return False
    if below[:1] == ["src"]:
        below = below[1:]
    return not below or below[0] in parts


def _text(key: str, value: str, at: str) -> Iterator[Said]:
    if _VOCABULARY.match(key):
        yield Said("vocabulary", "critical", "words are read from a place when it is loaded",
                   value, at)  # fmt: skip
    elif _PLACE.search(value):
        remote = "://" in value
        yield Said("location", "high" if remote else "medium",
                   "a configuration names a place", value, at)  # fmt: skip
    elif len(value) > _LONG:
        for rule, severity, title, shown in suspicious(value):
            yield Said(f"text.{rule}", severity, title, shown, at)
