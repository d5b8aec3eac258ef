"""What people say of artifacts, over each database: nobody's word is overlooked, none outlives."""

import msgspec
import pytest
from sqlalchemy import text

from remit.approvals.decision import Approver
from remit.core.digest import sha256
from remit.hub.admission.asking import Filed, decision_of, request_of
from remit.hub.admission.people import Suppression
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.values import Outcome
from remit.hub.registry.accounts import Account
from remit.hub.registry.ports import Need, Record
from remit.hub.store import accounts, manifests, words
from remit.hub.store.cases import SqlCases
from remit.hub.store.endings import SqlEndings
from remit.hub.store.people import SqlPeople
from remit.hub.store.schema import migrate
from remit.scan.base import Finding
from tests.conformance.test_hub_queue import Known, made, report
from tests.conformance.test_hub_queue import known as _known

known = _known
"""The fixture: an empty database of each kind."""

RECORD = Record(kind="artifact.decide", body={})
FOUND = Finding(rule="a.b", title="t", severity="low", member="m", evidence="e")
ADMIT = Outcome(word="admit", reasons=(), policy=sha256(b"p"))
REFUSE = Outcome(word="refuse", reasons=("evil",), policy=sha256(b"p"))
DAY = 86_400_000_000


def people(k: Known) -> SqlPeople:
    return SqlPeople(k.database, k.clock, k.cases, "hub", k.entropy)


async def person(k, name="ben", role="curator", pattern="a/*"):
    account = Account(name=name, kind="user", secret=b"x")
    await k.database.change(lambda c: accounts.add(c, account, "tests", k.clock.us))
    await k.database.change(lambda c: accounts.grant(c, name, pattern, role, k.clock.us))


async def said(k, scanned, word="admit", by="ben", id_="01"):
    request = request_of(scanned, ADMIT, hub="h", changed_us=k.clock.us, until_us=0)
    filed = Filed(request=request, approver=Approver(id=by, name=by, key=b""))
    one = decision_of(
        filed, id_=id_, word=word, by=by, reason="r", made_us=k.clock.us, expires_us=0
    )
    return await people(k).add_decision(scanned.repository, scanned.digest, one, filed, RECORD)


def answered(k, **changes):
    given = {
        "id": "01", "fingerprint": FOUND.fingerprint, "pattern": "a/*", "rule": "a.b", "by": "ben",
        "made_us": k.clock.us, "expires_us": k.clock.us + DAY, **changes,
    }  # fmt: skip
    return Suppression(**given)


def test_a_word_during_a_decision_is_not_overlooked(known):
    async def work(k):
        await person(k)
        digest = await k.push()
        scanned = await k.scanned()
        assert await said(k, scanned, "refuse")
        # Decided without it: nothing comes of that.
        assert await k.cases.decide(scanned, ADMIT) is None
        assert await k.state(digest) == "quarantined"
        [again] = await k.cases.undecided(10)
        assert [each.word for each in again.decisions] == ["refuse"]
        assert await k.cases.decide(again, REFUSE)
        assert await k.state(digest) == "refused"
        assert await k.cases.undecided(10) == []

    known(work)


def test_a_word_after_a_decision_reopens_it(known):
    async def work(k):
        await person(k)
        await k.push()
        scanned = await k.scanned()
        await k.cases.decide(scanned, ADMIT)
        assert await k.cases.undecided(10) == []
        await said(k, scanned, "refuse")
        [again] = await k.cases.undecided(10)
        assert (again.job, again.state) == (scanned.job, "admitted")
        assert again.reports == scanned.reports
        # Said twice before anybody decided: once open.
        await said(k, scanned, "admit", id_="02")
        [again] = await k.cases.undecided(10)
        assert len(again.decisions) == 2

    known(work)


def test_who_lost_the_role_says_nothing(known):
    async def work(k):
        await person(k)
        await k.push()
        scanned = await k.scanned()
        await said(k, scanned)
        await people(k).add_suppression(answered(k), b"", RECORD)
        [again] = await k.cases.undecided(10)
        assert (len(again.decisions), len(again.suppressions)) == (1, 1)
        await k.database.change(lambda c: accounts.grant(c, "ben", "a/*", "writer", k.clock.us))
        [again] = await k.cases.undecided(10)
        assert (again.decisions, again.suppressions) == ((), ())
        await k.database.change(lambda c: accounts.grant(c, "ben", "a/*", "admin", k.clock.us))
        await k.database.change(lambda c: accounts.remove(c, "ben"))
        [again] = await k.cases.undecided(10)
        assert (again.decisions, again.suppressions) == ((), ())

    known(work)


