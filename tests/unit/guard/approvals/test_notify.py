import asyncio
import base64
import json
import time

import pytest
from standardwebhooks.webhooks import Webhook as Receiver

from remit.core.errors import RemitError
from remit.guard.approvals import notify
from remit.guard.approvals.notify import Notices, message_of, signature
from remit.guard.ledger import Ledger
from tests.unit.approvals.cases import REQUEST, request
from tests.unit.guard.helpers import TestClock, go, log_records, open_log

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Told:
    """A way that fails as often as the test says."""

    name = "told"

    def __init__(self, failures=0):
        self.failures = failures
        self.seen = []

    async def send(self, message):
        self.seen.append(message)
        if len(self.seen) <= self.failures:
            raise OSError("no network")


def told(tmp_path, *notifiers, a_request=REQUEST, now=None):
    """Tell, and give the records."""

    async def run():
        clock = TestClock()
        clock.now = now or REQUEST.requested_us
        log = open_log(tmp_path, clock)
        ledger = Ledger(log, guard_id="g", surface="daemon")
        notices = Notices(notifiers, ledger, clock, lambda: "http://localhost:7448/")
        notices.tell(a_request)
        await asyncio.gather(*notices._tasks)
        log.flush()
        log.close()

    go(run())
    return [(r["notifier"], r["delivered"], r["problem"]) for r in log_records(tmp_path)]


def test_a_message_says_what_and_where_and_no_argument():
    message = message_of(REQUEST, "http://localhost:7448")
    assert "claude-code wants to call bank/pay for carl" in message.text
    assert message.link == "http://localhost:7448/approvals/APR-1"
    assert "remit approvals show APR-1" in message_of(REQUEST, "").text
    whole = json.dumps([message.text, message.title, message.body])
    assert "amount" not in whole
    assert "\u202e" not in message_of(request(name="a\u202eb", user="\x1b[2J"), "").text


def test_a_receiver_that_follows_the_specification_accepts_it(monkeypatch):
    stamp = str(int(time.time()))
    body = b'{"a":1}'
    headers = {
        "webhook-id": "msg_1", "webhook-timestamp": stamp,
        "webhook-signature": signature(SECRET, "msg_1", stamp, body),
    }  # fmt: skip
    assert Receiver(SECRET).verify(body, headers) == {"a": 1}
    with pytest.raises(Exception, match="signature"):
        Receiver(SECRET).verify(b'{"a":2}', headers)


def test_a_secret_that_is_none():
    with pytest.raises(RemitError):
        signature("whsec_***", "1", "2", b"")


def test_every_notifier_is_told_and_one_that_fails_stops_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "FIRST_PAUSE_S", 0.0)
    good, late, bad = Told(), Told(failures=3), Told(failures=99)
    late.name, bad.name = "late", "bad"
    records = told(tmp_path, bad, good, late)
    assert sorted(records) == [("bad", False, "OSError"), ("late", True, ""), ("told", True, "")]
    assert len(bad.seen) == notify.MAX_TRIES
    assert len({message.id for message in bad.seen}) == 1


def test_nobody_is_told_of_what_has_expired_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "FIRST_PAUSE_S", 0.01)
    bad = Told(failures=99)
    told(tmp_path, bad, now=REQUEST.expires_us)
    assert len(bad.seen) == 1


def test_too_many_messages_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(notify, "MAX_WAITING", 1)
    one, two = Told(), Told()
    records = told(tmp_path, one, two)
    assert ("told", False, "too many messages wait") in records
