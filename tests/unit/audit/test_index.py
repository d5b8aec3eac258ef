import sqlite3

import pytest

from remit.audit.errors import AuditError
from remit.audit.index import Index, Query
from tests.unit.audit.support import ORIGIN, START_US, FakeClock, body, copy, make_log, open_log


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return make_log(tmp_path_factory.mktemp("index") / "log", 100)


def found(directory, **query):
    index = Index(directory, ORIGIN)
    try:
        return [entry.seq for entry in index.search(Query(**query))]
    finally:
        index.close()


def test_search_by_fields_time_and_text(log):
    assert found(log, equal={"effect": "deny"}, limit=3) == [98, 96, 94]
    assert found(log, equal={"effect": "deny", "agent": "claude-*"}, limit=2) == [98, 96]
    assert found(log, equal={"agent": "claude-?ode"}) == []
    assert found(log, equal={"action": "files/*"}, limit=1) == [99]
    assert found(log, equal={"call": body(7)["call"]}) == [7]
    assert found(log, text=body(7)["call"]) == [7]
    assert found(log, text="no such text") == []
    assert found(log, since_us=START_US + 99_000, until_us=START_US + 100_000) == [98]
    assert found(log, equal={"tool": "' OR 1=1 --"}) == []
    assert len(found(log, limit=1000)) == 100
    with pytest.raises(AuditError):
        found(log, equal={"seq; DROP TABLE records": "1"})


def test_it_catches_up(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    found(directory)
    with open_log(directory, clock=FakeClock(START_US * 2)) as more:
        more.append("guard.start", {})
    assert found(directory, equal={"kind": "guard.*"}) == [100]
    index = Index(directory, ORIGIN)
    assert index.get(100).record["kind"] == "guard.start"
    assert index.get(0).seq == 0
    with pytest.raises(AuditError) as caught:
        index.get(101)
    assert caught.value.code == "audit.no_record"
    index.close()


def test_an_index_that_does_not_fit_is_built_anew(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    (directory / "index.sqlite").write_bytes(b"not a database" * 100)
    assert found(directory, limit=1) == [99]
    with sqlite3.connect(directory / "index.sqlite") as db:
        db.execute("UPDATE records SET digest = x'00', kind = 'forged'")
    db.close()
    assert found(directory, equal={"kind": "forged"}) == []
    with sqlite3.connect(directory / "index.sqlite") as db:
        db.execute("UPDATE meta SET origin = 'another'")
    db.close()
    assert found(directory, limit=1) == [99]


def test_a_directory_that_cannot_be_written_is_searched_in_memory(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    (tmp_path / "target").write_text("mine")
    (directory / "index.sqlite").unlink(missing_ok=True)
    (directory / "index.sqlite").symlink_to(tmp_path / "target")
    assert found(directory, limit=1) == [99]
    assert (tmp_path / "target").read_text() == "mine"
