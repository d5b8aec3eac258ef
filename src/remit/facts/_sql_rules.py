"""What the SQL fact knows of sqlglot's node classes, by name, so that nothing is imported.

Everything is an allow-list: a class, or an argument of a query, that is not named here makes the
statement ``unknown``. A new version of sqlglot can therefore add refusals, not holes.
"""

from collections.abc import Mapping

DIALECTS: Mapping[str, str] = {
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    **dict.fromkeys(("postgres", "postgresql"), "postgres"),
    **dict.fromkeys(("tsql", "mssql"), "tsql"),
    **{
        name: name
        for name in (
            "athena", "bigquery", "clickhouse", "databricks", "duckdb", "oracle", "presto",
            "redshift", "snowflake", "spark", "sqlite", "trino",
        )
    },
}  # fmt: skip
"""Accepted value of option ``dialect`` → sqlglot's name."""

STATEMENTS: Mapping[str, str] = {
    "Alter": "alter",
    "AlterSession": "alter",
    "Analyze": "analyze",
    "Attach": "attach",
    "Cache": "cache",
    "Comment": "comment",
    "Commit": "commit",
    "ConditionalInsert": "insert",
    "Copy": "copy",
    "Create": "create",
    "Declare": "declare",
    "Delete": "delete",
    "Describe": "describe",
    "Detach": "detach",
    "Drop": "drop",
    "Execute": "call",
    "ExecuteSql": "call",
    "Export": "export",
    "Get": "get",
    "Grant": "grant",
    "Insert": "insert",
    "Install": "install",
    "Into": "into",
    "Kill": "kill",
    "LoadData": "load",
    "Lock": "lock",
    "LockingStatement": "lock",
    "Merge": "merge",
    "MultitableInserts": "insert",
    "Pragma": "pragma",
    "Put": "put",
    "Refresh": "refresh",
    "Revoke": "revoke",
    "Rollback": "rollback",
    "Select": "select",
    "Set": "set",
    "Show": "show",
    "Summarize": "summarize",
    "Transaction": "begin",
    "TruncateTable": "truncate",
    "Uncache": "uncache",
    "Undrop": "undrop",
    "Update": "update",
    "Use": "use",
    "Values": "values",
}
"""Node class → kind, wherever in the tree it stands."""

SET_OPERATIONS = frozenset({"Union", "Except", "Intersect"})
QUERIES = SET_OPERATIONS | {"Select"}
CHANGES = frozenset({"Insert", "Update", "Delete", "Merge"})

COMMANDS = frozenset({
    "alter", "analyze", "attach", "backup", "begin", "call", "checkpoint", "cluster", "comment",
    "commit", "copy", "create", "deallocate", "declare", "delete", "detach", "discard", "do",
    "drop", "end", "exec", "execute", "explain", "export", "fetch", "flush", "grant", "handler",
    "import", "insert", "install", "kill", "listen", "load", "lock", "merge", "move", "notify",
    "optimize", "pragma", "prepare", "reassign", "refresh", "reindex", "release", "rename",
    "replace", "reset", "restore", "revoke", "rollback", "savepoint", "security", "set", "show",
    "shutdown", "start", "truncate", "unlisten", "unload", "unlock", "update", "use", "vacuum",
})  # fmt: skip
"""First words that name the kind of a statement that sqlglot does not parse further."""

QUERY_PARTS = frozenset({
    "with_", "expressions", "distinct", "from_", "joins", "laterals", "where", "group", "having",
    "qualify", "windows", "order", "limit", "offset", "connect", "sample", "kind", "pivots",
    "this", "expression", "side", "by_name", "on", "start", "sort", "cluster", "distribute",
})  # fmt: skip
TABLE_PARTS = frozenset({
    "this", "db", "catalog", "alias", "joins", "laterals", "pivots", "sample", "ordinality",
    "only", "system_time", "partition", "hints",
})  # fmt: skip

