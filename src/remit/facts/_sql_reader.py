"""Walks the trees of SQL statements and collects what they do and name."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from remit.facts import _sql_rules as rules

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$#]*")
_PLAIN_PROJECT = re.compile(r"[a-z][a-z0-9-]*")
_SQLITE_SPECIAL = re.compile(r"pragma_|dbstat$|sqlite_dbpage$|sqlite_stmt$|bytecode$|tables_used$")
_SEQUENCE_COLUMNS = frozenset({"nextval", "currval"})


class Found:
    """What was seen so far.

    Attributes:
        plain: no table, sequence or expression that reaches outside of the database.
    """

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.statements = 0
        self.tables: set[str] = set()
        self.columns: set[str] = set()
        self.functions: set[str] = set()
        self.plain = True

    def join(self, other: "Found") -> None:
        """Add what was seen in another text."""
        self.kinds |= other.kinds
        self.statements += other.statements
        self.tables |= other.tables
        self.columns |= other.columns
        self.functions |= other.functions
        self.plain = self.plain and other.plain


class Reader:
    """Reads the trees of one text into a :class:`Found`."""

    def __init__(self, sql: str, dialect: str, default_schema: str, found: Found) -> None:
        from sqlglot import Dialect, exp

        self.exp = exp
        self.parser = Dialect.get_or_raise(dialect).parser_class
        self.sql = sql
        self.dialect = dialect
        self.default_schema = default_schema
        self.found = found
        self.calls: set[int] = set()
        self.not_calls: set[int] = set()
        self.bare: set[str] = set()
        self.sources: set[str] = set()

    def read(self, trees: Sequence[Any], tokens: Sequence[Any]) -> None:
        """Read all statements of the text."""
        kinds: set[str] = set()
        for tree in trees:
            kinds |= self.statement(tree)
        self.called(tokens)
        self.rows()
        if kinds <= {"select", "unknown", "values"} and self.doubtful(tokens):
            kinds.add("unknown")
        self.found.kinds |= kinds

    def statement(self, tree: Any) -> set[str]:
        """The kinds of one statement; everything else it shows goes to what was found."""
        inner = tree
        while type(inner).__name__ == "Subquery" and not any(
            v for k, v in inner.args.items() if k != "this"
        ):
            inner = inner.this
        root = type(inner).__name__
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
            kinds |= self.node(node, known)
        return kinds

    def node(self, node: Any, known: frozenset[str] | None) -> set[str]:
        """The kinds that ``node`` by itself adds."""
        kind = type(node).__name__
        if kind == "Command":
            word = str(node.this).partition(" ")[0].lower()
            return {"command", word if word in rules.COMMANDS else "unknown"}
        kinds: set[str] = set()
        named = rules.STATEMENTS.get(kind)
        if named is not None and (kind != "Values" or known is None):
            kinds.add(named)
        if isinstance(node, self.exp.Func):
            self.function(node, kind)
        elif known is not None and kind not in known and named is None:
            kinds.add("unknown")
        parts = _PARTS.get(kind)
        if parts is not None and any(v and k not in parts for k, v in node.args.items()):
            kinds.add("unknown")
        handler = _HANDLERS.get(kind)
        if handler is not None:
            kinds |= handler(self, node) or set()
        if kind == "WithTableHint" and _harmless(node):
            kinds.discard("unknown")
        if kind in _NAMERS:
            self.not_calls |= {
                i.meta["start"]
                for i in node.args.values()
                if type(i).__name__ == "Identifier" and "start" in i.meta
            }
        return kinds

    def star(self, node: Any) -> None:
        """``*`` reads every column, except in ``count(*)``."""
        if type(node.parent).__name__ != "Count":
            self.found.columns.add("*")

    def property(self, node: Any) -> set[str]:
        """``@x := 1``."""
        variable = type(node.this).__name__ in {"Parameter", "SessionParameter"}
        return {"set"} if variable else set()

    def sequence(self, node: Any) -> None:
        """``NEXT VALUE FOR s``."""
        del node
        self.found.plain = False

    def renames(self, node: Any) -> None:
        """New names for columns: the real ones do not show."""
        self.sources.add(node.name.lower())
        if node.args.get("columns") or type(node).__name__ == "Pivot":
            self.found.columns.add("*")

    def join(self, node: Any) -> None:
        """``USING (a)`` names columns."""
        self.found.columns |= {i.name.lower() for i in node.args.get("using") or ()}

    def conflict(self, node: Any) -> set[str]:
        """``ON CONFLICT DO UPDATE``, ``ON DUPLICATE KEY UPDATE``."""
        action = node.args.get("action")
        nothing = action is not None and str(action.name).upper() == "DO NOTHING"
        return set() if nothing else {"update"}

    def insert(self, node: Any) -> set[str]:
        """``INSERT OR REPLACE`` and ``INSERT OVERWRITE`` also take rows away."""
        kinds = {"delete"} if node.args.get("overwrite") else set()
        if node.args.get("alternative"):
            kinds.add(str(node.args["alternative"]).lower())
        return kinds

    def function(self, node: Any, kind: str) -> None:
        start = node.meta.get("start")
        if start is not None:
            self.calls.add(start)
        elif kind == "Anonymous":
            self.found.functions.add(node.name.lower())

    def called(self, tokens: Sequence[Any]) -> None:
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
            self.found.functions.add(self.dotted(tokens, at))

    @staticmethod
    def dotted(tokens: Sequence[Any], at: int) -> str:
        parts = [tokens[at].text.lower()]
        at -= 1
        while at > 0 and tokens[at].token_type.name == "DOT":
            parts.append(tokens[at - 1].text.lower())
            at -= 2
        return ".".join(reversed(parts))

    def doubtful(self, tokens: Sequence[Any]) -> bool:
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

    def table(self, node: Any) -> set[str]:
        """A table, unless the name is a CTE's or a function's; the kinds that it adds."""
        kinds: set[str] = set()
        this = node.this
        self.sources.add(node.alias_or_name.lower())
        if type(this).__name__ != "Identifier":
            if not isinstance(this, self.exp.Func):
                self.found.plain = False
                self.found.tables.add(node.sql(dialect=self.dialect).lower()[:200])
            return kinds
        parts = [p for p in (node.args.get("catalog"), node.args.get("db"), this) if p is not None]
        names = [str(getattr(p, "name", p)) for p in parts]
        if len(parts) == 1 and self.is_cte(node, this):
            return kinds
        for at, name in enumerate(names):
            project = self.dialect == "bigquery" and at < len(names) - 1
            if not _PLAIN.fullmatch(name) and not (project and _PLAIN_PROJECT.fullmatch(name)):
                self.found.plain = False
        if self.dialect == "sqlite" and _SQLITE_SPECIAL.match(names[-1].lower()):
            # A pragma, or the raw pages, in the form of a table.
            kinds.add("pragma")
            self.found.plain = False
        if len(names) == 1 and self.default_schema:
            names.insert(0, self.default_schema)
        self.found.tables.add(".".join(names).lower())
        return kinds

    def in_table(self, node: Any) -> set[str]:
        """SQLite's ``x IN table``."""
        field = node.args.get("field")
        if field is None:
            return set()
        names = [i.name.lower() for i in field.find_all(self.exp.Identifier)]
        if len(names) == 1 and self.default_schema:
            names.append(self.default_schema.lower())
        self.found.tables.add(".".join(reversed(names)))
        self.found.columns.add("*")
        self.found.plain = False
        if names and _SQLITE_SPECIAL.match(names[0]):
            return {"pragma"}
        return set()

    def is_cte(self, node: Any, name: Any) -> bool:
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

    def column(self, node: Any) -> None:
        """A column; a bare name that is also a table's is the whole row (``SELECT t FROM t``)."""
        name = node.name.lower()
        self.found.columns.add(name or "*")
        if self.dialect in {"oracle", "snowflake"} and name in _SEQUENCE_COLUMNS:
            self.found.plain = False
        if not node.args.get("table"):
            self.bare.add(name)

    def rows(self) -> None:
        """After all trees: bare names that are tables."""
        if self.bare & self.sources:
            self.found.columns.add("*")


def _same_name(cte: Any, name: Any) -> bool:
    alias = cte.args["alias"].this
    return bool(alias.name == name.name and alias.args.get("quoted") == name.args.get("quoted"))


def _harmless(hint: Any) -> bool:
    return all(part.name.upper() in rules.HARMLESS_HINTS for part in hint.expressions)


_PARTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(rules.QUERIES, rules.QUERY_PARTS),
    "Table": rules.TABLE_PARTS,
}
_NAMERS = frozenset({"Table", "TableAlias", "Schema", "CTE"})
_HANDLERS: Mapping[str, Callable[[Reader, Any], set[str] | None]] = {
    "Column": Reader.column,
    "In": Reader.in_table,
    "Insert": Reader.insert,
    "Join": Reader.join,
    "NextValueFor": Reader.sequence,
    "OnConflict": Reader.conflict,
    "Pivot": Reader.renames,
    "PropertyEQ": Reader.property,
    "Star": Reader.star,
    "Table": Reader.table,
    "TableAlias": Reader.renames,
}
