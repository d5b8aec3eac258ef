"""SQL that changes, leaves the database or locks, in dress: none of it may look like a read.

The last tests run the sqlite part of the corpus, and generated queries, in a real SQLite: what the
fact calls read-only must leave every byte of the database as it was and open no other file.
"""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")

# The statement itself is not a query: `kinds` must say so (or the fact must fail).
STATEMENTS = [
    # stacked
    ("postgres", "SELECT 1; DROP TABLE t"),
    ("postgres", "SELECT 1;;DELETE FROM t"),
    ("postgres", ";DROP TABLE t"),
    ("sqlite", "SELECT 1; SELECT 2; DELETE FROM t"),
    ("mysql", "SELECT 1; -- x\nDROP TABLE t"),
    ("tsql", "SELECT 1 DELETE FROM t"),
    ("tsql", "SELECT 1\nDELETE FROM t"),
    ("tsql", "SELECT a FROM t EXEC sp_who"),
    ("tsql", "SELECT a FROM t WHERE a = 1 DROP TABLE t"),
    ("tsql", "SELECT 1 AS a UPDATE t SET a = 2"),
    ("tsql", "SELECT 1 SHUTDOWN"),
    ("tsql", "SELECT 1 WAITFOR DELAY '0:0:5'"),
    ("tsql", "SELECT 1 x EXEC('drop table t')"),
    ("tsql", "SELECT 1\nGO\nDROP TABLE t"),
    ("tsql", "SELECT 1 RECONFIGURE"),
    ("tsql", "SELECT 1 KILL 53"),
    ("tsql", "SELECT 1 TRUNCATE TABLE t"),
    ("tsql", "xp_cmdshell 'dir'"),
    ("tsql", "sp_configure"),
    ("tsql", "IF 1=1 DELETE FROM t"),
    ("tsql", "BEGIN DELETE FROM t END"),
    ("tsql", "DECLARE @x int = 1"),
    ("tsql", "EXEC sp_executesql N'drop table t'"),
    # strings and comments that hide a statement
    ("postgres", "SELECT 'a\\'; DROP TABLE t; -- '"),
    ("postgres", "SELECT x$$ ; DROP TABLE t; --$$"),
    ("postgres", "SELECT $a$ $a$; DROP TABLE t; --"),
    ("postgres", "SELECT 1 -- \rDROP TABLE t"),
    ("postgres", "SELECT 1 --\r; DROP TABLE t"),
    ("postgres", "/* /* */ */ DROP TABLE t; SELECT 1"),
    ("sqlite", "SELECT 1 /* /* */ ; DELETE FROM t; /* */ */"),
    ("mysql", "SELECT 1 /* /* */ ; DROP TABLE t -- */"),
    ("mysql", "SELECT 1 /*! INTO OUTFILE '/tmp/x' */"),
    ("mysql", "SELECT 1 /*!50000 ; DROP TABLE t */"),
    ("mysql", "SELECT 1 /*M! ; DROP TABLE t */"),
    ("mariadb", "SELECT 1 /*M!100100 INTO OUTFILE 'x' */"),
    ("mysql", "SELECT 5--1 INTO OUTFILE '/tmp/x'"),
    ("mysql", "SELECT 1 # x\n; DROP TABLE t"),
    ("mysql", "SELECT 1 /*+ SET_VAR(sql_mode='') */"),
    ("mysql", "SELECT 1 --\x01 x\n; DROP TABLE t"),
    ("postgres", "SELECT U&'\\0027; DROP TABLE t; --'; DROP TABLE t"),
    ("postgres", "SELECT E'a\\'; DROP TABLE t; --"),
    ("postgres", "SELECT 'a\\'; DROP TABLE t; --"),
    ("sqlite", "SELECT 1\u00a0; DROP TABLE t"),
    ("sqlite", "SELECT 1\u2028; DROP TABLE t"),
    ("postgres", "\ufeffDROP TABLE t"),
    ("postgres", "D\u200bROP TABLE t"),
    ("sqlite", "SELECT 1\x00; DROP TABLE t"),
    # queries that write
    ("postgres", "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d"),
    ("postgres", "WITH a AS (SELECT 1), b AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM a"),
    ("postgres", "SELECT * FROM (WITH u AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM u) q"),
    ("postgres", "WITH m AS (MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE) SELECT 1"),
    ("postgres", "WITH d AS (DELETE FROM t RETURNING 1) (SELECT 1)"),
    ("postgres", "(WITH d AS (DELETE FROM t RETURNING 1) SELECT 1)"),
    ("postgres", "((SELECT 1 INTO t))"),
    ("postgres", "SELECT 1 INTO t"),
    ("postgres", "SELECT * INTO UNLOGGED t FROM s"),
    ("postgres", "SELECT 1 UNION SELECT 2 INTO t"),
    ("tsql", "SELECT * INTO #t FROM s"),
    ("tsql", "SELECT * INTO x.dbo.t FROM s"),
    ("mysql", "SELECT 1 INTO OUTFILE '/tmp/x'"),
    ("mysql", "SELECT 1 INTO DUMPFILE '/tmp/x'"),
    ("mysql", "SELECT 1 INTO @x"),
    ("mysql", "SELECT @x := 1"),
    ("mysql", "SELECT a FROM t WHERE (@x := a) > 1"),
    ("oracle", "SELECT 1 INTO x FROM dual"),
    ("postgres", "SELECT * FROM t FOR UPDATE"),
    ("postgres", "SELECT * FROM t FOR SHARE OF t NOWAIT"),
    ("postgres", "SELECT * FROM (SELECT * FROM t FOR NO KEY UPDATE) q"),
    ("mysql", "SELECT * FROM t LOCK IN SHARE MODE"),
    ("mysql", "SELECT * FROM t FOR UPDATE SKIP LOCKED"),
    ("oracle", "SELECT * FROM t FOR UPDATE WAIT 5"),
    ("tsql", "SELECT * FROM t WITH (TABLOCKX, HOLDLOCK)"),
    ("tsql", "SELECT * FROM t WITH (UPDLOCK)"),
    ("mysql", "SELECT 1 PROCEDURE ANALYSE()"),
    ("clickhouse", "SELECT 1 INTO OUTFILE 'x'"),
    ("clickhouse", "SELECT 1 SETTINGS max_threads = 1"),
    # statements that are no query
    ("postgres", "EXPLAIN SELECT 1"),
    ("postgres", "EXPLAIN ANALYZE DELETE FROM t"),
    ("mysql", "EXPLAIN ANALYZE SELECT 1"),
    ("mysql", "DESCRIBE t"),
    ("sqlite", "EXPLAIN QUERY PLAN SELECT 1"),
    ("postgres", "COPY t TO '/tmp/x'"),
    ("postgres", "COPY (SELECT 1) TO PROGRAM 'sh'"),
    ("postgres", "COPY t FROM '/etc/passwd'"),
    ("mysql", "LOAD DATA INFILE '/etc/passwd' INTO TABLE t"),
    ("mysql", "LOAD XML INFILE 'x' INTO TABLE t"),
    ("postgres", "CALL p()"),
    ("postgres", "DO $$ BEGIN DELETE FROM t; END $$"),
    ("postgres", "PREPARE p AS DELETE FROM t"),
    ("postgres", "EXECUTE p"),
    ("mysql", "PREPARE p FROM 'drop table t'"),
    ("oracle", "BEGIN DELETE FROM t; END;"),
    ("oracle", "EXECUTE IMMEDIATE 'drop table t'"),
    ("snowflake", "EXECUTE IMMEDIATE $$ drop table t $$"),
    ("bigquery", "EXECUTE IMMEDIATE 'drop table t'"),
    ("postgres", "SET ROLE admin"),
    ("postgres", "RESET ROLE"),
    ("postgres", "SET search_path = hr"),
    ("postgres", "SHOW all"),
    ("postgres", "NOTIFY c"),
    ("postgres", "NOTIFY c, 'x'"),
    ("postgres", "LISTEN c"),
    ("postgres", "UNLISTEN c"),
    ("postgres", "DISCARD ALL"),
    ("postgres", "CLUSTER t"),
    ("postgres", "CHECKPOINT"),
    ("postgres", "VACUUM"),
    ("postgres", "REINDEX TABLE t"),
    ("postgres", "ANALYZE t"),
    ("postgres", "LOCK TABLE t"),
    ("postgres", "LOAD 'x'"),
    ("postgres", "SAVEPOINT s"),
    ("postgres", "RELEASE s"),
    ("postgres", "BEGIN"),
    ("postgres", "COMMIT"),
    ("postgres", "DEALLOCATE p"),
    ("postgres", "DECLARE c CURSOR FOR SELECT 1"),
    ("postgres", "REFRESH MATERIALIZED VIEW v"),
    ("postgres", "COMMENT ON TABLE t IS 'x'"),
    ("postgres", "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y"),
    ("sqlite", "PRAGMA journal_mode = DELETE"),
    ("sqlite", "PRAGMA table_info(t)"),
    ("sqlite", "ATTACH 'x.db' AS y"),
    ("sqlite", "ATTACH DATABASE 'x.db' AS y"),
    ("sqlite", "DETACH y"),
    ("sqlite", "VACUUM INTO 'x.db'"),
    ("sqlite", "REINDEX"),
    ("sqlite", "REPLACE INTO t VALUES (1)"),
    ("sqlite", "INSERT OR REPLACE INTO t VALUES (1)"),
    ("sqlite", "WITH x AS (SELECT 1) DELETE FROM t"),
    ("sqlite", "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"),
    ("sqlite", "WITH x AS (SELECT 1) UPDATE t SET a = 1"),
    ("mysql", "USE other"),
    ("mysql", "KILL 1"),
    ("mysql", "LOCK TABLES t READ"),
    ("mysql", "UNLOCK TABLES"),
    ("mysql", "FLUSH TABLES"),
    ("mysql", "HANDLER t OPEN"),
    ("mysql", "DO SLEEP(5)"),
    ("mysql", "SET GLOBAL x = 1"),
    ("mysql", "SHOW TABLES"),
    ("mysql", "INSTALL PLUGIN x SONAME 'y'"),
    ("mysql", "RENAME TABLE a TO b"),
    ("duckdb", "INSTALL httpfs"),
    ("duckdb", "LOAD httpfs"),
    ("duckdb", "EXPORT DATABASE 'x'"),
    ("duckdb", "COPY t TO 'x.csv'"),
    ("duckdb", "SET x = 1"),
    ("duckdb", "CHECKPOINT"),
    ("duckdb", "SUMMARIZE t"),
    ("snowflake", "PUT file:///x @s"),
    ("snowflake", "GET @s file:///x"),
    ("snowflake", "COPY INTO t FROM @s"),
    ("snowflake", "UNDROP TABLE t"),
    ("snowflake", "ALTER SESSION SET x = 1"),
    ("bigquery", "EXPORT DATA OPTIONS(uri='gs://x') AS SELECT 1"),
    ("bigquery", "ASSERT 1 = 1"),
    ("spark", "CACHE TABLE t"),
    ("spark", "REFRESH TABLE t"),
    ("spark", "INSERT OVERWRITE t SELECT 1"),
    ("clickhouse", "SYSTEM SHUTDOWN"),
    ("clickhouse", "OPTIMIZE TABLE t"),
    ("redshift", "UNLOAD ('select 1') TO 's3://x'"),
    *[
        (dialect, sql)
        for dialect in ("postgres", "mysql", "sqlite", "tsql", "snowflake", "bigquery", "oracle", "duckdb")
        for sql in (
            "DELETE FROM t",
            "TRUNCATE TABLE t",
            "DROP TABLE t",
            "ALTER TABLE t ADD COLUMN a int",
            "CREATE TABLE t AS SELECT 1",
            "CREATE OR REPLACE VIEW v AS SELECT 1",
            "INSERT INTO t SELECT * FROM s",
            "UPDATE t SET a = (SELECT 1)",
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1",
            "GRANT SELECT ON t TO x",
            "REVOKE SELECT ON t FROM x",
        )
    ],
    # commands of the clients that some servers are made of
    ("sqlite", "SELECT 1\n.shell id"),
    ("sqlite", "SELECT 1;\n.shell id"),
    ("postgres", "SELECT 1 \\! id"),
    ("postgres", "SELECT 1 \\gexec"),
    ("mysql", "SELECT 1\nsystem id"),
    ("mysql", "SELECT 1 \\! id"),
    ("oracle", "SELECT 1 FROM dual\n/\nDROP TABLE t"),
    ("snowflake", "SELECT 1\n!system id"),
    ("tsql", "SELECT 1\n:!! dir"),
    # words that are no statement at all
    ("postgres", ""),
    ("postgres", "   "),
    ("postgres", ";"),
    ("postgres", "-- only"),
    ("postgres", "/* only */"),
    ("postgres", "sel ect 1"),
    ("postgres", "1"),
    ("postgres", "f()"),
    ("postgres", "x"),
    ("postgres", "'SELECT 1'"),
    ("postgres", "SELECT " + "(" * 400 + "1" + ")" * 400),
    ("postgres", "SELECT 1 " + "+ 1" * 40_000),
    ("postgres", "SELECT " + "- " * 5_000 + "1"),
    ("postgres", "SELECT " + "NOT " * 4_000 + "true"),
    ("postgres", "SELECT " + "CASE WHEN 1 THEN " * 200 + "1" + " END" * 200),
]  # fmt: skip

