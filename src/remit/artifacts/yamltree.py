"""YAML of people (Kitfiles, ``agent.yaml``, front matter), read so that it has one meaning.

Mappings, sequences and scalars only. Refused: anchors and aliases (a few lines of them unfold to
gigabytes), tags, keys that are no plain text or come twice, several documents, nesting and size
without bound. A scalar keeps its text, because ``version: 1.10`` is no number: :class:`Scalar` is
a string, and :func:`plain` gives the value that the JSON schema of YAML 1.2 reads.
"""

import math
import re
from typing import Any, Self

from remit.artifacts.errors import DefinitionError
from remit.artifacts.members import shown

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}|0x[0-9a-fA-F]{1,300}|0o[0-7]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_UNUSUAL = re.compile("[^\\n\\x20-\\x7e\\xa1-\\u1fff\\u2070-\\ud7ff\\U00010000-\\U0010ffff]")
"""Other line ends, spaces and what does not print: written as escapes."""
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class Scalar(str):
    """The text of a scalar; ``quoted`` if it can only be text."""

    __slots__ = ("quoted",)
    quoted: bool

    @classmethod
    def of(cls, text: str, *, quoted: bool) -> Self:
        """A scalar of this text."""
        made = cls(text)
        made.quoted = quoted
        return made


def load(data: bytes, what: str) -> Any:
    """The one document in ``data``: dicts, lists and :class:`Scalar`.

    Args:
        data: UTF-8 text.
        what: the name of the file, for messages.

    Raises:
        DefinitionError: it cannot be read, or not in one way.
    """
    import yaml

    if len(data) > MAX_BYTES:
        raise DefinitionError(f"`{what}` is larger than {MAX_BYTES} bytes")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8-sig")
        return _Builder(what).build(yaml.parse(text, Loader=loader))
    except UnicodeDecodeError as error:
        raise DefinitionError(f"`{what}` is not UTF-8") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise DefinitionError(f"`{what}` is not YAML: {where}{problem}") from error


class _Builder:
    def __init__(self, what: str) -> None:
        self._what = what
        self._stack: list[Any] = []
        self._keys: list[str | None] = []
        self._root: list[Any] = []

    def build(self, events: Any) -> Any:
        """Put the tree together from the events of the parser, without recursion."""
        import yaml.events as e

        documents = 0
        for event in events:
            if isinstance(event, e.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "there is more than one document")
            elif isinstance(event, e.AliasEvent):
                raise self._error(event, "anchors and aliases are not allowed")
            elif isinstance(event, e.ScalarEvent):
                self._checked(event)
                quoted = event.style not in (None, "")
                self._add(event, Scalar.of(event.value, quoted=quoted))
            elif isinstance(event, (e.MappingStartEvent, e.SequenceStartEvent)):
                self._checked(event)
                value: Any = {} if isinstance(event, e.MappingStartEvent) else []
                self._add(event, value)
                self._stack.append(value)
                self._keys.append(None)
                if len(self._stack) > MAX_DEPTH:
                    raise self._error(event, "it is nested too deeply")
            elif isinstance(event, (e.MappingEndEvent, e.SequenceEndEvent)):
                self._stack.pop()
                self._keys.pop()
        return self._root[0] if self._root else None

    def _checked(self, event: Any) -> None:
        if event.anchor is not None:
            raise self._error(event, "anchors and aliases are not allowed")
        if event.tag is not None:
            raise self._error(event, "tags are not allowed")

    def _add(self, event: Any, value: Any) -> None:
        if not self._stack:
            self._root.append(value)
            return
        top = self._stack[-1]
        if isinstance(top, list):
            top.append(value)
            return
        key = self._keys[-1]
        if key is not None:
            top[key] = value
            self._keys[-1] = None
            return
        if not isinstance(value, Scalar):
            raise self._error(event, "a key is not text")
        if value in top:
            raise self._error(event, f"the key `{shown(value)}` comes twice")
        if value == "<<" and not value.quoted:
            raise self._error(event, "merge keys are not allowed")
        self._keys[-1] = str(value)

    def _error(self, event: Any, problem: str) -> DefinitionError:
        line = event.start_mark.line + 1
        return DefinitionError(f"`{self._what}`, line {line}: {problem}")


def plain(tree: Any) -> Any:
    """The JSON value of a tree.

    Raises:
        DefinitionError: a number that JSON does not have.
    """
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    if not isinstance(tree, Scalar) or tree.quoted:
        return tree if tree is None else str(tree)
    if tree in _WORDS:
        return _WORDS[tree]
    if _INTEGER.fullmatch(tree):
        return int(tree, 0 if tree[:2] in {"0x", "0o"} else 10)
    if _FLOAT.fullmatch(tree):
        number = float(tree)
        if math.isinf(number):
            raise DefinitionError(f"the number `{shown(tree)}` is out of range")
        return number
    return str(tree)


def is_null(tree: Any) -> bool:
    """Whether there is nothing: no value, or a plain ``null``."""
    return tree is None or (
        isinstance(tree, Scalar) and not tree.quoted and _WORDS.get(tree, tree) is None
    )


def dump(value: Any) -> bytes:
    """YAML of a JSON value, keys in their order; texts that look like something else are quoted."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, found: str) -> Any:
        # PyYAML knows YAML 1.1, in which `1e3` and `0o7` are texts.
        number = _FLOAT.fullmatch(found) or _INTEGER.fullmatch(found)
        style = '"' if number or _UNUSUAL.search(found) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", found, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return written.encode()
