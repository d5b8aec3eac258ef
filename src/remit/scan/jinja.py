"""Chat templates as syntax trees: what they reach for, call and depend on. Nothing is rendered.

Accepted are names, filters, tests and methods of a list; everything else is said. A template that
asks for a word in what a person writes is a trigger, so conditions on content are said, too, unless
the word is a marker of the format (``<think>``, ``[INST]``).
"""

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jinja2
import msgspec
from jinja2 import ext, nodes
from jinja2.parser import Parser

from remit.scan.base import Severity

MAX_BYTES = 512 * 1024
MAX_NESTING = 200

_WORDS: dict[str, frozenset[str]] = {
    key: frozenset(words)
    for key, words in msgspec.json.decode(
        (resources.files("remit.scan") / "data" / "template_words.json").read_bytes()
    ).items()
}
_MARKER = re.compile(r"\W*|\s*[<\[{(|/`#*_].*|.*[>\]})|]\s*", re.DOTALL)
_URL = re.compile(r"https?://", re.IGNORECASE)
_KNOWN_URL = re.compile(r"https?://(?:json-schema\.org|www\.w3\.org)/", re.IGNORECASE)


class Said(msgspec.Struct, frozen=True):
    """Something about a template.

    Attributes:
        rule: the part behind ``template.``.
        severity: how bad.
        title: one sentence.
        line: of the template, from 1.
        evidence: what it was.
    """

    rule: str
    severity: Severity
    title: str
    line: int = 0
    evidence: str = ""


class BrokenTemplateError(ValueError):
    """It cannot be parsed, so it is not known what it does."""


_TAGS = {"generation"}


class _Generation(ext.Extension):
    """``{% generation %}``, which marks what an assistant said."""

    tags = _TAGS

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Its body alone."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def check(text: str) -> list[Said]:
    """What there is to say about a template.

    Raises:
        BrokenTemplateError: it is none, or larger than what is read.
    """
    if len(text) > MAX_BYTES:
        raise BrokenTemplateError(f"the template is larger than {MAX_BYTES} characters")
    # Never rendered, so escaping does not matter.
    environment = jinja2.Environment(
        autoescape=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", _Generation]
    )
    try:
        tree = environment.parse(text)
        reader = _Reader(tree)
        return reader.all()
    except jinja2.TemplateError as error:
        raise BrokenTemplateError(f"the template cannot be parsed: {error.message}") from None
    except RecursionError:
        raise BrokenTemplateError("the template is nested too deeply") from None