# A query in form, with an effect or a reach that only names show.
EFFECTS = [
    ("postgres", "SELECT pg_read_file('/etc/passwd')"),
    ("postgres", 'SELECT "pg_read_file"(\'/etc/passwd\')'),
    ("postgres", "SELECT pg_catalog.pg_read_file('/etc/passwd')"),
    ("postgres", "SELECT pg_ls_dir('/')"),
    ("postgres", "SELECT * FROM pg_read_binary_file('/etc/passwd')"),
    ("postgres", "SELECT * FROM dblink('x', 'delete from t') AS t(a int)"),
    ("postgres", "SELECT dblink_exec('x', 'delete from t')"),
    ("postgres", "SELECT lo_export(1, '/tmp/x')"),
    ("postgres", "SELECT lo_import('/etc/passwd')"),
    ("postgres", "SELECT set_config('role', 'admin', false)"),
    ("postgres", "SELECT nextval('s')"),
    ("postgres", "SELECT setval('s', 1)"),
    ("postgres", "SELECT pg_sleep(10)"),
    ("postgres", "SELECT pg_terminate_backend(1)"),
    ("postgres", "SELECT pg_advisory_lock(1)"),
    ("postgres", "SELECT query_to_xml('delete from t', true, true, '')"),
    ("postgres", "SELECT pg_notify('c', 'x')"),
    ("postgres", "SELECT pg_reload_conf()"),
    ("postgres", "SELECT count(*) FROM t WHERE 1 = (SELECT pg_sleep(1)::text::int)"),
    ("postgres", "SELECT max(a) OVER (ORDER BY pg_sleep(1)) FROM t"),
    ("postgres", "SELECT 1 ORDER BY pg_sleep(1)"),
    ("postgres", "SELECT 1 LIMIT evil()"),
    ("postgres", "SELECT evil.count(1)"),
    ("postgres", "SELECT evil . count (1)"),
    ("postgres", 'SELECT "evil"."lower"(1)'),
    ("postgres", "SELECT 1 OPERATOR(evil.+) 2"),
    ("postgres", "SELECT * FROM t, LATERAL evil(t.a) x"),
    ("postgres", "SELECT * FROM ROWS FROM (evil(1)) x"),
    ("postgres", "SELECT * FROM t TABLESAMPLE evil(1)"),
    ("postgres", "SELECT evil /* x */ (1)"),
    ("postgres", "SELECT evil\n(1)"),
    ("postgres", "SELECT EVIL(1)"),
    ("postgres", "SELECT FILTER(1)"),
    ("postgres", "SELECT CASE WHEN evil(1) THEN 1 END"),
    ("postgres", "WITH pg_sleep(a) AS (SELECT 1) SELECT pg_sleep(1)"),
    ("mysql", "SELECT LOAD_FILE('/etc/passwd')"),
    ("mysql", "SELECT SLEEP(10)"),
    ("mysql", "SELECT BENCHMARK(1000000000, MD5(1))"),
    ("mysql", "SELECT GET_LOCK('x', 10)"),
    ("mysql", "SELECT sys_exec('id')"),
    ("mysql", "SELECT `sleep`(5)"),
    ("mysql", "SELECT db.count(1)"),
    ("sqlite", "SELECT load_extension('x')"),
    ("sqlite", "SELECT writefile('x', 'y')"),
    ("sqlite", "SELECT readfile('/etc/passwd')"),
    ("sqlite", "SELECT edit('x')"),
    ("sqlite", "SELECT fts3_tokenizer('x', 'y')"),
    ("sqlite", "SELECT * FROM pragma_database_list"),
    ("sqlite", "SELECT * FROM pragma_journal_mode('delete')"),
    ("sqlite", "SELECT * FROM PRAGMA_user_version"),
    ("sqlite", "SELECT * FROM sqlite_dbpage"),
    ("sqlite", "SELECT * FROM dbstat"),
    ("sqlite", "SELECT 1 IN pragma_user_version"),
    ("sqlite", "SELECT * FROM main.pragma_user_version"),
    ("sqlite", "SELECT randomblob(1000000000)"),
    ("sqlite", "SELECT * FROM fsdir('/')"),
    ("tsql", "SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'delete from t')"),
    ("tsql", "SELECT * FROM OPENROWSET(BULK '/etc/passwd', SINGLE_CLOB) x"),
    ("tsql", "SELECT * FROM OPENQUERY(x, 'delete from t')"),
    ("tsql", "SELECT NEXT VALUE FOR s"),
    ("tsql", "SELECT dbo.evil(1)"),
    ("tsql", "SELECT * FROM remote.db.dbo.t"),
    ("tsql", "SELECT * FROM sys.fn_xe_file_target_read_file('x', null, null, null)"),
    ("duckdb", "SELECT * FROM '/etc/passwd'"),
    ("duckdb", "SELECT * FROM 'x.csv'"),
    ("duckdb", 'SELECT * FROM "x.csv"'),
    ("duckdb", "FROM 'https://evil.example/x.parquet'"),
    ("duckdb", "SELECT * FROM read_csv('/etc/passwd')"),
    ("duckdb", "SELECT * FROM read_text('/etc/passwd')"),
    ("duckdb", "SELECT * FROM glob('/*')"),
    ("duckdb", "SELECT getenv('HOME')"),
    ("duckdb", "SELECT * FROM sniff_csv('x')"),
    ("clickhouse", "SELECT * FROM url('http://x', 'CSV')"),
    ("clickhouse", "SELECT * FROM file('x')"),
    ("clickhouse", "SELECT * FROM s3('x')"),
    ("snowflake", "SELECT s.nextval"),
    ("snowflake", "SELECT * FROM @stage"),
    ("snowflake", "SELECT SYSTEM$CANCEL_QUERY('x')"),
    ("oracle", "SELECT s.nextval FROM dual"),
    ("oracle", "SELECT UTL_HTTP.REQUEST('http://x') FROM dual"),
    ("oracle", "SELECT DBMS_LOCK.SLEEP(1) FROM dual"),
    ("oracle", "SELECT * FROM t@remote"),
    ("oracle", "SELECT UTL_INADDR.get_host_address('x') FROM dual"),
    ("bigquery", "SELECT * FROM EXTERNAL_QUERY('c', 'delete from t')"),
    ("bigquery", "SELECT * FROM ML.PREDICT(MODEL m, TABLE t)"),
    ("redshift", "SELECT pg_terminate_backend(1)"),
    ("spark", "SELECT * FROM csv.`/etc/passwd`"),
    ("spark", "SELECT reflect('java.lang.System', 'exit', 1)"),
    ("spark", "SELECT java_method('java.lang.System', 'exit', 1)"),
    ("trino", "SELECT * FROM TABLE(system.query(query => 'delete from t'))"),
]  # fmt: skip

