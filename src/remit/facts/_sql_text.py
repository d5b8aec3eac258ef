"""Lexical side of the SQL fact: what every reader of the text must agree on before it is parsed.

sqlglot and a database may disagree about where a comment or a string ends, and whatever one of
them takes for a comment is where an attacker hides a statement. So each gap between two tokens
must be white space or comments in a form that has one meaning in every dialect, and a string may
not be glued to a word (``x$$ … $$`` is a heredoc to one reader and an identifier to another).
"""

import re
from collections.abc import Collection, Sequence
from typing import Any

from remit.facts.base import FactError

EXECUTABLE = re.compile(r"/\*M?!")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_INVISIBLE = re.compile(
    r"[\u0080-\u009f\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f"
    r"\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_GAP = re.compile(
    r"(?:[ \t\r\n\f]"
    r"|/\*(?![!+])(?!M!)(?:(?!/\*|\*/)[\s\S])*\*/"
    r"|--(?:[ \t][^\r\n]*)?(?=\r?\n|\Z))*"
)
_WORD = re.compile(r"[\w$@#]")
_IDENTIFIER_BYTES = 63


def check_text(sql: str) -> None:
    """Refuse text that cannot be read in one way whatever the dialect.

    Raises:
        FactError: ``facts.comments`` for comments that MySQL and MariaDB execute (``seen`` says
            so), ``facts.text`` for control and invisible characters.
    """
    if EXECUTABLE.search(sql):
        raise FactError(
            "the SQL holds a comment that some databases execute",
            code="facts.comments",
            seen={"comments": True},
        )
    if _CONTROL.search(sql) or (not sql.isascii() and _INVISIBLE.search(sql)):
        raise FactError("the SQL holds control or invisible characters", code="facts.text")


def check_tokens(
    sql: str, tokens: Sequence[Any], *, dialect: str, commands: Collection[Any] = ()
) -> None:
    """Refuse what two readers would split differently.

    Args:
        sql: the text.
        tokens: sqlglot's tokens of it.
        dialect: sqlglot's name of the dialect.
        commands: its token types of statements whose rest is one token, as far as the next ``;``.

    Raises:
        FactError: ``facts.text`` with what is ambiguous.
    """
    at = 0
    before = None
    for token in tokens:
        if (
            before is not None
            and before.token_type in commands
            and token.token_type.name == "STRING"
        ):
            # The rest of such a statement is not split into words, so `;` must not be in it.
            if ";" in sql[before.end :].rstrip("; \t\r\n"):
                raise FactError("a statement follows one that is not parsed", code="facts.text")
            return
        gap = token.start - at
        if gap and (gap > 1 or sql[at] != " ") and not _GAP.fullmatch(sql, at, token.start):
            raise FactError("the SQL holds an ambiguous comment or space", code="facts.text")
        raw = sql[token.start : token.end + 1]
        if raw == "." and "\n" in sql[at : token.start]:
            raise FactError(
                "a line begins with a dot, as commands of a client do", code="facts.text"
            )
        first = raw[:1]
        word = bool(_WORD.match(first))
        quote = "'" in raw or '"' in raw or "`" in raw or first in "[$"
        if not raw.isascii() and not quote:
            raise FactError("a name outside of quotes is not ASCII", code="facts.text")
        if before is not None and before.end + 1 == token.start and (word or quote):
            # `1union`, `x'..'` with an unknown prefix, `a$$ … $$`, `'a''b'` split in two
            last = sql[before.end]
            sigil = before.text in {"$", "@", "@@", ":"} and not quote
            glued = not sigil and (_WORD.match(last) or last in "'\"`$")
            if glued and first != "[":
                raise FactError("two words or strings touch each other", code="facts.text")
        if dialect in _BACKSLASH_DEPENDS and first == "'" and "\\'" in raw:
            raise FactError(
                "a backslash before a quote depends on a setting of the server", code="facts.text"
            )
        if dialect in _TRUNCATES and not quote and len(raw) > _IDENTIFIER_BYTES and word:
            raise FactError("a name is longer than the database reads", code="facts.text")
        at = token.end + 1
        before = token
    if not _GAP.fullmatch(sql, at):
        raise FactError("the SQL ends in an ambiguous comment or space", code="facts.text")


_BACKSLASH_DEPENDS = frozenset({"postgres"})
_TRUNCATES = frozenset({"postgres", "mysql"})
