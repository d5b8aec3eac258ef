import pytest

from remit.cli.approvals_output import show_approvers, show_list, show_one

REQUEST = {
    "id": "APR-01M8C7JX88T12BC9FZNTM7ZBYT",
    "state": "pending",
    "action": "bank/transfer-with-a-long-name",
    "agent": "claude-code",
    "user": "somebody@with-a-long-name.example.com",
    "quorum": 2,
    "approved_by": ["ann@with-a-long-name.example.com"],
    "expires_us": 1_800_000_000_000_000,
}
KEY = "sha256:" + "a" * 64


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_ids_are_never_cut(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    show_list([REQUEST])
    assert REQUEST["id"] in capsys.readouterr().out
    one = {"id": "ann", "name": "Ann", "key": KEY, "passkey": False}
    show_approvers(
        [
            {**one, "enrolled_us": 1_800_000_000_000_000, "revoked_us": 0},
            {**one, "enrolled_us": 1_800_000_000_000_000, "revoked_us": 1_900_000_000_000_000},
        ]
    )
    out = capsys.readouterr().out
    assert out.count(KEY) == 2
    assert out.count("revoked") == 1


def test_nothing_to_show(capsys):
    show_list([])
    show_approvers([])
    err = capsys.readouterr().err
    assert "no call waits" in err
    assert "nobody is enrolled" in err


def test_what_people_wrote_cannot_deceive(capsys):
    said = {
        "word": "deny",
        "approver": "ann",
        "signed_us": 1_800_000_000_000_000,
        "reason": "no\x1b[2J\u202e",
        "ticket": "CHG-1\u202e",
    }
    show_one({"shown": "text", "state": "denied", "said": [said]})
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "deny by ann" in out
