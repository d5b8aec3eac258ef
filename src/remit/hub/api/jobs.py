"""The scans of a Hub over HTTP (spec/hub-api.md, "Scans"): looking, asking again, cancelling."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from remit.artifacts.members import shown
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.hub.api.artifacts import refusal
from remit.hub.api.documents import time_of
from remit.hub.api.errors import BadRequest, NotFound
from remit.hub.api.gate import Gate
from remit.hub.api.parameters import limit_of, singles
from remit.hub.api.sight import sees
from remit.hub.errors import HubError
from remit.hub.jobs.questions import questions
from remit.hub.jobs.values import Job, Questions, Status
from remit.hub.registry.access import ANONYMOUS, Caller, require
from remit.hub.registry.errors import Denied, RegistryError, Unsupported
from remit.hub.registry.http import Receive, Reply, Request, Scope, Send, json_reply
from remit.hub.registry.ports import Record
from remit.hub.registry.pushes import Settle
from remit.scan.base import Report

PREFIX = "/api/v1/jobs"
CURATE = ("curate", "push")
MAX_BODY = 4096
MAX_PAGES = 50
STATES = frozenset({"waiting", "running", "done", "failed", "cancelled"})
_ONE = re.compile(r"/api/v1/jobs/(?P<id>[0-9A-Z]{26})(?:/(?P<what>retry|cancel|reports))?")
_LIST = frozenset({"state", "repository", "limit", "before"})
EVERYTHING = "**"


class AskedProbe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a served model is to be asked."""

    target: str
    probes: tuple[str, ...]
    generations: int = 1


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be scanned: one artifact, or everything; or which served model is to be asked."""

    repository: str = ""
    reference: str = ""
    all: bool = False
    probe: AskedProbe | None = None


class Scans(Protocol):
    """The queue, for whoever looks after it."""

    async def listed(
        self,
        states: Sequence[str] = (),
        repository: str = "",
        before: str = "",
        count: int = 50,
    ) -> list[Job]:
        """Jobs, the last made first."""
        ...

    async def job(self, id_: str) -> Job | None:
        """One job."""
        ...

    async def reports(self, id_: str) -> Sequence[Report]:
        """What was found by a job."""
        ...

    async def status(self) -> Status:
        """How much there is of everything."""
        ...

    async def again(self, id_: str, by: str) -> tuple[str, str, Record] | None:
        """Scan the artifact of a job again."""
        ...

    async def rescan(self, repository: str, name: str, by: str) -> tuple[str, str, Record] | None:
        """Scan an artifact again."""
        ...

    async def probe(
        self, repository: str, name: str, asked: Questions, by: str
    ) -> tuple[str, str, Record] | None:
        """Have a served model asked."""
        ...

    async def rescan_all(self, by: str) -> tuple[int, str, Record]:
        """Scan everything again."""
        ...

    async def cancel(self, id_: str, by: str) -> tuple[str, Record] | None:
        """End a job."""
        ...


class Conflict(RegistryError):  # noqa: N818 - HTTP's name
    """It is not in a state in which this can be done."""

    status, oci = 409, "CONFLICT"


class Jobs:
    """Answers at :data:`PREFIX` and below.

    Args:
        gate: who asks, refusals, records.
        scans: the queue.
        settle: makes a record durable.
    """

    def __init__(self, gate: Gate, scans: Scans, settle: Settle) -> None:
        self._gate = gate
        self._scans = scans
        self._settle = settle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._gate.run(scope, receive, send, self._answer, refusal)

    async def _answer(self, request: Request) -> Reply:
        caller = await self._gate.caller(request)
        if caller.name == ANONYMOUS:
            require(caller, request, self._gate.realm(request), "jobs", ("curate",))
        reads = request.method in {"GET", "HEAD"}
        if request.path == PREFIX:
            if reads:
                return await self._list(request, caller)
            return await self._ask(request, caller)
        if request.path == f"{PREFIX}/status" and reads:
            _everywhere(caller, frozenset({"admin", "auditor"}))
            return json_reply(msgspec.to_builtins(await self._scans.status()))
        found = _ONE.fullmatch(request.path)
        if found is None:
            raise NotFound("there is nothing at this address")
        job = await self._scans.job(found["id"])
        if job is None or not _sees(caller, job.repository):
            raise NotFound(f"there is no job `{found['id']}`")
        if reads and found["what"] is None:
            return json_reply(job_json(job))
        if reads and found["what"] == "reports":
            return await self._reports(request, caller, job)
        if request.method != "POST" or found["what"] in {None, "reports"}:
            raise Unsupported(f"{shown(request.method)} is not something that can be done here")
        await self._gate.allow(caller, request, job.repository, CURATE)
        with _telling():
            return await self._change(job, found["what"], caller.name)

    async def _reports(self, request: Request, caller: Caller, job: Job) -> Reply:
        # They quote the artifact: whoever may not have it does not get them.
        await self._gate.allow(caller, request, job.repository, ("pull",))
        found = await self._scans.reports(job.id)
        given = {"repository": job.repository, "digest": job.digest, "what": "findings"}
        await self._gate.given(caller, request, given)
        return json_reply({"reports": msgspec.to_builtins(found)})

    async def _change(self, job: Job, what: str, by: str) -> Reply:
        if what == "retry":
            again = await self._scans.again(job.id, by)
            if again is None:
                raise NotFound("the artifact is gone")
            return await self._begun(again)
        done = await self._scans.cancel(job.id, by)
        if done is None:
            raise NotFound(f"there is no job `{job.id}`")
        await self._settle(*done)
        return json_reply({"id": job.id}, status=202)

    async def _begun(self, asked: tuple[str, str, Record]) -> Reply:
        id_, event, record = asked
        await self._settle(event, record)
        return json_reply({"id": id_}, status=202, headers=(("location", f"{PREFIX}/{id_}"),))

    async def _list(self, request: Request, caller: Caller) -> Reply:
        given = singles(request, _LIST, frozenset())
        limit = limit_of(given)
        states = tuple(filter(None, given.get("state", "").split(",")))
        if not set(states) <= STATES:
            raise BadRequest(f"`state` is of {', '.join(sorted(STATES))}")
        last, found = given.get("before", ""), list[Job]()
        for _ in range(MAX_PAGES):
            page = await self._scans.listed(states, given.get("repository", ""), last, limit + 1)
            found += [each for each in page if _sees(caller, each.repository)]
            if len(found) > limit or len(page) <= limit:
                break
            last = page[-1].id
        document: dict[str, Any] = {"jobs": [job_json(each) for each in found[:limit]]}
        if len(found) > limit:
            document["next"] = found[limit - 1].id
        return json_reply(document)

    async def _ask(self, request: Request, caller: Caller) -> Reply:
        if request.method != "POST":
            raise Unsupported(f"{shown(request.method)} is not something that can be done here")
        try:
            asked = msgspec.json.decode(await request.read(MAX_BODY), type=Asked)
        except msgspec.MsgspecError:
            raise BadRequest(
                'the body is {"repository": …, "reference": …} or {"all": true};'
                ' {"probe": {"target": …, "probes": […]}} beside the first asks a served model'
            ) from None
        if asked.all and not asked.repository and not asked.reference and asked.probe is None:
            _everywhere(caller, frozenset({"admin"}))
            count, event, record = await self._scans.rescan_all(caller.name)
            await self._settle(event, record)
            return json_reply({"artifacts": count}, status=202)
        name = asked.reference
        if (
            asked.all
            or not is_repository(asked.repository)
            or not (is_tag(name) or is_digest(name))
        ):
            raise BadRequest("`repository` and `reference` name no artifact")
        await self._gate.allow(caller, request, asked.repository, CURATE)
        wanted = _questions(asked.probe)
        with _telling():
            if wanted is None:
                done = await self._scans.rescan(asked.repository, name, caller.name)
            else:
                done = await self._scans.probe(asked.repository, name, wanted, caller.name)
        if done is None:
            raise NotFound(f"`{shown(name)}` is not in `{asked.repository}`")
        return await self._begun(done)


def _questions(asked: AskedProbe | None) -> Questions | None:
    if asked is None:
        return None
    try:
        return questions(asked.target, asked.probes, asked.generations)
    except HubError as error:
        raise BadRequest(error.message) from error


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Say to the caller that it cannot be done in this state."""
    try:
        yield
    except HubError as error:
        if error.code not in _TOLD:
            raise
        raise Conflict(error.message) from error


_TOLD = frozenset({"hub.scan_open", "hub.scan_none", "hub.job_over"})


def _sees(caller: Caller, repository: str) -> bool:
    allowed = sees(caller)
    return allowed is None or allowed(repository)


def _everywhere(caller: Caller, roles: frozenset[str]) -> None:
    """Let those do it who may do everything everywhere, with their password.

    Raises:
        Denied: somebody else, or a token, which is for one repository.
    """
    held = {each.role for each in caller.grants if each.pattern == EVERYTHING}
    if caller.scopes is not None or not held & roles:
        raise Denied(f"`{caller.name}` may not do this for all repositories")


def job_json(job: Job) -> dict[str, Any]:
    """A job as it is shown."""
    found: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "repository": job.repository,
        "digest": job.digest,
        "reason": job.reason,
        "state": job.state,
        "attempts": job.attempts,
        "progress": job.progress,
        "decided": job.decided,
        "madeAt": time_of(job.made_us),
    }
    for key, value in (("startedAt", job.started_us), ("endedAt", job.ended_us)):
        if value:
            found[key] = time_of(value)
    if job.target:
        found["target"] = job.target
    if job.error:
        found["error"] = job.error
    return found
