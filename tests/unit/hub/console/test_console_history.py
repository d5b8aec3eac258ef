"""Records about an artifact, of a real log."""

import asyncio

from remit.hub.console.history import history
from tests.unit.audit.support import FakeClock, open_log

DIGEST = "sha256:" + "a" * 64


def body(**more):
    artifact = {"repository": "r", "digest": DIGEST, **more}
    return {"actor": {"user": "ann", "peer": "192.0.2.1"}, "artifact": artifact}


def test_the_newest_first_and_only_of_its_repository(tmp_path):
    directory = tmp_path / "log"
    with open_log(directory, clock=FakeClock()) as log:
        log.append("registry.push", body(tag="v1"))
        log.append("registry.push", body(repository="other"))
        log.append("hub.start", {"pid": 1})
        for number in range(3):
            other = f"sha256:{number:064}"
            log.append(
                "registry.push",
                {
                    **body(subject=DIGEST),
                    "artifact": {**body()["artifact"], "digest": other, "subject": DIGEST},
                },
            )
        log.append(
            "artifact.refuse",
            {**body(), "decision": {"effect": "refuse", "reasons": ["it is bad"]}},
        )
        log.flush(30)
        found = asyncio.run(history(directory, log.size, DIGEST, "r"))
    assert [(each.kind, each.attached) for each in found.events] == [
        ("artifact.refuse", 0), ("registry.push", 3), ("registry.push", 0),
    ]  # fmt: skip
    assert found.events[0].text == "refuse; it is bad"
    assert found.events[2].text == "tag v1"
    assert (found.events[2].user, found.events[2].peer) == ("ann", "192.0.2.1")
    assert (found.looked, found.size) == (7, 7)


def test_a_log_that_cannot_be_read_says_nothing(tmp_path):
    found = asyncio.run(history(tmp_path / "nothing", 5, DIGEST, "r"))
    assert found.events == ()
