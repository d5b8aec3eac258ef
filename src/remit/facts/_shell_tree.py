r"""Parses a shell command line, and refuses whatever tree-sitter and bash may read differently.

tree-sitter is made for editors: it guesses on through what it does not know. Here every byte of
the line must lie in a leaf of the tree that holds only what such a leaf may hold, or be white
space between two of them. So a command can hide neither in a gap nor inside a "word".
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from remit.facts.base import FactError

MAX_TREE_DEPTH = 120
MAX_NODES = 20_000
MAX_EACH = 1000
"""Pipes of a line, or signs ``@``: tree-sitter's time grows with the square, 40 ms for as many."""

_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_BLANK = re.compile(r"(?:[ \t\n]|(?<=[ \t])\\\n)*")
_GLUED = re.compile(r"(?<![ \t])\\\n")
_ESCAPED_BLANK = re.compile(r"(?:[ \t]|(?<=[ \t])\\\n)*")
_AFTER_DOLLAR = frozenset({b"", b" ", b"\t", b"\n", b";", b"|", b"&", b")"})
_COMMENT_BEFORE = re.compile(r"(?:^|[ \t\n;&|(){}])$")
_HEREDOC = re.compile(
    r"""\\?(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<quote>['"])(?P<quoted>[A-Za-z0-9_]+)(?P=quote)"""
)

_INNER = r"(?:[^\\`$]|\\[^\n]|\$(?![({\[A-Za-z0-9_@*#?!$'\"-]))*"
_LEAVES: dict[str, re.Pattern[str]] = {
    "word": re.compile(r"""(?:[^\s\\'"`$;&|<>()]|\\[^\n])+"""),
    "number": re.compile(r"[-+]?(?:0[xX][0-9A-Fa-f]+|[0-9]+(?:#[0-9A-Za-z@_]+)?)"),
    "variable_name": re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+"),
    "special_variable_name": re.compile(r"[@*#?!$0-9_-]"),
    "file_descriptor": re.compile(r"[0-9]{1,3}"),
    "test_operator": re.compile(r"-[A-Za-z]{1,2}|[!=]=?|=~|<|>"),
    "raw_string": re.compile(r"'[^']*'"),
    "ansi_c_string": re.compile(r"\$'(?:[^'\\]|\\[\s\S])*'"),
    "string_content": re.compile(_INNER.replace("[^\\\\`$]", '[^\\\\`$"]')),
    "comment": re.compile(r"#[^\n]*"),
    "regex": re.compile(r"""(?:[^\\'"`$;&<>\n]|\\[^\n]|\$(?![({'"]))*"""),
    "extglob_pattern": re.compile(r"""(?:[^\\'"`$;&<>\n]|\\[^\n])*"""),
    "heredoc_content": re.compile(r"(?:[^\\`$]|\\[^\n]|\$(?![({\[]))*"),
    "heredoc_start": _HEREDOC,
    "heredoc_end": re.compile(r"[ \t\n]*[A-Za-z0-9_]+"),
}
NODES = frozenset({
    "program", "redirected_statement", "for_statement", "c_style_for_statement",
    "variable_assignment", "variable_assignments", "unary_expression", "binary_expression",
    "postfix_expression", "parenthesized_expression", "ternary_expression", "while_statement",
    "do_group", "if_statement", "elif_clause", "else_clause", "case_statement", "case_item",
    "function_definition", "compound_statement", "subshell", "pipeline", "list", "negated_command",
    "test_command", "declaration_command", "unset_command", "command", "command_name", "subscript",
    "file_redirect", "heredoc_redirect", "heredoc_body", "herestring_redirect",
    "arithmetic_expansion", "brace_expression", "concatenation", "string", "translated_string",
    "array", "simple_expansion", "expansion", "command_substitution", "process_substitution",
})  # fmt: skip
_ON_ONE_LINE = frozenset({
    "command", "redirected_statement", "declaration_command", "unset_command", "file_redirect",
    "concatenation", "variable_assignment", "negated_command",
})  # fmt: skip
_IN_HEREDOC_LINE = frozenset({
    "heredoc_start", "heredoc_body", "heredoc_end", "file_descriptor", "pipeline", "file_redirect",
    "command", "list", "redirected_statement", "<<", "<<-", "&&", "||", "\n",
})  # fmt: skip