NODES = frozenset({
    # queries and their clauses
    "Select", "Union", "Except", "Intersect", "Subquery", "With", "CTE", "From", "Join", "Where",
    "Group", "Having", "Qualify", "Order", "Ordered", "Limit", "Offset", "Fetch", "LimitOptions",
    "Distinct", "Window", "WindowSpec", "Cube", "Rollup", "GroupingSets", "TableSample", "Pivot",
    "PivotAlias", "PivotAny", "UnpivotColumns", "Lateral", "Table", "TableAlias", "Connect",
    "Prior", "Sort", "Cluster", "Distribute", "Tuple", "Values", "PositionalColumn",
    # expressions
    "Alias", "Aliases", "All", "Any", "AtTimeZone", "Between", "Boolean", "Bracket", "Column",
    "DataType", "DataTypeParam", "Filter", "HavingMax", "Identifier", "IgnoreNulls", "In",
    "Interval", "IntervalSpan", "JSON", "JSONKeyValue", "JSONPath", "JSONPathFilter",
    "JSONPathKey", "JSONPathPart", "JSONPathRecursive", "JSONPathRoot", "JSONPathSelector",
    "JSONPathSlice", "JSONPathSubscript", "JSONPathUnion", "JSONPathWildcard", "JSONExtractQuote",
    "Lambda", "Literal", "BitString", "ByteString", "HexString", "RawString", "UnicodeString",
    "National", "Heredoc", "Null", "Parameter", "Placeholder", "PropertyEQ", "PseudoType",
    "RespectNulls", "SessionParameter", "Slice", "Star", "Var", "WithinGroup", "Kwarg", "Collate",
    "Pseudocolumn",
    # operators
    "Add", "Adjacent", "BitwiseAnd", "BitwiseLeftShift", "BitwiseNot", "BitwiseOr",
    "BitwiseRightShift", "BitwiseXor", "Distance", "DPipe", "Div", "Dot", "EQ", "Escape",
    "ExtendsLeft", "ExtendsRight", "Glob", "GT", "GTE", "ILike", "IntDiv", "Is", "LT", "LTE",
    "Like", "Match", "Mod", "Mul", "NEQ", "Neg", "Not", "NullSafeEQ", "NullSafeNEQ", "Overlaps",
    "Paren", "SimilarTo", "Sub",
})  # fmt: skip
"""Classes, besides functions, that a query may hold and still be only a query."""

CHANGE_NODES = NODES | {
    "Schema", "Returning", "OnConflict", "When", "Whens", "Insert", "Update", "Delete", "Merge",
}  # fmt: skip

STRUCTURE = frozenset({
    "ALL", "AND", "ANY", "ARRAY", "AS", "ASC", "BETWEEN", "BY", "CASE", "CUBE", "CROSS APPLY",
    "DESC", "DISTINCT", "ELSE", "ESCAPE", "EXCEPT", "EXISTS", "FETCH", "FILTER", "FIRST", "FROM",
    "GROUPING SETS", "HAVING", "ILIKE", "IN", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN",
    "KEY", "LATERAL", "LIKE", "LIMIT", "MATCHED", "MATERIALIZED", "NEXT", "NOT", "NOTNULL",
    "OFFSET", "ON", "OR", "OUTER APPLY", "OVER", "PARTITION BY", "PIVOT", "PRIOR", "QUALIFY",
    "RLIKE", "ROLLUP", "SELECT", "SETS", "SOME", "TABLE", "THEN", "TOP", "UNION", "UNPIVOT",
    "USING", "VALUES", "WHEN", "WHERE", "WITH", "WITHIN GROUP", "GROUP", "GROUP BY", "ORDER BY",
    "RETURNING", "SET", "CAST", "TRY_CAST", "SAFE_CAST", "EXCLUDE", "APPLY", "XOR", "END", "DIV",
    "REGEXP", "SIMILAR TO", "SAMPLE", "TABLESAMPLE", "BERNOULLI", "SYSTEM", "MEMBER OF",
    "SEPARATOR",
})  # fmt: skip
"""Words that may stand before a bracket and call nothing."""

HARMLESS_HINTS = frozenset({"NOLOCK", "READUNCOMMITTED", "READPAST", "NOEXPAND"})
"""Transact-SQL table hints that take no lock."""

STATEMENT_WORDS = frozenset({
    "ALTER", "ANALYZE", "ATTACH", "CALL", "COPY", "CREATE", "DELETE", "DETACH", "DROP", "EXEC",
    "EXECUTE", "EXPLAIN", "GRANT", "HANDLER", "INSERT", "INSTALL", "LISTEN", "LOAD", "LOCK",
    "MERGE", "NOTIFY", "OUTFILE", "DUMPFILE", "PRAGMA", "PREPARE", "REINDEX", "REVOKE",
    "TRUNCATE", "UPDATE", "VACUUM", "INTO",
})  # fmt: skip
"""Words that begin a statement: unquoted inside a query they are a doubt."""

