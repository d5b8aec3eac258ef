"""Hubs over each of their stores, and a client that shows every byte of what they answer."""

import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remit.hub.registry.accounts import Account, keep
from remit.hub.store import accounts as kept
from remit.hub.store.database import connect
from remit.hub.store.rows import Rule
from tests.rig.fronts import upstream_options
from tests.rig.registries import S3_ENVIRONMENT, Registry, hub, postgresql, s3

SQLITE_FILES = "sqlite+files"
POSTGRESQL_S3 = "postgresql+s3"
UPSTREAM = "upstream"
KINDS = (SQLITE_FILES, POSTGRESQL_S3, UPSTREAM)
"""What a Hub stands on: its own stores, or another registry that it is in front of."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
BLOB = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """One HTTP response; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    names: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The first error code of the specification; empty if the body carries none."""
        if not self.body:
            return ""
        document = self.json
        assert set(document) == {"errors"}, document
        assert all({"code", "message"} <= set(each) for each in document["errors"])
        return str(document["errors"][0]["code"])

    @property
    def range(self) -> str:
        """How far an upload is."""
        return self.headers.get("range", "")

    @property
    def location(self) -> str:
        """Where to go on; a path."""
        found = self.headers["location"]
        return found if found.startswith("/") else "/" + found.split("/", 3)[3]


@dataclass(frozen=True)
class Client:
    """Speaks HTTP to a Hub as one account, a connection for each request.

    Attributes:
        host: ``127.0.0.1:PORT``.
        authorization: header of that name; empty to send none.
    """

    host: str
    authorization: str = ""
    timeout: float = 60.0

    @classmethod
    def basic(cls, host: str, user: str, password: str) -> "Client":
        """As `user`."""
        return cls(host, basic(user, password))

    def bearer(self, *scopes: str) -> "Client":
        """The same account with a token for `scopes`."""
        query = "&".join(f"scope={each}" for each in scopes)
        answer = self("GET", f"/token?service={self.host}&{query}")
        assert answer.status == 200, answer
        return Client(self.host, f"Bearer {answer.json['token']}")

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; `content_type="…"` is the header ``Content-Type``.

        A body that is not bytes is sent chunked, without a length.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.authorization and "authorization" not in sent:
            sent["Authorization"] = self.authorization
        connection = http.client.HTTPConnection(self.host, timeout=self.timeout)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, sent, encode_chunked=chunked)
            answer = connection.getresponse()
            pairs = [(name.lower(), value) for name, value in answer.getheaders()]
            return Answer(
                answer.status, dict(pairs), answer.read(), tuple(name for name, _ in pairs)
            )
        finally:
            connection.close()

    # -- what most tests begin with ------------------------------------------------------------

    def push_blob(self, repository: str, data: bytes, *, algorithm: str = "sha256") -> str:
        """Push a blob in one request: its digest."""
        name = digest(data, algorithm)
        answer = self(
            "POST", f"/v2/{repository}/blobs/uploads/?digest={name}", data, content_type=BLOB
        )
        assert answer.status == 201, answer
        return name

    def put_manifest(
        self, repository: str, name: str, document: Any, media_type: str = MANIFEST
    ) -> Answer:
        """Put a manifest; `document` is bytes or what becomes JSON."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self("PUT", f"/v2/{repository}/manifests/{name}", body, content_type=media_type)

    def push(self, repository: str, tag: str, *layers: bytes, **more: Any) -> str:
        """Push an artifact of these layers: the digest of its manifest."""
        found = [descriptor(self.push_blob(repository, each), each) for each in layers]
        config = descriptor(self.push_blob(repository, b"{}"), b"{}", EMPTY)
        body = json.dumps(manifest(config, found, **more)).encode()
        answer = self.put_manifest(repository, tag, body)
        assert answer.status == 201, answer
        return digest(body)

    def start(self, repository: str) -> str:
        """Begin an upload: its address."""
        answer = self("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert answer.status == 202, answer
        return answer.location


EMPTY = "application/vnd.oci.empty.v1+json"


def basic(user: str, password: str) -> str:
    """The header of Basic credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """Of `data`, by hashlib alone."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(name: str, data: bytes, media_type: str = BLOB, **more: Any) -> dict[str, Any]:
    """What describes `data`."""
    return {"mediaType": media_type, "digest": name, "size": len(data), **more}


def manifest(config: Any, layers: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """An image manifest."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": list(layers),
        **more,
    }


def fresh(*parts: str) -> str:
    """The name of a repository that nobody has."""
    return "/".join(("t" + secrets.token_hex(5), *parts))


@dataclass(frozen=True)
class Stage:
    """A running Hub and what it stands on.

    Attributes:
        kind: one of `KINDS`.
        registry: the process.
        options: of the command, besides its state.
        database, blobs: addresses; empty for the state directory.
        admin: a client that may do everything.
    """

    kind: str
    registry: Registry
    options: tuple[str, ...] = ()
    database: str = ""
    blobs: str = ""
    admin: Client = field(init=False)

    def __post_init__(self) -> None:
        found = Client.basic(self.registry.host, self.registry.user, self.registry.password)
        object.__setattr__(self, "admin", found)

    @property
    def anonymous(self) -> Client:
        """Somebody without credentials."""
        return Client(self.registry.host)

    def account(self, name: str, grants: Mapping[str, str], kind: str = "user") -> Client:
        """Make an account with roles for patterns; its client."""
        password = secrets.token_hex(12)
        account = Account(name=name, kind=kind, secret=keep(kind, password))

        def work(connection: Any) -> None:
            assert kept.add(connection, account, "tests", 1)
            for pattern, role in grants.items():
                kept.grant(connection, name, pattern, role, 1)

        self.change(work)
        return Client.basic(self.registry.host, name, password)

    def rule(self, **values: Any) -> None:
        """Let a rule hold for a pattern of repositories."""
        self.change(lambda connection: kept.set_rule(connection, Rule(**values)))

    def change(self, work: Any) -> Any:
        """Do something to the database beside the Hub, as its administration does."""

        async def run() -> Any:
            database = connect(self.database, self.registry.state)
            try:
                return await database.change(work)
            finally:
                await database.close()

        return asyncio.run(run())


@dataclass(frozen=True)
class Servers:
    """What larger Hubs stand on: addresses of a PostgreSQL server and an S3 server."""

    postgresql: str
    s3: str

    @classmethod
    @contextlib.contextmanager
    def running(cls, directory: Path) -> Iterator["Servers"]:
        """Both, while the block runs."""
        with postgresql() as database, s3(directory / "s3") as endpoint:
            yield cls(database, endpoint)

    def database(self) -> str:
        """A new, empty database: its address."""
        name = "t" + secrets.token_hex(6)
        asyncio.run(_create(self.postgresql, name))
        return f"{self.postgresql.rpartition('/')[0]}/{name}"

    def blobs(self) -> str:
        """A prefix that nobody uses: its address as the Hub reads it."""
        return f"s3://artifacts/{secrets.token_hex(6)}?endpoint={self.s3}"


async def _create(url: str, name: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


@contextlib.contextmanager
def staged(
    kind: str,
    directory: Path,
    servers: Servers | None,
    *options: str,
    auth: str = "bearer",
    gate: bool = False,
) -> Iterator[Stage]:
    """A Hub of `kind` while the block runs, with a gate if that is asked for."""
    database = blobs = ""
    if kind == POSTGRESQL_S3:
        assert servers is not None
        database, blobs = servers.database(), servers.blobs()
        options = (*options, "--database", database, "--blobs", blobs)
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if kind == UPSTREAM:
            (directory / "upstream").mkdir()
            upstream = stack.enter_context(hub(directory / "upstream"))
            options = (*options, *upstream_options(directory, upstream), "--upstream-poll", "0")
        running = hub(directory, auth=auth, options=options, env=S3_ENVIRONMENT, gate=gate)
        registry = stack.enter_context(running)
        yield Stage(kind, registry, options, database, blobs)