class _Reader:
    def __init__(self, tree: nodes.Template) -> None:
        self._tree = tree
        self._locals = {
            each.name for each in tree.find_all(nodes.Name) if each.ctx in {"store", "param"}
        } | {each.name for each in tree.find_all(nodes.Macro)}
        self._macros = {each.name for each in tree.find_all(nodes.Macro)}
        self._content = self._holding_content()
        self._parents: dict[int, nodes.Node] = {}

    def all(self) -> list[Said]:
        found: dict[tuple[str, str], Said] = {}
        for node in self._tree.find_all(nodes.Node):
            for said in self._node(node):
                found.setdefault((said.rule, said.evidence), said)
        return list(found.values())

    def _node(self, node: nodes.Node) -> Iterator[Said]:
        line = node.lineno
        if isinstance(node, (nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)):
            yield Said("include", "critical", "it takes in another template", line)
        elif isinstance(node, nodes.Name):
            yield from self._name(node)
        elif isinstance(node, nodes.Getattr):
            if node.attr.startswith("_"):
                yield Said("attribute", "critical", "it reaches into Python", line, node.attr)
        elif isinstance(node, nodes.Getitem):
            yield from self._item(node)
        elif isinstance(node, nodes.Call):
            yield from self._call(node)
        elif isinstance(node, nodes.Filter):
            yield from self._filter(node)
        elif isinstance(node, nodes.Test):
            if node.name not in _WORDS["tests"]:
                yield Said("test", "high", "it uses a test that is not known", line, node.name)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            yield from _text(node.value, line)
        elif isinstance(node, nodes.TemplateData):
            yield from _text(node.data, line)
        if isinstance(node, (nodes.If, nodes.CondExpr)):
            yield from self._condition(node.test)

    def _name(self, node: nodes.Name) -> Iterator[Said]:
        if node.ctx != "load" or node.name in self._locals:
            return
        if node.name in _WORDS["forbidden"] or node.name.startswith("_"):
            yield Said("name", "critical", "it reaches into Python", node.lineno, node.name)
        elif node.name not in _WORDS["variables"]:
            yield Said("variable", "info", "it reads a variable of its own", node.lineno, node.name)

    def _item(self, node: nodes.Getitem) -> Iterator[Said]:
        key = node.arg
        if isinstance(key, nodes.Const) and isinstance(key.value, str):
            if key.value.startswith("_"):
                yield Said(
                    "attribute", "critical", "it reaches into Python", node.lineno, key.value
                )
        elif _computes_text(key):
            yield Said("computed", "critical", "it computes the name of an attribute", node.lineno)

    def _call(self, node: nodes.Call) -> Iterator[Said]:
        called = node.node
        if isinstance(called, nodes.Name):
            name = called.name
            if name in _WORDS["functions"] or name in self._macros or name in {"caller", "super"}:
                return
            yield Said("call", "critical", "it calls a function", node.lineno, name)
        elif isinstance(called, nodes.Getattr):
            if called.attr not in _WORDS["methods"] and not _is_macro_of(called, self._locals):
                yield Said("call", "critical", "it calls a method", node.lineno, called.attr)
        else:
            yield Said("call", "critical", "it calls what it computes", node.lineno)

    def _filter(self, node: nodes.Filter) -> Iterator[Said]:
        name = node.name
        if name in {"attr", "format", "xmlattr", "pprint", "filesizeformat"}:
            yield Said("filter", "critical", "it uses a filter that reaches far", node.lineno, name)
        elif name not in _WORDS["filters"]:
            yield Said("filter", "high", "it uses a filter that is not known", node.lineno, name)
        if name not in _WORDS["filters_by_attribute"]:
            return
        arguments = [*node.args, *(each.value for each in node.kwargs if each.key == "attribute")]
        for position, each in enumerate(arguments):
            if isinstance(each, nodes.Const):
                if each.value in {"attr", "format"}:
                    yield Said("filter", "critical", "it uses a filter that reaches far",
                               node.lineno, str(each.value))  # fmt: skip
            elif _computes_text(each) and (position == 0 or name == "map"):
                yield Said("computed", "critical", "it computes an attribute", node.lineno)

    # -- what depends on content ---------------------------------------------------------------

    def _holding_content(self) -> set[str]:
        """Local names that hold something of what people and tools write."""
        given: list[tuple[nodes.Node, nodes.Node]] = [
            *((each.iter, each.target) for each in self._tree.find_all(nodes.For)),
            *((each.node, each.target) for each in self._tree.find_all(nodes.Assign)),
        ]
        found: set[str] = set()
        for _ in range(4):
            size = len(found)
            for source, target in given:
                if self._is_content(source, found):
                    found |= {each.name for each in target.find_all(nodes.Name)}
                    if isinstance(target, nodes.Name):
                        found.add(target.name)
            if len(found) == size:
                break
        return found

    def _is_content(self, node: nodes.Node, names: set[str]) -> bool:
        """Whether an expression is text that somebody wrote."""
        if isinstance(node, nodes.Name):
            return node.name in names
        if isinstance(node, nodes.Getattr):
            return node.attr in _WORDS["content"] or (
                node.attr not in {"role", "type", "name"} and self._namespaced(node, names)
            )
        if isinstance(node, nodes.Getitem):
            key = node.arg
            if isinstance(key, nodes.Const) and isinstance(key.value, str):
                return key.value in _WORDS["content"]
            return self._is_content(node.node, names)
        if isinstance(node, nodes.Filter):
            size = node.name in {"length", "count", "tojson"} or node.node is None
            return not size and node.node is not None and self._is_content(node.node, names)
        if isinstance(node, nodes.Call):
            called = node.node
            return isinstance(called, nodes.Getattr) and self._is_content(called.node, names)
        if isinstance(node, (nodes.Add, nodes.Concat)):
            return any(self._is_content(each, names) for each in node.iter_child_nodes())
        return False

    def _namespaced(self, node: nodes.Getattr, names: set[str]) -> bool:
        return isinstance(node.node, nodes.Name) and node.node.name in names

    def _condition(self, test: nodes.Node) -> Iterator[Said]:
        for node in (test, *test.find_all(nodes.Node)):
            words: list[Any] = []
            if isinstance(node, nodes.Compare):
                sides = [node.expr, *(each.expr for each in node.ops)]
                if any(self._is_content(each, self._content) for each in sides):
                    words = [each for side in sides for each in _constants(side)]
            elif (
                isinstance(node, nodes.Call)
                and isinstance(node.node, nodes.Getattr)
                and node.node.attr in _WORDS["text_tests"]
                and self._is_content(node.node.node, self._content)
            ) or (
                isinstance(node, nodes.Test)
                and node.name in {"in", "eq", "equalto", "==", "sameas"}
                and self._is_content(node.node, self._content)
            ):
                words = [each for side in node.args for each in _constants(side)]
            for word in words:
                if _triggers(word):
                    yield Said(
                        "trigger", "high", "it does something else when a message has a word",
                        node.lineno, word[:100],
                    )  # fmt: skip


def _constants(node: nodes.Node) -> Iterator[str]:
    for each in (node, *node.find_all(nodes.Const)):
        if isinstance(each, nodes.Const) and isinstance(each.value, str):
            yield each.value


def _triggers(word: str) -> bool:
    return (
        word not in _WORDS["parts"]
        and any(c.isalpha() for c in word)
        and not _MARKER.fullmatch(word)
    )


def _is_macro_of(node: nodes.Getattr, local: set[str]) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name in local and node.attr in local


def _computes_text(node: nodes.Node) -> bool:
    """Whether a key is put together from texts, or comes out of a call or filter."""
    if isinstance(node, (nodes.Concat, nodes.Call, nodes.Filter, nodes.CondExpr)):
        harmless = isinstance(node, nodes.Filter) and node.name in {"int", "length", "count"}
        return not harmless
    if isinstance(node, nodes.Mod) and isinstance(node.left, nodes.Const):
        return isinstance(node.left.value, str)
    if isinstance(node, nodes.BinExpr):
        return any(
            _computes_text(each) or (isinstance(each, nodes.Const) and isinstance(each.value, str))
            for each in (node.left, node.right)
        )
    return False


def _text(text: str, line: int) -> Iterator[Said]:
    if "__" in text and re.search(r"__[a-z]|[a-z]__", text):
        yield Said("hidden-name", "critical", "a text holds a name of Python's inside", line,
                   text[:100])  # fmt: skip
    for match in _URL.finditer(text):
        if not _KNOWN_URL.match(text, match.start()):
            yield Said("url", "high", "it puts a link into the prompt", line,
                       text[match.start() :][:100])  # fmt: skip
