"""Arguments that say one thing and do another, through real facts: SQL, shell, paths, amounts.

Each call goes through the whole of Guard to a server that writes down what it runs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.governed import Governed, refused, said
from tests.rig.wire import LEGACY


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """One Guard over the recorder, with a workspace."""
    directory = tmp_path_factory.mktemp("arguments")
    work = directory / "work"
    (work / "sub").mkdir(parents=True)
    (work / "notes.txt").write_text("notes")
    (work / ".hidden").write_text("x")
    (directory / "outside").mkdir()
    (directory / "outside" / "secret").write_text("secret")
    (work / "link").symlink_to(directory / "outside")
    with Governed(directory, LEGACY) as opened:
        yield opened


def attempt(guard: Governed, tool: str, **arguments: object) -> bool:
    """Call a tool; returns whether it ran, by the server's own log."""
    before = len(guard.server_entries())
    records = len(guard.records())
    answer = guard.call(tool, **arguments)
    ran = any(entry.get("ran") == tool for entry in guard.server_entries()[before:])
    assert ran is not refused(answer), answer
    if not ran:
        assert "Denied by Remit" in said(answer), answer
    guard.wait_records(records)
    return ran


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select name, count(*) from users group by name order by 2 desc limit 5",
        "WITH a AS (SELECT id FROM users) SELECT * FROM a WHERE id IN (SELECT id FROM a)",
        "SELECT 'DELETE FROM users; DROP TABLE users' AS text",
        'SELECT "delete" FROM users',
        "SELECT E'\\'; DELETE FROM users; --'",
        "SELECT",
    ],
)
def test_queries_that_only_read(guard: Governed, sql: str) -> None:
    """What only reads, runs, whatever words it holds."""
    assert attempt(guard, "query", sql=sql)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM users",
        "dElEtE fRoM users",
        "SELECT 1; DELETE FROM users",
        "SELECT 1;;;\n\nDROP TABLE users",
        "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d",
        "WITH d AS (SELECT 1) UPDATE users SET name = 'x'",
        "SELECT * INTO copy FROM users",
        "CREATE TABLE copy AS SELECT * FROM users",
        "/* SELECT 1 */ DELETE FROM users",
        "SELECT 1 /*!; DROP TABLE users */",
        "SELECT 1 --\n; DELETE FROM users",
        "SELECT 1 -- \r; DELETE FROM users",
        "/*/**/*/ DELETE FROM users",
        "SELECT $$a$$; DELETE FROM users; SELECT $$b$$",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_sleep(1000)",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT set_config('role', 'admin', false)",
        "SELECT nextval('users_id_seq')",
        "SELECT * FROM users FOR UPDATE",
        "COPY users TO PROGRAM 'sh'",
        "EXPLAIN ANALYZE DELETE FROM users",
        "DO $$ BEGIN DELETE FROM users; END $$",
        "CALL purge()",
        "SET ROLE admin",
        "PREPARE x AS DELETE FROM users",
        "EXECUTE x",
        "LOCK TABLE users",
        "TRUNCATE users",
        "GRANT ALL ON users TO PUBLIC",
        "BEGIN; DELETE FROM users; COMMIT",
        "VACUUM",
        "SELECT * FROM salaries",
        "SELECT * FROM Salaries",
        'SELECT * FROM "salaries"',
        "SELECT * FROM public.salaries",
        "SELECT * FROM users u, LATERAL (SELECT * FROM salaries) s",
        "SELECT (SELECT max(amount) FROM salaries)",
        "WITH salaries2 AS (SELECT * FROM salaries) SELECT * FROM salaries2",
        "TABLE salaries",
        "SELECT 1 UNION SELECT amount FROM salaries",
        "SELECT * FROM users WHERE id IN (SELECT id FROM salaries)",
        "ＤＥＬＥＴＥ FROM users",
        "DEL\u200bETE FROM users",
        "SELECT\u00a01",
        "SELECT 1\x00; DELETE FROM users",
        "not sql at all",
        "",
        "   ",
        ";",
        "(" * 3000 + "SELECT 1" + ")" * 3000,
        "SELECT " + "1," * 60_000 + "1",
        "SELECT '" + "x" * 200_000,
    ],
    ids=lambda sql: ascii(sql[:60]),
)
def test_queries_that_do_more(guard: Governed, sql: str) -> None:
    """What writes, reads another table, calls a function with effects, or cannot be read, is denied."""
    assert not attempt(guard, "query", sql=sql)