TSQL_WORDS = STATEMENT_WORDS | {
    "BACKUP", "BEGIN", "BREAK", "BULK", "CHECKPOINT", "CLOSE", "COMMIT", "CONTINUE", "DBCC",
    "DEALLOCATE", "DECLARE", "DENY", "DISABLE", "ENABLE", "GO", "GOTO", "IF", "KILL", "OPEN",
    "PRINT", "RAISERROR", "READTEXT", "RECEIVE", "RECONFIGURE", "RESTORE", "RETURN", "REVERT",
    "ROLLBACK", "SAVE", "SEND", "SET", "SETUSER", "SHUTDOWN", "THROW", "UPDATETEXT", "USE",
    "WAITFOR", "WHILE", "WRITETEXT",
}  # fmt: skip
"""Transact-SQL needs no ``;`` between statements: ``SELECT 1 DELETE FROM t`` is two of them."""

PURE_FUNCTIONS = frozenset({
    "abs", "acos", "against", "age", "any_value", "approx_count_distinct", "array", "array_agg",
    "array_length", "array_to_string", "ascii", "asin", "atan", "atan2", "avg", "bit_and",
    "bit_or", "bit_xor", "bool_and", "bool_or", "btrim", "cardinality", "cast", "cbrt", "ceil",
    "ceiling", "char", "char_length", "character_length", "charindex", "chr", "coalesce",
    "concat", "concat_agg", "concat_ws", "convert", "corr", "cos", "count", "count_if", "countif",
    "covar_pop", "covar_samp", "cume_dist", "current_date", "current_time", "current_timestamp",
    "date", "date_add", "date_diff", "date_format", "date_part", "date_sub", "date_trunc",
    "dateadd", "datediff", "datename", "datepart", "datetime", "day", "dayname", "dayofmonth",
    "dayofweek", "dayofyear", "decode", "degrees", "dense_rank", "div", "elt", "eomonth", "every",
    "exp", "extract", "field", "find_in_set", "first_value", "flatten", "floor", "format",
    "from_unixtime", "getdate", "greatest", "group_concat", "grouping", "hex", "hour", "if",
    "ifnull", "iif", "initcap", "instr", "isnull", "isnumeric", "json_agg", "json_array",
    "json_array_length", "json_build_object", "json_each", "json_extract", "json_extract_scalar",
    "json_group_array", "json_group_object", "json_object", "json_object_agg", "json_query",
    "json_type", "json_value", "jsonb_agg", "julianday", "lag", "last_day", "last_value", "lead",
    "least", "left", "len", "length", "listagg", "ln", "localtime", "localtimestamp", "log",
    "log10", "log2", "lower", "lpad", "ltrim", "make_date", "match", "max", "md5", "median",
    "min", "minute", "mod", "mode", "month", "monthname", "now", "nth_value", "ntile", "nullif",
    "nullifzero", "nvl", "octet_length", "overlay", "patindex", "percent_rank", "percentile_cont",
    "percentile_disc", "pi", "position", "pow", "power", "printf", "quarter", "quote", "radians",
    "rank", "regexp_like", "regexp_matches", "regexp_replace", "regexp_substr", "replace",
    "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "safe_cast",
    "second", "sha1", "sha256", "sign", "sin", "soundex", "split_part", "sqrt", "stddev",
    "stddev_pop", "stddev_samp", "strftime", "string_agg", "string_to_array", "strpos", "struct",
    "stuff", "substr", "substring", "substring_index", "sum", "tan", "time", "time_bucket",
    "timestamp", "timestamp_diff", "timestamp_trunc", "timestampdiff", "to_char", "to_date",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_timestamp", "total", "translate", "trim",
    "trunc", "truncate", "try_cast", "typeof", "unicode", "unix_timestamp", "unixepoch", "unnest",
    "upper", "var_pop", "var_samp", "variance", "week", "weekday", "width_bucket", "year",
    "zeroifnull",
})  # fmt: skip
"""Functions without effects in every dialect here; the default of option ``functions``."""