@pytest.mark.parametrize(
    "changes",
    [{"pattern": "b/*"}, {"by": "nobody"}, {"expires_us": 1}, {"fingerprint": "0" * 64}],
)
def test_suppressions_that_are_not_of_this_artifact(known, changes):
    async def work(k):
        await person(k)
        await k.push()
        await k.scanned()
        await people(k).add_suppression(answered(k, **changes), b"", RECORD)
        [again] = await k.cases.undecided(10)
        assert again.suppressions == ()

    known(work)


def test_suppressions_reopen_what_they_are_about(known):
    async def work(k):
        await person(k, pattern="**")
        mine, other = await k.push("1"), await k.push("2", "b/c")
        for _ in range(2):
            await k.cases.decide(await k.scanned(), REFUSE)
        assert await people(k).add_suppression(answered(k), b"", RECORD)
        [again] = await k.cases.undecided(10)
        assert (again.digest, len(again.suppressions)) == (mine, 1)
        await k.cases.decide(again, ADMIT)
        [one] = await people(k).suppressions("", 10)
        assert await people(k).revoke(one, RECORD)
        assert await people(k).revoke(one, RECORD) is None
        [again] = await k.cases.undecided(10)
        assert (again.digest, again.suppressions) == (mine, ())
        await k.cases.decide(again, REFUSE)
        found = await people(k).withdrawals(0, 10)
        assert {(each.digest, each.state) for each in found} == {
            (mine, "withdrawn"),
            (other, "refused"),
        }
        assert await people(k).withdrawals(k.clock.us + 1, 10) == []

    known(work)


def test_what_ends_is_decided_again(known):
    async def work(k):
        endings = SqlEndings(k.database, k.clock)
        await k.push()
        scanned = await k.scanned()
        ends = k.clock.us + 30 * DAY
        await k.cases.decide(scanned, msgspec.structs.replace(ADMIT, expires_us=ends))
        assert await endings.due(10) == 0
        k.clock.us += 21 * DAY
        assert await endings.due(10) == 1
        assert await endings.due(10) == 0
        [again] = await k.cases.undecided(10)
        # One that ends soon is not decided all the time, but once it is over.
        soon = k.clock.us + DAY
        await k.cases.decide(again, msgspec.structs.replace(ADMIT, expires_us=soon))
        assert await endings.due(10) == 0
        k.clock.us = soon
        assert await endings.due(10) == 1

    known(work)


def test_another_policy_decides_again(known):
    async def work(k):
        endings = SqlEndings(k.database, k.clock)
        await k.push("1")
        await k.push("2")
        await k.cases.decide(await k.scanned(), ADMIT)
        assert await endings.outdated(ADMIT.policy, 10) == 0
        # What is open is decided under the new one anyway.
        assert await endings.outdated(sha256(b"other"), 10) == 1
        assert await endings.outdated(sha256(b"other"), 10) == 0
        assert len(await k.cases.undecided(10)) == 1

    known(work)


def test_what_needs_something_is_decided_with_it(known):
    async def work(k):
        part = await k.push("part")
        scanned = await k.scanned()
        whole = made("whole")
        need = Need(role="model", name="m", digest=part, reference="hub/a/b")
        about = msgspec.structs.replace(whole.about, needs=(need,))
        placed = msgspec.structs.replace(whole, about=about)
        await k.metadata.put_manifest(placed, "ann", RECORD)
        agent = await k.scanned()
        assert not agent.needs_admitted
        await k.cases.decide(agent, REFUSE)
        await k.cases.decide(scanned, ADMIT)
        [again] = await k.cases.undecided(10)
        assert (again.digest, again.needs_admitted) == (whole.digest, True)

    known(work)


