"""Measure the catalogue of a Hub with 10,000 artifacts: lists, searches, graphs, MCP registry.

The Hub is a real process, asked over HTTP as the administrator and as somebody who may read half of
the repositories, over SQLite and over PostgreSQL (a server of this bench). Times are of a whole
request, the answer read. The target is 300 ms.

    python -m tests.bench.bench_catalog [--quick] [--artifacts N]
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import http.client
import json
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, parse_manifest
from remit.artifacts.servers import Server
from remit.hub.registry.ports import About, Need, Placed
from remit.hub.store import described, tables
from remit.hub.store.database import connect
from remit.hub.store.schema import migrate
from tests.rig.hub_users import administer
from tests.rig.registries import hub, postgresql

TARGET_MS = 300
PER_REPOSITORY = 5
KINDS = ("model", "model", "dataset", "skill", "prompt", "mcp-server", "agent", "policy")
WORDS = ("tokenizer", "weather", "finance", "legal", "vision", "german", "sql", "mail", "review")


def placed(number, made):
    """The artifact of that number: an agent needs four of those before it."""
    kind = KINDS[number % len(KINDS)]
    repository = f"team{number // PER_REPOSITORY % 40}/{kind}-{number // PER_REPOSITORY}"
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "a/b", "digest": digest_of(b"{}"), "size": 2},
        "layers": [],
        "annotations": {"number": str(number)},
    }
    body = json.dumps(document).encode()
    seed = int(hashlib.sha256(str(number).encode()).hexdigest()[:8], 16)
    words = " ".join(WORDS[(seed >> (4 * at)) % len(WORDS)] for at in range(4))
    needs = ()
    if kind == "agent" and len(made) > 10:
        needs = tuple(
            Need(
                role="skill", name=f"n{at}", digest=made[(seed + at * 7) % len(made)], reference="r"
            )
            for at in range(4)
        )
    server = None
    if kind == "mcp-server":
        name = f"io.example.{number % 50}/server-{number // PER_REPOSITORY}"
        server = Server(name=name, version=f"1.{number % PER_REPOSITORY}.0", description=words)
    return Placed(
        repository=repository,
        digest=digest_of(body),
        body=body,
        manifest=parse_manifest(body),
        tags=(f"v{number % PER_REPOSITORY}",),
        about=About(
            kind=kind, name=f"{kind}-{number}", version="1.0", title=f"{kind} {words}",
            graph="complete" if needs else "", needs=needs, server=server,
        ),
    )  # fmt: skip


async def fill(state, url, count):
    """Put artifacts into the database of a Hub that is not running: the rows that pushes make."""
    database = connect(url, state)
    await database.change(migrate)
    made, artifacts = [], []
    for number in range(count):
        artifacts.append(placed(number, made))
        made.append(artifacts[-1].digest)
    ids = {name: at for at, name in enumerate(sorted({a.repository for a in artifacts}), 1)}
    rows = {table: [] for table in (tables.repositories, tables.documents, tables.manifests,
            tables.tags, tables.edges, tables.servers)}  # fmt: skip
    names = {}
    rows[tables.repositories] = [{"id": at, "name": name} for name, at in ids.items()]
    for number, each in enumerate(artifacts):
        at, about, now = ids[each.repository], each.about, 1_700_000_000_000_000 + number * 10**6
        key = {"repository": at, "digest": each.digest}
        rows[tables.documents].append({"digest": each.digest, "body": each.body})
        rows[tables.manifests].append(
            {
                **key, "media_type": MANIFEST, "artifact_type": "a/b", "kind": about.kind,
                "title": about.title, "subject": "", "descriptor": b"{}", "size": len(each.body),
                "total_bytes": number * 7919 % 10**9, "pushed_by": "bench", "pushed_us": now,
                **described.columns(each, about.title),
            }
        )  # fmt: skip
        rows[tables.tags].append({**key, "name": each.tags[0], "moved_by": "bench"})
        rows[tables.edges] += [
            {
                "repository": at, "subject": each.digest, "role": need.role, "name": need.name,
                "dependency": need.digest, "reference": need.reference,
            }
            for need in about.needs
        ]  # fmt: skip
        if about.server is not None:
            names.setdefault(about.server.name, at)
            rows[tables.servers].append(
                {
                    **key, "name": about.server.name, "version": about.server.version,
                    "body": msgspec.json.encode(about.server),
                }
            )  # fmt: skip
    rows[tables.server_names] = [{"name": name, "repository": at} for name, at in names.items()]

    def work(connection):
        for table, some in rows.items():
            connection.execute(table.insert(), some)

    await database.change(work)
    await database.close()
    return made


class Client:
    """One connection of one user."""

    def __init__(self, registry, user, password):
        self._connection = http.client.HTTPConnection(registry.host, timeout=60)
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}"}

    def get(self, path):
        """The answer, and how long it took in milliseconds."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1000
        assert answer.status == 200, body
        return json.loads(body), took