@pytest.mark.parametrize(
    "path", ["notes.txt", "sub/../notes.txt", "./notes.txt", "sub//new", "sub/", "new/deep/file"]
)
def test_paths_inside(guard: Governed, path: str) -> None:
    """Relative or absolute, what stays inside is read."""
    assert attempt(guard, "read_file", path=path)
    assert attempt(guard, "read_file", path=f"{guard.directory}/work/{path}")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside/secret",
        "sub/../../outside/secret",
        "link/secret",
        "link/../outside/secret",
        "{work}/../outside/secret",
        "{work}x/secret",
        "{work}/link/secret",
        "//etc/passwd",
        "/{work}/../../../../../../etc/passwd",
        "~/secret",
        "~root/.ssh/id_rsa",
        "$HOME/secret",
        "%2e%2e/outside/secret",
        "%2e%2e%2foutside%2fsecret",
        "..%2foutside",
        "%252e%252e/outside",
        "..\\outside\\secret",
        "C:\\Windows\\win.ini",
        "\\\\host\\share",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "notes.txt\x00.png",
        "notes.txt\n/etc/passwd",
        "\u2025/outside/secret",
        "\uff0e\uff0e/outside/secret",
        "..\u2215outside\u2215secret",
        ".hidden",
        "sub/.hidden",
        "/proc/self/cwd/../outside",
        str(Path("/proc/self", "root", "etc", "passwd")),
        "/dev/fd/0",
        "/dev/stdin",
        "",
        " ",
        "a" * 5000,
        "a/" * 3000,
        "../" * 500 + "etc/passwd",
    ],
    ids=lambda path: ascii(path[:40]),
)
def test_paths_outside(guard: Governed, path: str) -> None:
    """What leads out, is hidden, or may be read in two ways, is denied."""
    assert not attempt(
        guard, "read_file", path=path.replace("{work}", str(guard.directory / "work"))
    )


@pytest.mark.parametrize(
    "command",
    [
        "ls -la",
        "cat notes.txt | grep -n plants | head -5",
        "echo 'rm -rf /; curl x | sh'",
        'grep "$(cat words)" notes.txt',
        "ls && echo done || echo failed",
        "ls 2>/dev/null",
    ],
)
def test_commands_that_are_listed(guard: Governed, command: str) -> None:
    """Pipelines and lists of listed programs run."""
    assert attempt(guard, "run", command=command)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "ls; rm -rf /",
        "ls && rm x",
        "ls | xargs rm",
        "ls\nrm x",
        "echo $(rm x)",
        "echo `rm x`",
        'echo "$(rm x)"',
        "cat <(rm x)",
        "cat <<E\n$(rm x)\nE",
        "$(echo rm) x",
        "r''m x",
        '"r"m x',
        "r\\m x",
        "X=rm; $X y",
        "${X:-rm} y",
        "/bin/rm x",
        "command rm x",
        "env rm x",
        "sudo rm x",
        "nohup rm x &",
        "ls &",
        "bash -c 'rm x'",
        "bash -c 'l''s'",
        "eval 'rm x'",
        "echo rm x | sh",
        "echo x > notes.txt",
        "echo x >> ~/.bashrc",
        "ls > /etc/passwd",
        "ls() { rm x; }; ls",
        "alias ls=rm; ls",
        "PATH=/tmp/evil ls",
        "LD_PRELOAD=/tmp/x.so ls",
        "if true; then rm x; fi",
        "for f in *; do rm $f; done",
        "trap 'rm x' EXIT",
        "[ $(rm x) ] && ls",
        "[[ -n $(rm x) ]]",
        "((a[$(rm x)]++))",
        "echo ${a[$(rm x)]}",
        "find . -exec rm {} +",
        "ls |& rm",
        "! rm x",
        "{ rm x; }",
        "(rm x)",
        "coproc rm x",
        "exec rm x",
        ". ./script",
        "source script",
        "ls\x00; rm x",
        "ls \u2028 rm",
        "ls # comment\nrm x",
        "ls \\\nrm; rm y",
        "'",
        "ls 'unterminated",
        "",
        "   ",
        "# only a comment",
        "ls " + "x" * 100_000,
    ],
    ids=lambda command: ascii(command[:40]),
)
def test_commands_that_are_not(guard: Governed, command: str) -> None:
    """A program that is not listed is seen wherever it stands, and what cannot be read is denied."""
    assert not attempt(guard, "run", command=command)


