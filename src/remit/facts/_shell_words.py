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
_BRACE = re.compile(r"(?<!\\)(?:\\\\)*\{.*(?:,|\.\.)", re.DOTALL)


class Word(NamedTuple):
    """One word.

    Attributes:
        text: what the program gets, if ``static``; else the word as written.
        static: whether nothing of it depends on variables, files or output of commands.
        quoted: whether an expansion in it stays one word.
        nodes: process and command substitutions in it.
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
    if unquoted and (_GLOB.search(unquoted) or _BRACE.search(unquoted) or unquoted[0] == "~"):
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


def _kinds(node: Any) -> set[str]:
    found = {node.type}
    for child in node.named_children:
        found |= _kinds(child)
    return found


def _pieces(tree: Tree, node: Any, out: list[str]) -> tuple[bool, bool, str]:
    """Append the text of ``node``; return (static, quoted, unquoted text of it)."""
    text = tree.text(node)
    match node.type:
        case "word" | "number" | "variable_name" | "regex" | "extglob_pattern" | "test_operator":
            out.append(_ESCAPE.sub(r"\1", text))
            return True, True, text
        case "raw_string":
            out.append(text[1:-1])
            return True, True, ""
        case "ansi_c_string":
            out.append(_ANSI.sub(_ansi, text[2:-1]))
            return True, True, ""
        case "string":
            if any(c.is_named and c.type != "string_content" for c in node.children):
                return False, True, ""
            out.append(_IN_STRING.sub(r"\1", text[1:-1]))
            return True, True, ""
        case "command_name" | "concatenation":
            if not node.named_children:
                out.append(text)
                return True, True, text
            static = quoted = True
            unquoted = ""
            at = node.start_byte
            for child in node.children:
                if not child.is_named:
                    out.append(tree.text(child))
                    unquoted += tree.text(child)
                    continue
                s, q, u = _pieces(tree, child, out)
                static &= s
                quoted &= q
                unquoted += u or "\\'"
                at = child.end_byte
            del at
            return static, quoted, unquoted
        case _:
            if not node.is_named:
                out.append(text)
                return True, True, text
            return False, False, ""


def _ansi(match: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            code = int(match[group], base)
            return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"  # noqa: PLR2004
    if match[5]:
        return chr(ord(match[5].upper()) & 0x1F)
    return _ANSI_LETTERS.get(match[6], match[6])