# Tables that are read behind a name.
HIDDEN_TABLES = [
    ("postgres", "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets"),
    ("postgres", "SELECT * FROM secrets WHERE 1 IN (WITH secrets AS (SELECT 1) SELECT 1)"),
    ("postgres", 'WITH "Secrets" AS (SELECT 1) SELECT * FROM secrets'),
    ("mysql", "WITH Secrets AS (SELECT 1) SELECT * FROM secrets"),
    ("postgres", "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a"),
    ("postgres", "SELECT * FROM SECRETS"),
    ("postgres", 'SELECT * FROM "secrets"'),
    ("postgres", "TABLE secrets"),
    ("duckdb", "FROM secrets"),
    ("postgres", "SELECT (SELECT a FROM secrets)"),
    ("postgres", "SELECT 1 WHERE EXISTS (SELECT 1 FROM secrets)"),
    ("postgres", "SELECT 1 UNION ALL SELECT a FROM secrets"),
    ("postgres", "SELECT * FROM t NATURAL JOIN secrets"),
    ("postgres", "SELECT * FROM ONLY secrets"),
    ("postgres", "SELECT * FROM t, secrets"),
    ("postgres", "SELECT * FROM (t CROSS JOIN secrets)"),
    ("postgres", "SELECT 1 ORDER BY (SELECT a FROM secrets)"),
    ("postgres", "SELECT 1 LIMIT (SELECT a FROM secrets)"),
    ("postgres", "SELECT 1 FROM t GROUP BY (SELECT a FROM secrets)"),
    ("postgres", "SELECT count(*) FILTER (WHERE a IN (SELECT a FROM secrets)) FROM t"),
    ("postgres", "SELECT array(SELECT a FROM secrets)"),
    ("postgres", "WITH a AS (SELECT * FROM secrets) (SELECT 1)"),
    ("mysql", "SELECT * FROM `secrets`"),
    ("tsql", "SELECT * FROM [secrets]"),
    ("tsql", "SELECT * FROM t CROSS APPLY (SELECT * FROM secrets) x"),
    ("sqlite", "SELECT * FROM [secrets]"),
    ("sqlite", "SELECT 1 WHERE 1 IN secrets"),
    ("sqlite", "SELECT 1 WHERE (1, 2) IN secrets"),
    ("sqlite", "SELECT 1 FROM (SELECT 1) LEFT JOIN secrets ON 1"),
]  # fmt: skip