def test_a_need_that_is_withdrawn_during_a_decision_admits_nothing(known):
    """Both are decided at the same time: what needs the other was looked at before it went."""

    async def work(k):
        await person(k)
        part = await k.push("part")
        scanned = await k.scanned()
        await k.cases.decide(scanned, ADMIT)
        whole = made("whole")
        need = Need(role="model", name="m", digest=part, reference="hub/a/b")
        about = msgspec.structs.replace(whole.about, needs=(need,))
        placed = msgspec.structs.replace(whole, about=about)
        await k.metadata.put_manifest(placed, "ann", RECORD)
        agent = await k.scanned()
        assert agent.needs_admitted
        await said(k, scanned, "refuse")
        [again] = [each for each in await k.cases.undecided(10) if each.digest == part]
        assert await k.cases.decide(again, REFUSE)
        assert await k.state(part) == "withdrawn"
        assert await k.cases.decide(agent, ADMIT) is None
        assert await k.state(whole.digest) == "quarantined"
        [now] = await k.cases.undecided(10)
        assert (now.digest, now.needs_admitted) == (whole.digest, False)
        assert await k.cases.decide(now, REFUSE)
        assert await k.cases.undecided(10) == []

    known(work)


def test_an_account_that_is_made_again_has_said_nothing(known):
    """Neither what its namesake decided nor what that one answered for counts for it."""

    async def work(k):
        await person(k)
        await k.push()
        scanned = await k.scanned()
        await k.cases.decide(scanned, REFUSE)
        await said(k, scanned)
        await people(k).add_suppression(answered(k), b"", RECORD)
        [found] = await k.cases.undecided(10)
        assert len(found.decisions) == len(found.suppressions) == 1
        # Without any time in between: it is not a question of when.
        await k.database.change(lambda c: accounts.remove(c, "ben"))
        await person(k)
        [found] = await k.cases.undecided(10)
        assert found.decisions == found.suppressions == ()
        await said(k, scanned, id_="02")
        [found] = await k.cases.undecided(10)
        assert [each.id for each in found.decisions] == ["02"]

    known(work)


def test_words_from_before_accounts_had_identities_stay_with_who_said_them(known):
    async def work(k):
        await person(k)
        await person(k, "eve")
        await k.push()
        scanned = await k.scanned()
        await k.cases.decide(scanned, REFUSE)
        k.clock.us += 1
        for at, name in enumerate(("ben", "eve", "gone"), 1):
            await said(k, scanned, by=name, id_=f"0{at}")
            await people(k).add_suppression(answered(k, id=f"0{at}", by=name), b"", RECORD)
        # Another eve, made after what the first one said.
        await k.database.change(lambda c: accounts.remove(c, "eve"))
        k.clock.us += 1
        await person(k, "eve")
        await k.database.change(before_identities)
        await k.database.change(migrate)
        [found] = await k.cases.undecided(10)
        assert {each.by for each in found.decisions} == {"ben"}
        assert {each.by for each in found.suppressions} == {"ben"}
        names = await k.database.look(
            lambda c: [accounts.identity(c, each) for each in ("ben", "eve", "gone")]
        )
        assert [len(each) for each in names] == [32, 32, 0]

    known(work)


def before_identities(connection):
    """Make the database what the revision before made."""
    of_later = (
        ("accounts", "id"),
        ("decisions", "decider"),
        ("suppressions", "maker"),
        ("jobs", "target"),
    )
    for table, column in of_later:
        connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))


async def needing(k, part, reference="", name="whole", repository="a/b", digest=None):
    """Push something that needs `part`: its digest."""
    whole = made(name, repository)
    need = Need(
        role="model", name="m", digest=part if digest is None else digest, reference=reference
    )
    about = msgspec.structs.replace(whole.about, needs=(need,))
    await k.metadata.put_manifest(msgspec.structs.replace(whole, about=about), "ann", RECORD)
    return whole.digest


def test_a_need_whose_admission_is_over_counts_for_nobody_until_it_is_renewed(known):
    async def work(k):
        part = await k.push("part")
        ends = k.clock.us + DAY
        await k.cases.decide(await k.scanned(), msgspec.structs.replace(ADMIT, expires_us=ends))
        whole = await needing(k, part)
        agent = await k.scanned()
        assert agent.needs_admitted
        k.clock.us = ends
        # It was over between the look and the decision: decided again, and refused then.
        assert await k.cases.decide(agent, ADMIT) is None
        [agent] = await k.cases.undecided(10)
        assert (agent.digest, agent.needs_admitted) == (whole, False)
        assert await k.cases.decide(agent, REFUSE)
        # Renewed with the same state, and yet what needs it is looked at again.
        assert await SqlEndings(k.database, k.clock).due(10) == 1
        [again] = await k.cases.undecided(10)
        assert again.digest == part
        later = msgspec.structs.replace(ADMIT, expires_us=ends + DAY)
        assert await k.cases.decide(again, later)
        [agent] = await k.cases.undecided(10)
        assert (agent.digest, agent.needs_admitted) == (whole, True)
        assert await k.cases.decide(agent, ADMIT)
        # A renewal in time changes nothing for them.
        await k.database.change(lambda c: words.reopen(c, 1, part))
        [again] = await k.cases.undecided(10)
        assert await k.cases.decide(again, later)
        assert await k.cases.undecided(10) == []

    known(work)


