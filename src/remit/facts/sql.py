"""The SQL fact: what the statements in an argument do, read from their whole syntax tree.

The dialect is pinned per declaration, because the same text is one query to one database and
three statements to another. Rules, each of which an evasion was seen for:

1. All statements count, and every node of every tree: a CTE may delete, a ``SELECT`` may create.
2. What is not known to be harmless is ``unknown``: node classes, clauses and words are allow-lists.
3. The text must have one reading before it is parsed (:mod:`remit.facts._sql_text`).
4. A name that a CTE gives is no table only where that CTE is in scope.
5. ``read_only`` is exactly one statement, a query, nothing but ``select`` in it, every function
   allow-listed, every table a plain name.

Not checked, because the text does not show it: what views, user functions behind allowed names,
triggers on ``SELECT``, row-level security, Oracle's functions without brackets and a search path
other than ``default_schema`` do; and settings of the server that change how it reads SQL
(``ANSI_QUOTES``, ``NO_BACKSLASH_ESCAPES``). A database account without write permission remains
the only proof; this fact decides what is worth sending there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from remit.facts import _sql_rules as rules
from remit.facts._sql_reader import Found, Reader
from remit.facts._sql_shapes import Shapes, shape
from remit.facts._sql_text import check_text, check_tokens
from remit.facts.base import Environment, FactError, Raw, texts
from remit.facts.base import shape as attributes

MAX_SQL = 64 * 1024
MAX_DEPTH = 100
MAX_TOKENS = 8_000
MAX_STATEMENTS = 50
MAX_BRACKETS = 500
"""Most ``[``: some dialects look at all of a chain ``a[1][1]…`` again for each of its links."""


SHAPES = Shapes()


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the SQL fact.

    Attributes:
        dialect: the database's; there is no default.
        functions: names that ``read_only`` allows, instead of the built-in list; lower case, as
            they are written in SQL, with their schema if they are written with one.
        default_schema: put before table names that are written without one.
    """

    dialect: str
    functions: tuple[str, ...] | None = None
    default_schema: str = ""

    def __post_init__(self) -> None:
        """Refuse a dialect that would be parsed as another one."""
        if self.dialect not in rules.DIALECTS:
            raise ValueError(
                f"unknown dialect `{self.dialect[:40]}`, known: {', '.join(sorted(rules.DIALECTS))}"
            )
        if self.default_schema and not re.fullmatch(r"[\w$-]+(\.[\w$-]+)?", self.default_schema):
            raise ValueError("`default_schema` is not a schema name")
        if any(name != name.lower() or not name for name in self.functions or ()):
            raise ValueError("`functions` are lower-case names")


class Sql:
    """Extractor ``sql``."""

    name = "sql"
    repeatable = True
    options = Options
    shape = attributes(
        kinds="Set<String>",
        statements="Long",
        parsed="Bool",
        read_only="Bool",
        tables="Set<String>",
        columns="Set<String>",
        functions="Set<String>",
        comments="Bool",
    )
    worst: Mapping[str, Raw] = {
        "kinds": ("unknown",),
        "statements": 0,
        "parsed": False,
        "read_only": False,
        "tables": ("unknown",),
        "columns": ("*",),
        "functions": ("unknown",),
        "comments": False,
    }

    def extract(
        self, values: Sequence[Any], options: Options, env: Environment
    ) -> Mapping[str, Raw]:
        """Parse every value and join what is found; ``read_only`` needs exactly one statement."""
        del env
        found = Found()
        for text in texts(values, limit=MAX_SQL):
            try:
                _read(text, options, found)
            except RecursionError:
                raise FactError("the SQL is nested too deeply", code="facts.size") from None
        allowed = rules.PURE_FUNCTIONS if options.functions is None else set(options.functions)
        return {
            "kinds": found.kinds,
            "statements": found.statements,
            "parsed": True,
            "read_only": found.statements == 1
            and found.kinds == {"select"}
            and found.plain
            and found.functions <= allowed,
            "tables": found.tables,
            "columns": found.columns,
            "functions": found.functions,
            "comments": False,
        }


def _read(sql: str, options: Options, found: Found) -> None:
    import sqlglot
    from sqlglot.errors import SqlglotError

    from remit.facts._sql_parser import parse

    check_text(sql)
    name = rules.DIALECTS[options.dialect]
    dialect = sqlglot.Dialect.get_or_raise(name)
    try:
        tokens = dialect.tokenize(sql)
        _bounded(tokens)
        check_tokens(sql, tokens, dialect=name, commands=dialect.tokenizer_class.COMMANDS)
        seen = shape(tokens)
        key = None if seen is None else (name, options.default_schema, *seen)
        known = None if key is None else SHAPES.get(key)
        if known is None:
            known = Found()
            trees = parse(dialect, tokens, sql)
            known.statements = len(trees)
            Reader(sql, name, options.default_schema, known).read(trees, tokens)
            if key is not None:
                SHAPES.put(key, known)
    except SqlglotError:
        raise FactError("the SQL does not parse", code="facts.parse") from None
    if not known.statements:
        raise FactError("there is no statement", code="facts.parse")
    found.join(known)
    if found.statements > MAX_STATEMENTS:
        raise FactError(f"more than {MAX_STATEMENTS} statements", code="facts.size")


def _bounded(tokens: Sequence[Any]) -> None:
    if len(tokens) > MAX_TOKENS:
        raise FactError(f"more than {MAX_TOKENS} words of SQL", code="facts.size")
    depth = brackets = 0
    for token in tokens:
        kind = token.token_type.name
        brackets += kind == "L_BRACKET"
        if kind in {"L_PAREN", "L_BRACKET", "L_BRACE", "CASE"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise FactError("the SQL is nested too deeply", code="facts.size")
        elif kind in {"R_PAREN", "R_BRACKET", "R_BRACE", "END"}:
            depth -= 1
    if brackets > MAX_BRACKETS:
        raise FactError(f"more than {MAX_BRACKETS} brackets in SQL", code="facts.size")


EXTRACTOR = Sql()
