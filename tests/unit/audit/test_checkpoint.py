import base64

import pytest

from remit.attest.keys import LogKey
from remit.audit import checkpoint
from remit.audit.checkpoint import Checkpoint, CheckpointError
from tests.unit.audit.support import KEY, ORIGIN, check

ROOT = base64.b64decode("NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=")
HEAD = Checkpoint(ORIGIN, 3, ROOT)
NOTE = (
    "remit.example/guard/1\n3\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n"
    "\n— remit.example/guard/1 +MvLHTghhRjecKgRBAd4/PzBk3tVD9hjTD5szjUd+JcwVdun6wM/6NlIQSiYEHyveISc"
    "Kc7GAju5B5t7WVzNqxx77wk=\n"
).encode()


def test_golden_checkpoint():
    assert checkpoint.seal(HEAD, KEY) == NOTE
    assert checkpoint.own(NOTE, KEY) == HEAD
    assert checkpoint.parse(check(NOTE)) == HEAD


def test_extension_lines_are_allowed():
    assert checkpoint.parse(HEAD.text() + "extension\n") == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        ORIGIN + "\n3\n",
        HEAD.text()[:-1],
        HEAD.text().replace("\n3\n", "\n03\n"),
        HEAD.text().replace("\n3\n", "\n-3\n"),
        HEAD.text().replace("\n3\n", "\n٣\n"),
        HEAD.text().replace("\n3\n", "\n" + "9" * 17 + "\n"),
        HEAD.text().replace("NmQ", "!!!"),
        HEAD.text().replace("HsE=", "HsF="),
        f"{ORIGIN}\n3\nAAAA\n",
        f"\n3\n{base64.b64encode(ROOT).decode()}\n",
    ],
)
def test_malformed_texts_are_refused(text):
    with pytest.raises(CheckpointError):
        checkpoint.parse(text)


@pytest.mark.parametrize("position", range(len(NOTE)))
def test_the_writer_takes_its_own_bytes_only(position):
    changed = bytearray(NOTE)
    changed[position] ^= 1
    with pytest.raises(CheckpointError):
        checkpoint.own(bytes(changed), KEY)
    with pytest.raises(CheckpointError):
        checkpoint.own(NOTE[:position], KEY)


def test_other_keys_are_refused():
    other = LogKey(ORIGIN, b"\x09" * 32)
    with pytest.raises(CheckpointError):
        checkpoint.own(checkpoint.seal(HEAD, other), KEY)
    with pytest.raises(CheckpointError):
        checkpoint.seal(HEAD, LogKey("another", b"\x07" * 32))


def test_directory_name():
    assert checkpoint.directory_name("remit.example/guard/1") == (
        "9bdcef3fffeae8c8c028f95c20cdcd9ff24194a3117b432c64806a3eef2a8c63"
    )