def fact(dialect: str, sql: str, **options: object) -> Fact:
    spec = FactSpec(
        "sql", "sql", ("*",), ("q",), options_for("sql", {"dialect": dialect, **options})
    )
    return compute(spec, {"q": sql}, ENV)


@pytest.mark.parametrize(("dialect", "sql"), STATEMENTS)
def test_no_statement_looks_like_a_query(dialect: str, sql: str) -> None:
    a = fact(dialect, sql).attributes
    assert not a["read_only"]
    assert not a["ok"] or a["kinds"] != ["select"] or a["statements"] != 1


@pytest.mark.parametrize(("dialect", "sql"), EFFECTS)
def test_no_query_with_an_effect_is_read_only(dialect: str, sql: str) -> None:
    assert not fact(dialect, sql).attributes["read_only"]


@pytest.mark.parametrize(("dialect", "sql"), HIDDEN_TABLES)
def test_every_table_shows(dialect: str, sql: str) -> None:
    a = fact(dialect, sql).attributes
    assert not a["ok"] or "secrets" in a["tables"]
    b = fact(dialect, sql, default_schema="hr").attributes
    assert not b["ok"] or "hr.secrets" in b["tables"]


def test_the_corpus_is_large() -> None:
    assert len(STATEMENTS) + len(EFFECTS) + len(HIDDEN_TABLES) >= 80


