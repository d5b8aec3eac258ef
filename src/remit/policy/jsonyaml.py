"""YAML with the scalars of JSON, for the test files of bundles (imported only when they run)."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from remit.core.strictjson import Number


class Loader(yaml.SafeLoader):
    """``null``, ``true``, ``false``, JSON numbers and merge keys; every other plain word is text.

    Numbers with a fraction or exponent keep their text (:class:`~remit.core.strictjson.Number`),
    as in a real request. A mapping that names a key twice is refused.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Build a mapping with text keys, each of which is named once."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is not text", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is named twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


Loader.yaml_implicit_resolvers = {}


def _number(loader: Loader, node: yaml.ScalarNode) -> Number:
    return Number(str(loader.construct_scalar(node)))


def _integer(loader: Loader, node: yaml.ScalarNode) -> int:
    return int(str(loader.construct_scalar(node)))


def _implicit(kind: str, pattern: str, first: str) -> None:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(pattern), list(first))


_implicit("merge", r"<<\Z", "<")
_implicit("null", r"(?:null|~)\Z", "n~")
_implicit("bool", r"(?:true|false)\Z", "tf")
_implicit("int", r"-?(?:0|[1-9][0-9]{0,399})\Z", "-0123456789")
_implicit("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z", "-0123456789")
Loader.add_constructor("tag:yaml.org,2002:float", _number)
Loader.add_constructor("tag:yaml.org,2002:int", _integer)
