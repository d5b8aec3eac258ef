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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.facts import _sql_rules as rules
from remit.facts._sql_text import check_text, check_tokens
from remit.facts.base import Environment, FactError, Raw, shape, texts

MAX_SQL = 64 * 1024
MAX_DEPTH = 100
MAX_TOKENS = 8_000
MAX_STATEMENTS = 50

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$#]*")
_PLAIN_PROJECT = re.compile(r"[a-z][a-z0-9-]*")
_SQLITE_SPECIAL = re.compile(r"pragma_|dbstat$|sqlite_dbpage$|sqlite_stmt$|bytecode$|tables_used$")
_SEQUENCE_COLUMNS = frozenset({"nextval", "currval"})


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
    options = Options
    shape = shape(
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
        found = _Found()
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


class _Found:
    """What was seen so far."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.statements = 0
        self.tables: set[str] = set()
        self.columns: set[str] = set()
        self.functions: set[str] = set()
        self.plain = True


def _read(sql: str, options: Options, found: _Found) -> None:
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError

    # It warns of every statement that it only keeps as text; the kind `command` says the same.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

    check_text(sql)
    name = rules.DIALECTS[options.dialect]
    dialect = sqlglot.Dialect.get_or_raise(name)
    try:
        tokens = dialect.tokenize(sql)
        _bounded(tokens)
        check_tokens(sql, tokens, dialect=name, commands=dialect.tokenizer_class.COMMANDS)
        trees = [
            tree
            for tree in dialect.parser().parse(tokens, sql)
            if tree is not None and type(tree).__name__ != "Semicolon"
        ]
    except SqlglotError:
        raise FactError("the SQL does not parse", code="facts.parse") from None
    if not trees:
        raise FactError("there is no statement", code="facts.parse")
    found.statements += len(trees)
    if found.statements > MAX_STATEMENTS:
        raise FactError(f"more than {MAX_STATEMENTS} statements", code="facts.size")
    _Reader(sql, name, options.default_schema, found).read(trees, tokens)


def _bounded(tokens: Sequence[Any]) -> None:
    if len(tokens) > MAX_TOKENS:
        raise FactError(f"more than {MAX_TOKENS} words of SQL", code="facts.size")
    depth = 0
    for token in tokens:
        kind = token.token_type.name
        if kind in {"L_PAREN", "L_BRACKET", "L_BRACE", "CASE"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise FactError("the SQL is nested too deeply", code="facts.size")
        elif kind in {"R_PAREN", "R_BRACKET", "R_BRACE", "END"}:
            depth -= 1


class _Reader:
    """Reads the trees of one text into a :class:`_Found`."""

    def __init__(self, sql: str, dialect: str, default_schema: str, found: _Found) -> None:
        from sqlglot import Dialect, exp

        self.exp = exp
        self.parser = Dialect.get_or_raise(dialect).parser_class
        self.sql = sql
        self.dialect = dialect
        self.default_schema = default_schema
        self.found = found
        self.calls: set[int] = set()
        self.not_calls: set[int] = set()

    def read(self, trees: Sequence[Any], tokens: Sequence[Any]) -> None:
        kinds: set[str] = set()
        for tree in trees:
            kinds |= self._statement(tree)
        self._calls(tokens)
        if kinds <= {"select", "unknown", "values"} and self._doubtful(tokens):
            kinds.add("unknown")
        self.found.kinds |= kinds

    def _statement(self, tree: Any) -> set[str]:
        root = type(tree).__name__
        while root == "Subquery" and not any(
            v for k, v in tree.args.items() if k not in {"this", "with_"}
        ):
            tree = tree.this
            root = type(tree).__name__
        kinds: set[str] = set()
        if root in rules.QUERIES:
            known = rules.NODES
        elif root in rules.CHANGES:
            known = rules.CHANGE_NODES
        else:
            known = None
            if root not in rules.STATEMENTS and root != "Command":
                kinds.add("unknown")
        for node in tree.walk():
            kinds |= self._node(node, known)
        return kinds

    def _node(self, node: Any, known: frozenset[str] | None) -> set[str]:
        kind = type(node).__name__
        kinds: set[str] = set()
        if kind == "Command":
            word = str(node.this).split(None, 1)[0].lower() if str(node.this).strip() else ""
            return {"command", word if word in rules.COMMANDS else "unknown"}
        named = rules.STATEMENTS.get(kind)
        if named is not None and (kind != "Values" or known is None):
            kinds.add(named)
        if isinstance(node, self.exp.Func):
            self._function(node, kind)
        elif known is not None and kind not in known and named is None:
            kinds.add("unknown")
        match kind:
            case "Select" | "Union" | "Except" | "Intersect":
                if any(v and k not in rules.QUERY_PARTS for k, v in node.args.items()):
                    kinds.add("unknown")
            case "Table":
                self._table(node)
                if any(v and k not in rules.TABLE_PARTS for k, v in node.args.items()):
                    kinds.add("unknown")
            case "WithTableHint" if known is not None:
                if all(hint.name.upper() in rules.HARMLESS_HINTS for hint in node.expressions):
                    kinds.discard("unknown")
            case "Column":
                self._column(node)
            case "Star":
                if type(node.parent).__name__ != "Count":
                    self.found.columns.add("*")
            case "PropertyEQ" if type(node.this).__name__ in {"Parameter", "SessionParameter"}:
                kinds.add("set")
            case "NextValueFor":
                self.found.plain = False
            case "TableAlias" | "Pivot":
                if node.args.get("columns") or kind == "Pivot":
                    # New names for columns: the real ones do not show.
                    self.found.columns.add("*")
            case "In" if node.args.get("field") is not None:
                self._in_table(node.args["field"])
            case "Join":
                self.found.columns |= {i.name.lower() for i in node.args.get("using") or ()}
            case "OnConflict":
                kinds |= self._conflict(node)
            case "Insert" if node.args.get("alternative"):
                kinds.add(str(node.args["alternative"]).lower())
            case _:
                pass
        if kind == "Insert" and node.args.get("overwrite"):
            kinds.add("delete")
        if kind in {"Table", "TableAlias", "Schema", "CTE"}:
            self.not_calls |= {
                i.meta["start"]
                for i in node.args.values()
                if type(i).__name__ == "Identifier" and "start" in i.meta
            }
        return kinds

    @staticmethod
    def _conflict(node: Any) -> set[str]:
        action = node.args.get("action")
        nothing = action is not None and str(action.name).upper() == "DO NOTHING"
        return set() if nothing else {"update"}

    def _function(self, node: Any, kind: str) -> None:
        start = node.meta.get("start")
        if start is not None:
            self.calls.add(start)
        elif kind == "Anonymous":
            self.found.functions.add(node.name.lower())

    def _calls(self, tokens: Sequence[Any]) -> None:
        """Add every ``name (`` of the text: what the database calls has no other spelling.

        The tree gives sqlglot's names, which one function of another dialect may share.
        """
        types = self.parser.TYPE_TOKENS
        bare = self.parser.NO_PAREN_FUNCTIONS
        for at, token in enumerate(tokens):
            kind = token.token_type
            if at + 1 == len(tokens) or tokens[at + 1].token_type.name != "L_PAREN":
                if kind in bare:
                    self.found.functions.add(token.text.lower())
                continue
            if token.start in self.not_calls:
                continue
            if kind.name != "IDENTIFIER" and token.start not in self.calls:
                word = token.text.upper()
                if word in rules.STRUCTURE or kind in types or not _PLAIN.match(word):
                    continue
            self.found.functions.add(self._dotted(tokens, at))

    @staticmethod
    def _dotted(tokens: Sequence[Any], at: int) -> str:
        parts = [tokens[at].text.lower()]
        at -= 1
        while at > 0 and tokens[at].token_type.name == "DOT":
            parts.append(tokens[at - 1].text.lower())
            at -= 2
        return ".".join(reversed(parts))

    def _doubtful(self, tokens: Sequence[Any]) -> bool:
        """Whether a query holds a word that begins another statement."""
        words = rules.TSQL_WORDS if self.dialect == "tsql" else rules.STATEMENT_WORDS
        for at, token in enumerate(tokens):
            kind = token.token_type.name
            if kind in {"STRING", "IDENTIFIER"} or token.text.upper().split(" ")[0] not in words:
                continue
            if self.sql[token.start] in "'\"`[$":
                continue
            after = tokens[at + 1].token_type.name if at + 1 < len(tokens) else ""
            before = tokens[at - 1].token_type.name if at else ""
            if self.dialect != "tsql" and (after in {"L_PAREN", "DOT"} or before == "DOT"):
                continue
            return True
        return False

    def _table(self, node: Any) -> None:
        this = node.this
        if type(this).__name__ != "Identifier":
            if not isinstance(this, self.exp.Func):
                self.found.plain = False
                self.found.tables.add(node.sql(dialect=self.dialect).lower()[:200])
            return
        parts = [p for p in (node.args.get("catalog"), node.args.get("db"), this) if p is not None]
        names = [str(getattr(p, "name", p)) for p in parts]
        if len(parts) == 1 and self._is_cte(node, this):
            return
        for at, name in enumerate(names):
            project = self.dialect == "bigquery" and at < len(names) - 1
            if not _PLAIN.fullmatch(name) and not (project and _PLAIN_PROJECT.fullmatch(name)):
                self.found.plain = False
        if self.dialect == "sqlite" and _SQLITE_SPECIAL.match(names[-1].lower()):
            self.found.plain = False
        if len(names) == 1 and self.default_schema:
            names.insert(0, self.default_schema)
        self.found.tables.add(".".join(names).lower())

    def _in_table(self, field: Any) -> None:
        """SQLite's ``x IN table``."""
        names = [i.name.lower() for i in field.find_all(self.exp.Identifier)]
        if len(names) == 1 and self.default_schema:
            names.append(self.default_schema.lower())
        self.found.tables.add(".".join(reversed(names)))
        self.found.columns.add("*")
        self.found.plain = False

    def _is_cte(self, node: Any, name: Any) -> bool:
        """Whether ``name`` at ``node`` can only mean a CTE in scope there.

        Spelled exactly alike: where a database folds case differently, it may be a table.
        """
        below, above = node, node.parent
        while above is not None:
            scope = above.args.get("with_")
            if scope is not None and below is not scope:
                if any(_same_name(cte, name) for cte in scope.expressions):
                    return True
            elif type(above).__name__ == "With":
                earlier = above.expressions[: above.expressions.index(below)]
                if above.args.get("recursive"):
                    earlier = [*earlier, below]
                if any(_same_name(cte, name) for cte in earlier):
                    return True
            below, above = above, above.parent
        return False

    def _column(self, node: Any) -> None:
        name = node.name.lower()
        self.found.columns.add(name or "*")
        if self.dialect in {"oracle", "snowflake"} and name in _SEQUENCE_COLUMNS:
            self.found.plain = False
        if not node.args.get("table"):
            # `SELECT t FROM t` is the whole row.
            select = node.find_ancestor(self.exp.Select)
            while select is not None:
                if any(source.alias_or_name.lower() == name for source in _sources(select)):
                    self.found.columns.add("*")
                select = select.find_ancestor(self.exp.Select)


def _sources(select: Any) -> Iterator[Any]:
    first = select.args.get("from_")
    if first is not None:
        yield first.this
    for join in select.args.get("joins") or ():
        yield join.this


def _same_name(cte: Any, name: Any) -> bool:
    alias = cte.args["alias"].this
    return bool(alias.name == name.name and alias.args.get("quoted") == name.args.get("quoted"))


EXTRACTOR = Sql()
