"""What a word of a shell command becomes when quotes and back slashes are removed."""

import re
from typing import Any, NamedTuple

from remit.facts._shell_tree import Tree

_ESCAPE = re.compile(r"\\([\s\S])")
_IN_STRING = re.compile(r'\\(["\\$`])')
_ANSI = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|c([\s\S])|([\s\S]))"
)
_ANSI_LETTERS = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v",
}  # fmt: skip
_GLOB = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_BRACE = re.compile(r"(?<!\\)(?:\\\\)*\{")


class Word(NamedTuple):
    """One word.

    Attributes:
        text: what the program gets, if ``static``; else the word as written.
        static: whether nothing of it depends on variables, files or output of commands.
        quoted: whether an expansion in it stays one word.
        substitutes: whether the output of a command is in it.
        feeds: whether a process substitution is in it.
    """

    text: str
    static: bool = True
    quoted: bool = True
    substitutes: bool = False
    feeds: bool = False


def word(tree: Tree, node: Any) -> Word:
    """Resolve one argument, command name, redirection target or value."""
    pieces: list[str] = []
    static, quoted, unquoted = _pieces(tree, node, pieces)
    if unquoted and (unquoted[0] == "~" or _GLOB.search(unquoted) or _braces(unquoted)):
        static = quoted = False
    text = "".join(pieces)
    kinds = _kinds(node)
    return Word(
        text if static else tree.text(node),
        static,
        quoted,
        bool(kinds & {"command_substitution", "process_substitution"}),
        "process_substitution" in kinds,
    )


def _braces(text: str) -> bool:
    first = _BRACE.search(text)
    return first is not None and any(mark in text[first.end() :] for mark in (",", ".."))


def _kinds(node: Any) -> set[str]:
    found = {node.type}
    for child in node.named_children:
        found |= _kinds(child)
    return found


def _pieces(tree: Tree, node: Any, out: list[str]) -> tuple[bool, bool, str]:
    """Append the text of ``node``; return (static, quoted, unquoted text of it)."""
    text = tree.text(node)
    static = quoted = True
    unquoted = ""
    kind = node.type
    if kind in _PLAIN or not node.is_named:
        out.append(_ESCAPE.sub(r"\1", text))
        unquoted = text
    elif kind == "raw_string":
        out.append(text[1:-1])
    elif kind == "ansi_c_string":
        out.append(_ANSI.sub(_ansi, text[2:-1]))
    elif kind == "string":
        static = all(not c.is_named or c.type == "string_content" for c in node.children)
        out.append(_IN_STRING.sub(r"\1", text[1:-1]))
    elif kind in {"command_name", "concatenation"}:
        for child in node.children:
            s, q, u = _pieces(tree, child, out)
            static &= s
            quoted &= q
            # A quoted part keeps the parts around it from being read as one.
            unquoted += u or "\\'"
    else:
        static = quoted = False
    return static, quoted, unquoted


_PLAIN = frozenset({
    "word", "number", "variable_name", "regex", "extglob_pattern", "test_operator",
})  # fmt: skip


def _ansi(match: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            code = int(match[group], base)
            return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"  # noqa: PLR2004
    if match[5]:
        return chr(ord(match[5].upper()) & 0x1F)
    return _ANSI_LETTERS.get(match[6], match[6])