def measure(registry, made, rounds):
    """Rows of one store."""
    half = "half-of-it-is-mine"
    administer(registry, "account", "add", "half", stdin=f"{half}\n")
    for team in range(0, 40, 2):
        administer(registry, "grant", "half", "reader", f"team{team}/*")
    agent = placed(len(made) // 8 * 8 - 2, made)
    at = f"/api/v1/repositories/{agent.repository}/artifacts/{agent.digest}"
    popular = next(digest for digest in made if digest)
    asked = {
        "list, newest 50": "/api/v1/artifacts",
        "list, newest 200": "/api/v1/artifacts?limit=200",
        "list by repository, tagged": "/api/v1/artifacts?sort=repository&tagged=true",
        "search, one word": "/api/v1/artifacts?q=tokenizer",
        "search, three words": "/api/v1/artifacts?q=weather+model+v3",
        "search, kind, by size": "/api/v1/artifacts?q=german&kind=model&sort=-size",
        "search, nothing found": "/api/v1/artifacts?q=zzzz",
        "list, a pattern of repositories": "/api/v1/artifacts?repository=team1/*",
        "digest": f"/api/v1/artifacts?digest={popular}",
        "one artifact": at,
        "what it needs": f"{at}/dependencies",
        "what uses it": f"{at}/uses",
        "MCP registry, list": "/v0.1/servers",
        "MCP registry, search": "/v0.1/servers?search=server-1&version=latest",
    }
    rows = []
    for who, password in ((registry.user, registry.password), ("half", half)):
        client = Client(registry, who, password)
        for name, path in asked.items():
            if who == "half" and at in path:
                continue
            client.get(path)
            took = [client.get(path)[1] for _ in range(rounds)]
            rows.append(
                {
                    "what": name,
                    "who": "admin" if who != "half" else who,
                    "p50 ms": round(statistics.median(took), 1),
                    "max ms": round(max(took), 1),
                }
            )
        rows.append(paged(client, who))
    return rows


def paged(client, who):
    """Every page of the whole list."""
    started, path, count = time.perf_counter(), "/api/v1/artifacts?limit=200", 0
    while path:
        answer, _ = client.get(path)
        count += len(answer["artifacts"])
        following = answer.get("next")
        path = f"/api/v1/artifacts?limit=200&cursor={following}" if following else ""
    took = (time.perf_counter() - started) * 1000
    return {
        "what": f"all {count}, in pages of 200",
        "who": "admin" if who != "half" else who,
        "p50 ms": round(took, 1),
        "max ms": "",
    }


def main(arguments=None):
    """Measure both stores."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--artifacts", type=int, default=0)
    options, _ = parser.parse_known_args(arguments)
    count = options.artifacts or (1000 if options.quick else 10_000)
    rows = []
    for store in ("SQLite", "PostgreSQL"):
        with contextlib.ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="remit-bench-")))
            url = stack.enter_context(postgresql()) if store == "PostgreSQL" else ""
            made = asyncio.run(fill(root / "hub", url, count))
            more = ["--database", url] if url else []
            registry = stack.enter_context(hub(root, options=more))
            if url:
                stack.enter_context(_database(url))
            found = measure(registry, made, 5 if options.quick else 20)
        rows += [{"store": store, "artifacts": count, **row} for row in found]
    for row in rows:
        print(json.dumps(row))
    return rows


@contextlib.contextmanager
def _database(url):
    """Administration commands find the database."""
    import os

    os.environ["REMIT_HUB_DATABASE"] = url
    try:
        yield
    finally:
        del os.environ["REMIT_HUB_DATABASE"]


if __name__ == "__main__":
    main()
