import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from remit.cli.content import content


def run(*arguments, stdin=None):
    return CliRunner().invoke(content, ["check", *arguments], input=stdin)


def answers(*lines, arguments=()):
    result = run(*arguments, stdin="".join(f"{line}\n" for line in lines))
    return [json.loads(line) for line in result.stdout.splitlines()], result.exit_code


def row(id_, text, **more):
    return json.dumps({"id": id_, "text": text, **more})


def test_one_answer_for_each_line():
    found, code = answers(row(1, "mail ada@corp.example"), row("b", "nothing"), row(None, "é"))
    assert code == 1
    assert [line["id"] for line in found] == [1, "b", None]
    assert [len(line["findings"]) for line in found] == [1, 0, 0]
    (finding,) = found[0]["findings"]
    assert finding == {
        "kind": "pii", "label": "EMAIL_ADDRESS", "severity": "medium", "score": 0.95, "start": 5, "end": 21,
    }  # fmt: skip
    assert all(line["elapsed_us"] >= 0 for line in found)


@pytest.mark.parametrize(
    "line",
    [
        "broken", "", "[]", "3", "null", '{"id": 7}', '{"id": 7, "text": 3}', '{"id": 7, "text": "a", "channel": "x"}',
        '{"id": 7, "text": "a", "channel": ["x"]}', "[" * 100_000, '{"id": 7, "text": "a"',
    ],
)  # fmt: skip
def test_broken_lines_are_answered_in_their_place(line):
    found, code = answers(row(1, "a"), line, row(2, "b"))
    assert code == 1
    assert len(found) == 3
    assert found[1]["error"]
    assert found[1]["findings"] == []
    assert [found[0]["id"], found[2]["id"]] == [1, 2]


def test_nothing_found_is_zero():
    assert answers(row(1, "a"), row(2, "b"))[1] == 0
    assert answers()[1] == 0


def test_channel():
    assert "error" not in answers(row(1, "a", channel="completion"))[0][0]
    assert answers(row(1, "a"), arguments=["--channel", "user_prompt"])[1] == 0
    assert run("--channel", "x", stdin="").exit_code == 2


def test_places_are_code_points():
    ((line,), _) = answers(row(1, "\U0001f600\u00e9 ada@corp.example"))
    assert [(f["start"], f["end"]) for f in line["findings"]] == [(3, 19)]


def test_lone_surrogates_and_bytes_that_are_no_text():
    ((line,), _) = answers('{"id": "\\ud800", "text": "a\\ud800 ada@corp.example"}')
    assert line["id"] == "\ud800"
    result = CliRunner().invoke(content, ["check"], input=b'{"id": 1, "text": "\xff\xfe"}\n')
    assert len(result.stdout.splitlines()) == 1


def test_a_file_is_shown_with_its_findings(tmp_path):
    file = tmp_path / "note.txt"
    file.write_bytes(b"one\n\x1b[2Jmail ada@corp.example\x07 \xff\n")
    result = run(str(file))
    assert result.exit_code == 1
    assert "\x1b[2J" not in result.output
    assert "\x07" not in result.output
    assert "ada@corp.example" in result.stdout
    assert "2:10  medium    pii  EMAIL_ADDRESS" in result.stderr
    as_json = json.loads(run(str(file), "-o", "json").stdout)
    assert as_json["findings"][0]["label"] == "EMAIL_ADDRESS"


def test_a_file_without_findings(tmp_path):
    file = tmp_path / "note.txt"
    file.write_text("The meeting moved to noon.\n")
    result = run(str(file))
    assert result.exit_code == 0
    assert result.stdout == "The meeting moved to noon.\n"
    assert run(str(tmp_path / "none")).exit_code == 2


def test_as_a_program():
    done = subprocess.run(
        [sys.executable, "-c", "from remit.cli.main import main; main()", "content", "check"],
        input=(row(1, "a") + "\n" + row(2, "ada@corp.example") + "\n").encode(),
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert len(done.stdout.splitlines()) == 2