_WORDS = frozenset({
    "word", "number", "string", "raw_string", "ansi_c_string", "translated_string", "concatenation",
    "simple_expansion", "expansion", "command_substitution", "process_substitution",
    "arithmetic_expansion", "brace_expression", "command_name", "variable_assignment", "subscript",
    "regex", "extglob_pattern", "variable_name",
})  # fmt: skip
_JOINS = frozenset({
    "concatenation", "string", "translated_string", "expansion", "simple_expansion", "heredoc_body",
    "brace_expression", "command_name", "variable_assignment", "subscript",
})  # fmt: skip


_UNQUOTING = frozenset({"expansion", "subscript", "arithmetic_expansion", "c_style_for_statement"})


class Tree:
    """The tree of one line, and the text of its nodes."""

    def __init__(self, line: str) -> None:
        self.source = line.encode()
        self.root = _parse(self.source)
        _check(self)

    def text(self, node: Any) -> str:
        """The node as it was written."""
        return self.source[node.start_byte : node.end_byte].decode()


def read(line: str) -> Tree:
    """Parse one line (it may hold several commands and line breaks).

    Raises:
        FactError: ``facts.text`` for characters that show differently than they act,
            ``facts.parse`` for what does not parse or could be read in two ways.
    """
    for char in set(line):
        if char not in " \n\t" and unicodedata.category(char) in _CATEGORIES:
            raise FactError("the command holds control or invisible characters", code="facts.text")
    for sign in "|@":
        if line.count(sign) > MAX_EACH:
            raise FactError(f"more than {MAX_EACH} times `{sign}`", code="facts.size")
    if _GLUED.search(line):
        raise FactError("the command joins lines inside of a word", code="facts.parse")
    return Tree(line)


def _parse(source: bytes) -> Any:
    import tree_sitter
    import tree_sitter_bash

    global _parser  # noqa: PLW0603 - made once, at the first command that is judged
    if _parser is None:
        _parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    root = _parser.parse(source).root_node
    if root.has_error:
        raise FactError("the command does not parse", code="facts.parse")
    return root


_parser: Any = None


def _refuse(what: str) -> FactError:
    return FactError(f"the command can be read in two ways: {what}", code="facts.parse")


