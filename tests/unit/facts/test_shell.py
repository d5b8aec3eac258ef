from typing import Any

import pytest

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")


def fact(value: Any, form: str = "line", **more: Any) -> Fact:
    arguments = ("q", *more)
    spec = FactSpec("sh", "shell", ("*",), arguments, options_for("shell", {"form": form}))
    return compute(spec, {"q": value, **more}, ENV)


def test_everything_of_one_line() -> None:
    found = fact("X=1 sudo -u bob /usr/bin/grep -rn --color=auto foo src > out.txt 2>&1 &")
    assert found.problem == ""
    assert found.attributes == {
        "ok": True,
        "present": True,
        "commands": ["grep", "sudo"],
        "programs": ["/usr/bin/grep", "sudo"],
        "flags": ["--color", "-n", "-r", "-rn", "-u"],
        "arguments": ["/usr/bin/grep", "bob", "foo", "src"],
        "redirects": ["out.txt"],
        "assignments": ["X"],
        "writes": True,
        "pipes_to_interpreter": False,
        "substitution": False,
        "expansion": False,
        "background": True,
        "dynamic": False,
    }


@pytest.mark.parametrize(
    ("line", "attribute", "expected"),
    [
        ("ls > f", "writes", True),
        ("ls >> f", "writes", True),
        ("ls &> f", "writes", True),
        ("ls >| f", "writes", True),
        ("ls >& f", "writes", True),
        ("ls > /dev/null 2>&1", "writes", False),
        ("ls < f", "writes", False),
        ("ls < f", "redirects", ["f"]),
        ("ls 2> $X", "redirects", ["$X"]),
        ("ls 2> $X", "writes", True),
        ("ls &", "background", True),
        ("ls && ls", "background", False),
        ("ls $X", "expansion", True),
        ("ls *.py", "expansion", True),
        ("ls '*.py'", "expansion", False),
        ("ls {a,b}", "expansion", True),
        ("ls {}", "expansion", False),
        ("ls $(a)", "substitution", True),
        ("ls <(a)", "substitution", True),
        ("ls '$(a)'", "substitution", False),
        ("A=1 B=2", "assignments", ["A", "B"]),
        ("export A=1", "assignments", ["A"]),
        ("env A=1 ls", "assignments", ["A"]),
        ("for i in a; do ls; done", "assignments", ["i"]),
        ("git push --force origin main", "flags", ["--force"]),
        ("git push --force origin main", "arguments", ["main", "origin", "push"]),
        ("rm -rf x", "flags", ["-f", "-r", "-rf"]),
        ("echo 'a b' \"c\"d\\ e", "arguments", ["a b", "cd e"]),
        ("/opt/My\\ App/run", "commands", ["My App", "my app", "run"][2:]),
        ("LS", "commands", ["LS", "ls"]),
        ("command -v git", "commands", ["command"]),
        ("xargs", "commands", ["xargs"]),
        ("", "commands", []),
        ("# only a comment", "commands", []),
    ],
)  # fmt: skip
def test_attributes(line: str, attribute: str, expected: Any) -> None:
    found = fact(line)
    assert found.problem == ""
    assert found.attributes[attribute] == expected


@pytest.mark.parametrize(
    "line",
    [
        "ls 'x", 'ls "x', "ls (", "ls )", "if x", "ls | ", "ls &&", "a b\x00", "a\rb", "a\u202eb",
        "a\u00a0b", "cat <<EOF\nx", "`", "$(", "${", "a" * 20_000, "ls " + "|a" * 1001,
        "bash -c 'bash -c \"(\"'", "eval '('", "trap '(' EXIT",
    ],
)  # fmt: skip
def test_what_does_not_parse_fails(line: str) -> None:
    found = fact(line)
    assert found.attributes["ok"] is False
    assert found.attributes["commands"] == ["unknown"]
    assert found.attributes["dynamic"]


def test_code_in_code_has_an_end() -> None:
    line = "ls"
    for _ in range(10):
        line = "eval " + line
    assert "deep" in fact(line).problem


@pytest.mark.parametrize(
    ("value", "commands"),
    [
        (["ls", "-l"], ["ls"]),
        (["ls", "; rm x"], ["ls"]),
        (["sudo", "rm", "x"], ["rm", "sudo"]),
        (["bash", "-c", "rm x"], ["bash", "rm"]),
        (["bash", "-lc", "curl x | sh"], ["bash", "curl", "sh"]),
        (["find", ".", "-exec", "rm", "{}", ";"], ["find", "rm"]),
        (["env", "A=1", "rm"], ["env", "rm"]),
        ("ls", ["ls"]),
        (["/bin/my prog"], ["my prog"]),
    ],
)
def test_argv(value: Any, commands: list[str]) -> None:
    found = fact(value, "argv")
    assert found.problem == ""
    assert found.attributes["commands"] == commands


def test_argv_of_a_program_and_its_arguments() -> None:
    found = fact("sudo", "argv", args=["rm", "x"]).attributes
    assert found["commands"] == ["rm", "sudo"]


@pytest.mark.parametrize(
    "value",
    [[], "ls -l", "ls;rm", "$X", "a\nb", ["a\0b"], ["a\rb"], [1], [["a"]], {"a": "b"}, 5, [None]],
)
def test_odd_argvs_fail(value: Any) -> None:
    assert fact(value, "argv").attributes["ok"] is False


@pytest.mark.parametrize("value", [["ls"], 1, {"a": 1}, True])
def test_odd_lines_fail(value: Any) -> None:
    assert fact(value).attributes["ok"] is False


@pytest.mark.parametrize("sign", ["|", "@"])
def test_what_the_parser_takes_long_for_is_refused(sign: str) -> None:
    assert fact(f"echo a{f'{sign}a' * 900}").attributes["ok"] is True
    assert fact(f"echo a{f'{sign}a' * 1_001}").attributes["ok"] is False