SQLITE_QUERIES = [
    "SELECT * FROM t",
    "SELECT count(*), max(a) FROM t GROUP BY b HAVING count(*) > 0 ORDER BY 1 LIMIT 3",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT * FROM c",
    "SELECT a, row_number() OVER (PARTITION BY b ORDER BY a) FROM t",
    "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM t",
    "SELECT * FROM t WHERE a IN (SELECT a FROM s) AND b LIKE '%x%' ESCAPE '!'",
    "SELECT date('now'), strftime('%Y', 'now')",
    "SELECT name FROM sqlite_master",
    'SELECT "a", [b], `c` FROM t -- end',
    "SELECT 1 /* x */ + 2",
    "SELECT t.* FROM t JOIN s USING (a) UNION SELECT * FROM t",
]  # fmt: skip


# SELECT, READ, FUNCTION, and 33: a recursive query.
HARMLESS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}


def test_sqlite_agrees(tmp_path: Path) -> None:
    """Whatever is called read-only leaves a real SQLite database and its directory alone."""
    checked = 0
    sqls = [s for d, s in STATEMENTS + EFFECTS + HIDDEN_TABLES if d == "sqlite"]
    sqls += [s for _, s in STATEMENTS + EFFECTS + HIDDEN_TABLES] + SQLITE_QUERIES
    for at, sql in enumerate(sqls):
        if not fact("sqlite", sql).attributes["read_only"]:
            continue
        checked += 1
        directory = tmp_path / str(at)
        directory.mkdir()
        path = directory / "x.db"
        db = sqlite3.connect(path, isolation_level=None)
        db.executescript(
            "CREATE TABLE t(a, b, c); INSERT INTO t VALUES (1, 2, 3); CREATE TABLE s(a, b);"
            "CREATE TABLE secrets(a); INSERT INTO s VALUES (1, 'x')"
        )
        before = path.read_bytes(), sorted(p.name for p in directory.iterdir())
        touched: list[int] = []

        def authorise(action: int, *_: object, touched: list[int] = touched) -> int:
            if action not in HARMLESS:
                touched.append(action)
            return sqlite3.SQLITE_OK

        db.set_authorizer(authorise)
        # Another dialect\'s query may fail here: the point is what it left behind.
        with contextlib.suppress(sqlite3.Error):
            db.execute(sql).fetchmany(100)
        db.set_authorizer(None)
        assert not touched, (sql, touched)
        db.close()
        assert (path.read_bytes(), sorted(p.name for p in directory.iterdir())) == before, sql
    assert checked >= len(SQLITE_QUERIES)