def test_a_need_that_is_admitted_during_a_decision_is_not_overlooked(known):
    """Both are decided in one go; who was looked at before is not refused for good."""

    async def work(k):
        part = await k.push("part")
        k.clock.us += 1
        whole = await needing(k, part)
        first, second = await k.scanned(), await k.scanned()
        assert (first.digest, second.digest) == (part, whole)
        assert not second.needs_admitted
        assert await k.cases.decide(first, ADMIT)
        assert await k.cases.decide(second, REFUSE) is None
        [again] = await k.cases.undecided(10)
        assert (again.digest, again.needs_admitted) == (whole, True)

    known(work)


def test_a_need_counts_where_it_is_named(known):
    async def work(k):
        k.cases = SqlCases(
            k.database, k.clock, "hub", k.entropy,
            expected=("archives",), scanners=sha256(b"scanners"), host="hub.example",
        )  # fmt: skip
        part = await k.push("part", "secret/box")
        await k.cases.decide(await k.scanned(), ADMIT)
        await k.push("other", "team/tools")
        await k.cases.decide(await k.scanned(), ADMIT)
        for reference, counts in (
            (f"hub.example/secret/box@{part}", True),
            (f"other.example/secret/box:v1@{part}", True),
            (f"hub.example/team/tools@{part}", False),
            # By another name of this Hub: it has a repository that is called so.
            (f"localhost:7450/team/tools@{part}", False),
            (f"hub.example/no/where@{part}", False),
            (f"elsewhere.example/no/where@{part}", True),
            (f"team/tools@{part}", True),
        ):
            await needing(k, part, reference, name=reference)
            agent = await k.scanned()
            assert agent.needs_admitted == counts, reference
            assert await k.cases.decide(agent, REFUSE)
        await needing(k, part, "hub.example/secret/box:v1", name="no digest", digest="")
        assert not (await k.scanned()).needs_admitted

    known(work)


def test_what_needs_something_that_is_deleted_is_decided_again(known):
    async def work(k):
        part = await k.push("part")
        await k.cases.decide(await k.scanned(), ADMIT)
        whole = await needing(k, part)
        await k.cases.decide(await k.scanned(), ADMIT)
        assert await k.cases.undecided(10) == []
        await k.database.change(lambda c: manifests.forget(c, "a/b", part))
        [agent] = await k.cases.undecided(10)
        assert (agent.digest, agent.needs_admitted) == (whole, False)

    known(work)


def test_a_signature_during_a_decision_is_not_overlooked(known):
    """The decision holds, because whoever signs all the time must not keep one off; then again."""

    async def work(k):
        digest = await k.push()
        scanned = await k.scanned()
        placed = made("signature", evidence=True, subject=digest)
        await k.metadata.put_manifest(placed, "ann", RECORD)
        assert await k.cases.decide(scanned, REFUSE)
        assert await k.state(digest) == "refused"
        [again] = await k.cases.undecided(10)
        assert again.job == scanned.job
        assert await k.cases.decide(again, ADMIT)
        assert await k.state(digest) == "admitted"
        assert await k.cases.undecided(10) == []

    known(work)


def test_findings_are_found_again_after_another_scan(known):
    async def work(k):
        await k.push()
        scanned = await k.scanned()
        assert words.marks(scanned.decisions, scanned.suppressions) == frozenset()
        case = await people(k).case("a/b", scanned.digest)
        assert case.scanned is None
        await k.cases.decide(scanned, ADMIT)
        case = await people(k).case("a/b", scanned.digest)
        assert case.scanned.reports == (report(),)
        assert case.counts["low"] == 1
        assert ArtifactPolicy.load().decide(case.scanned, (), (), k.clock.us).word == "admit"

    known(work)