def _leaves(root: Any) -> Iterator[Any]:
    """Leaves from left to right, with the checks of inner nodes on the way."""
    stack = [(root, 0)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_TREE_DEPTH or count > MAX_NODES:
            raise FactError("the command is nested too deeply or too long", code="facts.size")
        children = node.children
        if not children or node.type == "heredoc_body":
            yield node
        if node.is_missing or (node.is_named and children and node.type not in NODES):
            raise _refuse(node.type)
        stack.extend((child, depth + 1) for child in reversed(children))


def _check(tree: Tree) -> None:
    if not tree.root.children:
        if tree.source.strip():
            raise _refuse("text without a command")
        return
    at = 0
    for leaf in _leaves(tree.root):
        if leaf.type == "heredoc_body":
            # Its text, and that between its substitutions, is checked there.
            _heredoc(tree, leaf)
            at = leaf.end_byte if not leaf.children else at
            continue
        top = _below_heredoc(leaf)
        if top is not None and top.start_byte >= at:
            at = top.start_byte
        if leaf.type == "heredoc_end":
            at = leaf.start_byte
        _check_leaf(tree, leaf, at)
        at = leaf.end_byte
    if not _BLANK.fullmatch(tree.source[at:].decode()):
        raise _refuse("text at the end")
    _check_nodes(tree)


def _below_heredoc(leaf: Any) -> Any:
    """The child of a here-document's body that ``leaf`` is, or is in."""
    node = leaf
    while node is not None and node.parent is not None:
        if node.parent.type == "heredoc_body":
            return node
        node = node.parent
    return None


def _check_leaf(tree: Tree, leaf: Any, at: int) -> None:
    text = tree.text(leaf)
    if leaf.start_byte < at or not _BLANK.fullmatch(tree.source[at : leaf.start_byte].decode()):
        raise _refuse("text between words")
    if not leaf.is_named:
        # `rm$""` is `rm`: a dollar sign stands for itself only before the end of a word.
        if (
            leaf.type == "$"
            and leaf.parent.type not in {"string", "simple_expansion", "heredoc_body"}
            and tree.source[leaf.end_byte : leaf.end_byte + 1] not in _AFTER_DOLLAR
        ):
            raise _refuse("a dollar sign")
        return
    allowed = _LEAVES.get(leaf.type)
    if allowed is None or not allowed.fullmatch(text):
        raise _refuse(f"a {leaf.type}")
    if leaf.type == "comment" and not _COMMENT_BEFORE.search(
        tree.source[: leaf.start_byte].decode(errors="replace")[-1:]
    ):
        raise _refuse("a comment inside of a word")


def _check_nodes(tree: Tree) -> None:
    stack = [(tree.root, False)]
    while stack:
        node, expanding = stack.pop()
        children = node.children
        inner = _expands(node, children, outer=expanding)
        stack.extend((child, inner) for child in children)
        quoted = node.type == "command_substitution" and children[0].type == "`"
        if quoted and "\\" in tree.text(node):
            raise _refuse("a back slash inside of back quotes")
        if node.type in _ON_ONE_LINE:
            for left, right in pairwise(children):
                gap = tree.source[left.end_byte : right.start_byte].decode()
                if not _ESCAPED_BLANK.fullmatch(gap) and left.type != "heredoc_redirect":
                    raise _refuse("a line break inside of a command")
        if node.type not in _JOINS and _touching(children):
            raise _refuse("two words without a space")
        if node.type in {"raw_string", "ansi_c_string"} and expanding:
            raise _refuse("quotes inside of an expansion")
        if node.type == "heredoc_redirect":
            if any(child.type not in _IN_HEREDOC_LINE for child in children):
                raise _refuse("words after a here-document")
            if sum(c.type == "heredoc_start" for c in children) != 1:
                raise _refuse("two here-documents on one line")
        if node.type == "string" and tree.text(node)[-1:] != '"':
            raise _refuse("a string")


def _touching(children: Sequence[Any]) -> bool:
    named = [child for child in children if child.is_named]
    return any(
        left.end_byte == right.start_byte and right.type in _WORDS
        for left, right in pairwise(named)
    )


def _expands(node: Any, children: Sequence[Any], *, outer: bool) -> bool:
    """Whether single quotes quote nothing in it: inside of ``"${X:-'…'}"`` and of arithmetic."""
    if node.type in {"command", "command_substitution"}:
        return False
    return outer or node.type in _UNQUOTING or bool(children and children[0].type == "((")


def _heredoc(tree: Tree, body: Any) -> None:
    """The body ends where bash ends it, and holds no substitution that the tree does not show."""
    redirect = body.parent
    parts = {child.type: tree.text(child) for child in redirect.children}
    match = _HEREDOC.fullmatch(parts.get("heredoc_start", ""))
    if match is None:
        raise _refuse("the end of a here-document")
    name = match["name"] or match["quoted"]
    if parts.get("heredoc_end", "").strip("\t\n ") != name:
        raise _refuse("the end of a here-document")
    tabs = "<<-" in parts
    text = tree.text(body)
    for line in text.split("\n"):
        if (line.lstrip("\t") if tabs else line) == name:
            raise _refuse("the end of a here-document")
    end = next(c for c in redirect.children if c.type == "heredoc_end")
    line_start = tree.source.rfind(b"\n", 0, end.end_byte) + 1
    written = tree.source[line_start : end.end_byte].decode()
    after = tree.source[end.end_byte : end.end_byte + 1]
    if (written.lstrip("\t") if tabs else written) != name or after not in {b"\n", b""}:
        raise _refuse("the end of a here-document")
    if match["name"] is None or match[0].startswith("\\"):
        return
    if "\\\n" in text:
        raise _refuse("joined lines in a here-document")
    at = body.start_byte
    for child in body.children:
        between = tree.source[at : child.start_byte].decode()
        if not _LEAVES["heredoc_content"].fullmatch(between):
            raise _refuse("a here-document")
        at = child.end_byte
    if not _LEAVES["heredoc_content"].fullmatch(tree.source[at : body.end_byte].decode()):
        raise _refuse("a here-document")
