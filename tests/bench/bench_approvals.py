"""What an approval costs Guard: verification of a grant, and the way from a word to the call.

"verify" is all that is checked when an approval is used: bundle, signature, statement, rights by
Cedar, quorum; its baseline is the bare ECDSA verification by `cryptography`, once for each signature.
"use" adds the transaction and the durable record; its baseline is one durable record of the same log.
"continue" is the time from a durable word to the verdict of a call that was held. "list" is the page
of 500 of 10,000 open requests; its baseline is reading one request. Milliseconds.

    python -m tests.bench approvals [--quick]
"""

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from remit.attest.bundle import parse_bundle
from remit.attest.dsse import pae
from remit.core.errors import RemitError
from remit.guard.judge import Answer, Ticket
from tests.unit.guard.approvals.office import Office, Waiting, pay

Rows = list[dict[str, Any]]


async def median(run: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Median time of ``run`` in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        with contextlib.suppress(RemitError):
            await run()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def row(name: str, value: float, baseline: float) -> dict[str, Any]:
    """One row of the table."""
    found = {
        "what": name, "ms": round(value, 3), "baseline ms": round(baseline, 3),
        "ratio": round(value / baseline, 1),
    }  # fmt: skip
    print(json.dumps(found), flush=True)
    return found


async def verification(office: Office, rounds: int) -> Rows:
    """Verify and use a grant of two people."""
    await office.judge(pay(2000), Waiting(patient=False))
    one = await office.open_request("one")
    await office.says("ann", one)
    await office.judge(pay(2000), Waiting(patient=False))
    two = await office.open_request("two")
    for user in ("ann", "ben"):
        await office.says(user, two)
    kept, _ = await office.desk.show(two.id)
    desk = office.desk

    async def verify() -> None:
        await desk._verify_again(kept)
        desk._tally(kept)

    hands = [office.hands[s.decided.approver] for s in kept.said]
    envelopes = [parse_bundle(s.bundle)[1] for s in kept.said]

    async def bare() -> None:
        for hand, envelope in zip(hands, envelopes, strict=True):
            message = pae(envelope.payload_type, envelope.payload)
            assert hand.signer.public.verifies(envelope.signature, message)

    rows = [row("verify, quorum 2", await median(verify, rounds), await median(bare, rounds))]
    used = []
    for number in range(max(10, rounds // 10)):
        action = pay(20 + number)
        _, request = await office.waits(action)
        await office.says("ann", request)
        ticket = Ticket(request=request.id, answer=Answer.GIVEN, detail="")
        start = time.perf_counter()
        await desk.use(ticket, office.guard.policy, action)
        used.append((time.perf_counter() - start) * 1000)

    async def durable() -> None:
        await office.ledger.durable(office.ledger.note("bench.record", text="x" * 400))

    rows.append(row("use, quorum 1", statistics.median(used), await median(durable, 50)))
    return rows


async def continuing(office: Office, rounds: int) -> Rows:
    """From a word that is durable to the verdict of the held call."""
    times = []
    for number in range(rounds):
        held = asyncio.ensure_future(office.judge(pay(500 + number), Waiting()))
        request = await office.open_request("one")
        await office.says("ann", request)
        start = time.perf_counter()
        assert (await held).allowed
        times.append((time.perf_counter() - start) * 1000)
    bare = await median(lambda: office.judge(pay(5), Waiting()), 30)
    return [row("continue", statistics.median(times), bare)]


async def listing(office: Office, count: int) -> Rows:
    """A page of many open requests."""
    _, request = await office.waits(pay(99))
    store = office.desk._store
    for number in range(count):
        await office.desk._in_store(
            store.add, msgspec.structs.replace(request, id=f"APR-{number:08d}")
        )
    page = await median(lambda: office.desk.listing(500), 5)
    one = await median(lambda: office.desk.show(request.id), 20)
    return [row(f"list 500 of {count}", page, one)]


def main(arguments: list[str] | None = None) -> Rows:
    """Measure and return the rows."""
    given = sys.argv[1:] if arguments is None else arguments
    quick = "--quick" in given
    rows: Rows = []

    async def run() -> None:
        with tempfile.TemporaryDirectory() as place:
            office = Office(Path(place))
            await office.enrol()
            rows.extend(await verification(office, 50 if quick else 300))
            rows.extend(await continuing(office, 10 if quick else 50))
            rows.extend(await listing(office, 1000 if quick else 10_000))
            office.close()

    asyncio.run(run())
    return rows


if __name__ == "__main__":
    main()
