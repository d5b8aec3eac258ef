"""The catalogue over HTTP (spec/hub-api.md): artifacts, what they need, and what uses them."""

import re
from typing import Any
from urllib.parse import urlencode

import msgspec

from remit.artifacts.errors import ManifestError
from remit.artifacts.members import shown
from remit.artifacts.modelkit import form_of
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import parse_manifest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.artifacts.servers import server_json
from remit.core.strictjson import StrictJsonError, parse
from remit.hub.admission.gatekeeper import CURATE, Gatekeeper
from remit.hub.api.documents import item_json, needs_json, uses_json
from remit.hub.api.errors import NotFound
from remit.hub.api.gate import Gate
from remit.hub.api.parameters import cursor_of, query_of, singles
from remit.hub.api.sight import sees
from remit.hub.catalog.describe import MAX_CONFIG_BYTES
from remit.hub.catalog.ports import After, Catalog, Found, Item, Query, States
from remit.hub.registry.access import ANONYMOUS, Caller, require
from remit.hub.registry.errors import RegistryError, Unsupported
from remit.hub.registry.http import Receive, Reply, Request, Scope, Send, json_reply
from remit.hub.registry.ports import Small
from remit.hub.registry.pulls import error_body

PREFIX = "/api/v1/"
LIST = f"{PREFIX}artifacts"
_ARTIFACT = re.compile(
    r"/api/v1/repositories/(?P<repository>.+?)/artifacts/(?P<name>[^/]+)"
    r"(?:/(?P<what>uses|dependencies))?"
)


class Artifacts:
    """Answers below ``/api/v1/``.

    Args:
        gate: who asks, refusals, records.
        catalog: what is known.
        small: reads configs.
        states: whether artifacts were scanned.
        gatekeeper: says what content may be shown; ``None`` for a Hub without a gate.
    """

    def __init__(
        self,
        gate: Gate,
        catalog: Catalog,
        small: Small,
        states: States,
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._gate = gate
        self._catalog = catalog
        self._small = small
        self._states = states

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._gate.run(scope, receive, send, self._answer, refusal)

    async def _answer(self, request: Request) -> Reply:
        caller = await self._gate.caller(request)
        if request.method not in {"GET", "HEAD"}:
            raise Unsupported(f"{shown(request.method)} is not something that can be done here")
        if request.path == LIST:
            return await self._list(request, caller)
        found = _ARTIFACT.fullmatch(request.path)
        if found is None:
            raise NotFound("there is nothing at this address")
        repository, name, what = found["repository"], found["name"], found["what"]
        if not is_repository(repository) or not (is_tag(name) or is_digest(name)):
            raise NotFound(f"`{shown(repository)}` `{shown(name)}` names no artifact")
        singles(request, frozenset(), frozenset())
        await self._gate.allow(caller, request, repository, ("list", "pull"))
        artifact = await self._catalog.find(repository, name)
        if artifact is None:
            raise NotFound(f"`{shown(name)}` is not in `{repository}`")
        digest = artifact.item.digest
        if what == "uses":
            return json_reply(uses_json(digest, await self._catalog.uses(digest, sees(caller))))
        if what == "dependencies":
            return await self._needs(digest, caller)
        return await self._one(request, caller, artifact)

    async def _list(self, request: Request, caller: Caller) -> Reply:
        if caller.name == ANONYMOUS and not caller.grants:
            require(caller, request, self._gate.realm(request), "catalog", ("list", "pull"))
        query = query_of(request)
        found = await self._catalog.search(query, sees(caller))
        page = found[: query.limit]
        document: dict[str, Any] = {"artifacts": [item_json(each) for each in page]}
        headers: tuple[tuple[str, str], ...] = ()
        if len(found) > query.limit:
            document["next"] = cursor_of(_after(query, page[-1]))
            kept = [(key, value) for key, value in request.query if key != "cursor"]
            following = urlencode([*kept, ("cursor", document["next"])])
            headers = (("link", f'<{LIST}?{following}>; rel="next"'),)
        return json_reply(document, headers=headers)

    async def _needs(self, digest: str, caller: Caller) -> Reply:
        reach = await self._catalog.needs(digest, sees(caller))
        met = [digest, *(each.digest for each in reach.edges if each.digest)]
        states = await self._states.states(list(dict.fromkeys(met)))
        return json_reply(needs_json(digest, reach, states))

    async def _one(self, request: Request, caller: Caller, artifact: Found) -> Reply:
        item = artifact.item
        document = item_json(item)
        document["referrers"] = artifact.referrers
        may_pull = caller.role_allows(item.repository, "pull")
        given: dict[str, Any] = {"repository": item.repository, "digest": item.digest}
        if self._gatekeeper is not None:
            found = await self._gatekeeper.admission(item.repository, item.digest)
            document["admission"] = {"state": found.state, "reason": found.reason}
            if not found.open:
                may_pull = may_pull and caller.role_allows(item.repository, CURATE)
                given["quarantined"] = True
        if may_pull and caller.token_allows(item.repository, "pull"):
            document["manifest"] = msgspec.Raw(artifact.body)
            document["config"] = await self._config(item, artifact.body)
            if item.kind == "mcp-server":
                for each in (await self._catalog.servers([(item.id, item.digest)])).values():
                    document["server"] = server_json(
                        each.server, url=self._gate.url(request), repository=item.repository
                    )
            await self._gate.given(caller, request, {**given, "what": "catalog"})
        return json_reply(document, headers=(("etag", f'"{item.digest}"'),))

    async def _config(self, item: Item, body: bytes) -> Any:
        """The config of a ModelKit or image as JSON; None if there is none that can be shown."""
        try:
            manifest = parse_manifest(body, item.media_type)
        except ManifestError:
            return None
        if manifest.config is None or form_of(manifest) == "artifact":
            return None
        data = await self._small(item.repository, manifest.config, MAX_CONFIG_BYTES)
        if data is None:
            return None
        try:
            parse(data, fold_keys=False, max_bytes=MAX_CONFIG_BYTES)
        except StrictJsonError:
            return None
        return msgspec.Raw(data)


def _after(query: Query, item: Item) -> After:
    keys: dict[str, int | str] = {
        "pushed": item.pushed_us,
        "repository": item.repository,
        "size": item.total,
        "kind": item.kind,
    }
    key = keys[query.sort.removeprefix("-")]
    return After(sort=query.sort, key=key, repository=item.id, digest=item.digest)


def refusal(error: RegistryError) -> Reply:
    """An error in the form that registries have, so that their clients can show it."""
    body = error_body(error)
    head = (("content-type", "application/json"), ("content-length", str(len(body))))
    return Reply(status=error.status, headers=(*head, *error.headers), body=body)
