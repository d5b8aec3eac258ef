"""The Hub beside Debian's docker-registry: large pushes and pulls, small pulls, memory, collection.

"push" and "pull" are one blob with curl, best and median of the rounds, both servers in turn;
"manifest" is a small manifest again and again over kept connections; memory is the peak of the
server's process. "collect" takes away thousands of blobs while pushes go on: the longest that one
of them waited, beside the longest without a collection.

    python -m tests.bench hub [--quick]
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rig.governed import REMIT
from tests.rig.registries import Registry, docker_registry, hub

Rows = list[dict[str, Any]]
MIB = 1024 * 1024
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Client:
    """Requests of one connection."""

    def __init__(self, registry: Registry) -> None:
        self.connection = http.client.HTTPConnection(registry.host, timeout=120)
        self.headers: dict[str, str] = {}
        if registry.user:
            text = f"{registry.user}:{registry.password}".encode()
            self.headers["Authorization"] = f"Basic {base64.b64encode(text).decode()}"

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """One request; the response and its body."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.connection.request(method, path, body, {**self.headers, **named})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def location(self, repository: str) -> str:
        """Where a new upload goes."""
        answer, _ = self.send("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert answer.status == 202, answer.status
        found = answer.getheader("location")
        return found[found.index("/v2/") :]

    def push(self, repository: str, data: bytes) -> str:
        """Push a blob; its digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place = self.location(repository)
        mark = "&" if "?" in place else "?"
        answer, text = self.send("PUT", f"{place}{mark}digest={digest}", data)
        assert answer.status == 201, text
        return digest

    def manifest(self, repository: str, tag: str, blob: str, size: int) -> None:
        """Push a manifest of one layer, which is its config too."""
        described = {"mediaType": "a/b", "digest": blob, "size": size}
        document = {
            "schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [described],
        }  # fmt: skip
        answer, text = self.send(
            "PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(document).encode(),
            Content_Type=MANIFEST,
        )  # fmt: skip
        assert answer.status == 201, text


def curl(client: Client, registry: Registry, *arguments: str) -> float:
    """Seconds that curl takes."""
    command = ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null"]
    for key, value in client.headers.items():
        command += ["--header", f"{key}: {value}"]
    command += [*arguments[:-1], f"{registry.url}{arguments[-1]}"]
    start = time.perf_counter()
    subprocess.run(command, check=True, timeout=600)
    return time.perf_counter() - start


def process_of(registry: Registry) -> int:
    """The process that listens."""
    import psutil

    port = int(registry.host.rpartition(":")[2])
    for found in psutil.net_connections("tcp"):
        if found.status == "LISTEN" and found.laddr.port == port and found.pid:
            return found.pid
    raise AssertionError(registry.host)


def peak_mb(pid: int) -> float:
    """Peak of resident memory, in 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


@contextlib.contextmanager
def both(directory: Path) -> Iterator[dict[str, Registry]]:
    """The Hub and docker-registry at the same time, so that both meet the same neighbours."""
    with hub(directory / "hub") as ours, docker_registry(directory / "docker") as theirs:
        yield {"hub": ours, "docker": theirs}


def large(registries: dict[str, Registry], directory: Path, mib: int, rounds: int) -> Rows:
    """One large blob, up and down."""
    times: dict[tuple[str, str], list[float]] = {}
    for at in range(rounds):
        file = directory / "blob"
        taken = hashlib.sha256()
        with file.open("wb") as output:
            for _ in range(mib):
                piece = os.urandom(MIB)
                taken.update(piece)
                output.write(piece)
        digest = f"sha256:{taken.hexdigest()}"
        for name, registry in registries.items():
            client = Client(registry)
            place = client.location(f"bench/r{at}")
            mark = "&" if "?" in place else "?"
            up = curl(
                client, registry, "--upload-file", str(file), "--header",
                "Content-Type: application/octet-stream", f"{place}{mark}digest={digest}",
            )  # fmt: skip
            down = [curl(client, registry, f"/v2/bench/r{at}/blobs/{digest}") for _ in range(2)]
            times.setdefault(("push", name), []).append(up)
            times.setdefault(("pull", name), []).extend(down)
    rows = []
    for what in ("push", "pull"):
        ours, theirs = times[what, "hub"], times[what, "docker"]
        rows.append(
            {
                "what": f"{what} {mib} MiB",
                "hub": f"{mib * MIB / min(ours) / 1e6:.0f} MB/s",
                "median": f"{mib * MIB / statistics.median(ours) / 1e6:.0f}",
                "docker-registry": f"{mib * MIB / min(theirs) / 1e6:.0f} MB/s",
                "its median": f"{mib * MIB / statistics.median(theirs) / 1e6:.0f}",
                "ratio": round(statistics.median(theirs) / statistics.median(ours), 2),
            }
        )
    return rows


def small(registries: dict[str, Registry], seconds: float) -> Rows:
    """Manifests a second, over eight kept connections."""
    rates = {}
    for name, registry in registries.items():
        client = Client(registry)
        client.manifest("bench/small", "v1", client.push("bench/small", b"{}"), 2)
        counts = [0] * 8
        until = time.perf_counter() + seconds

        def ask(at: int, registry: Registry, counts: list[int], until: float) -> None:
            mine = Client(registry)
            while time.perf_counter() < until:
                answer, _ = mine.send("GET", "/v2/bench/small/manifests/v1", Accept=MANIFEST)
                assert answer.status == 200
                counts[at] += 1

        threads = [
            threading.Thread(target=ask, args=(at, registry, counts, until))
            for at in range(len(counts))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates[name] = sum(counts) / seconds
    return [
        {
            "what": "manifest",
            "hub": f"{rates['hub']:.0f} /s",
            "docker-registry": f"{rates['docker']:.0f} /s",
            "ratio": round(rates["hub"] / rates["docker"], 2),
        }
    ]


def collect(registry: Registry, count: int) -> Rows:
    """Take away ``count`` blobs while somebody pushes."""
    client = Client(registry)
    for at in range(count):
        client.push("bench/garbage", at.to_bytes(8))
    import sqlite3

    with contextlib.closing(sqlite3.connect(registry.state / "hub.db")) as database:
        database.execute("UPDATE links SET leased_us = 0")
        database.execute("UPDATE blobs SET leased_us = 0")
        database.commit()

    waits: list[float] = []
    done = threading.Event()

    def push() -> None:
        mine, at = Client(registry), 0
        while not done.is_set():
            start = time.perf_counter()
            blob = mine.push("bench/live", f"live {len(waits)} {at}".encode())
            mine.manifest("bench/live", f"t{at}", blob, 8)
            waits.append(time.perf_counter() - start)
            at += 1

    def during(run: Any) -> tuple[float, float, float]:
        waits.clear()
        done.clear()
        thread = threading.Thread(target=push)
        thread.start()
        start = time.perf_counter()
        run()
        took = time.perf_counter() - start
        done.set()
        thread.join()
        return took, max(waits) * 1000, statistics.median(waits) * 1000

    alone = during(lambda: time.sleep(5))

    def run() -> None:
        subprocess.run(
            [REMIT, "hub", "gc", "--grace", "0", "--state", str(registry.state)], check=True
        )

    beside = during(run)
    checked = subprocess.run(
        [REMIT, "hub", "fsck", "--deep", "--state", str(registry.state)], check=False
    )
    assert checked.returncode == 0
    return [
        {
            "what": f"collect {count} blobs, {beside[0]:.1f} s",
            "hub": f"push {beside[2]:.1f} ms, longest {beside[1]:.0f} ms",
            "docker-registry": f"without: {alone[2]:.1f} ms, longest {alone[1]:.0f} ms",
            "ratio": round(beside[1] / alone[1], 2),
        }
    ]


def main(arguments: list[str]) -> Rows:
    """All rows."""
    quick = "--quick" in arguments
    with tempfile.TemporaryDirectory() as found:
        directory = Path(found)
        with both(directory) as registries:
            rows = large(registries, directory, 64 if quick else 1024, 2 if quick else 5)
            peaks = {name: peak_mb(process_of(each)) for name, each in registries.items()}
            rows.append(
                {
                    "what": "peak memory",
                    "hub": f"{peaks['hub']:.0f} MB",
                    "docker-registry": f"{peaks['docker']:.0f} MB",
                    "ratio": round(peaks["hub"] / peaks["docker"], 2),
                }
            )
            rows += small(registries, 2 if quick else 10)
            rows += collect(registries["hub"], 500 if quick else 10_000)
    return rows