def test_a_link_that_turns(guard: Governed) -> None:
    """What was inside a moment ago is looked at again for each call."""
    turning = Path(guard.directory / "work" / "turning")
    turning.symlink_to(guard.directory / "work" / "sub")
    assert attempt(guard, "read_file", path="turning/x")
    turning.unlink()
    turning.symlink_to(guard.directory / "outside")
    assert not attempt(guard, "read_file", path="turning/secret")


@pytest.mark.parametrize(
    ("amount", "runs"),
    [
        (5, True),
        (10, True),
        (-5, True),
        (11, False),
        (100, False),
        (101, False),
        (10**18, False),
        (2**63, False),
        (2**64 + 5, False),
        (-(2**63) - 1, False),
        (10.5, False),
        (5.0000000001, False),
        (1e300, False),
        ("5", False),
        ("0x5", False),
        (True, False),
        (None, False),
        ([5], False),
        ({"amount": 5}, False),
    ],
)
def test_amounts(guard: Governed, amount: object, runs: bool) -> None:
    """Numbers are compared exactly; a confirmation that nobody can give is a refusal."""
    assert attempt(guard, "pay", amount=amount, to="bob") is runs


def test_confirmation_is_not_an_argument(guard: Governed) -> None:
    """The model cannot confirm for the person."""
    for extra in (
        {"confirm": True},
        {"fulfilled": ["payments-need-a-person"]},
        {"confirmed": "yes"},
    ):
        assert not attempt(guard, "pay", amount=50, to="bob", **extra)


def test_limit(guard: Governed) -> None:
    """Three of these an hour; the fourth is denied, and others are not affected."""
    assert [attempt(guard, "limited", message="x") for _ in range(4)] == [True, True, True, False]
    assert attempt(guard, "echo", message="x")


@pytest.mark.parametrize(
    ("method", "params", "passes"),
    [
        ("resources/read", {"uri": "memo://one"}, True),
        ("resources/read", {"uri": "memo://two"}, False),
        ("resources/read", {"uri": "memo://one/"}, False),
        ("resources/read", {"uri": "MEMO://one"}, False),
        ("resources/read", {"uri": "file:///etc/passwd"}, False),
        ("resources/read", {}, False),
        ("prompts/get", {"name": "greet"}, True),
        ("prompts/get", {"name": "Greet"}, False),
        ("prompts/get", {"name": "other"}, False),
        ("resources/list", {}, True),
        ("prompts/list", {}, True),
        ("resources/templates/list", {}, True),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "a", "value": "b"},
            },
            False,
        ),
        ("tasks/list", {}, False),
    ],
)
def test_other_methods_need_permission_too(
    guard: Governed, method: str, params: dict[str, object], passes: bool
) -> None:
    """Resources, prompts and the rest are judged like tools; a denied one does not reach the server."""
    before = len(guard.server_entries())
    answer = guard.request(method, params)
    assert ("result" in answer) is passes, answer
    frames = [entry["frame"] for entry in guard.server_entries()[before:] if "frame" in entry]
    assert any(method in frame for frame in frames) is passes
