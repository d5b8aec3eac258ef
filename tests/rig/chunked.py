"""A client that pushes blobs in pieces and takes a broken push up again, after the specification.

(distribution-spec 1.1, "Pushing a blob in chunks"). It shares no code with Remit's own client.
"""

import base64
import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

from tests.rig.registries import Registry


class Pushed:
    """How a push went.

    Attributes:
        digest: of the blob.
        breaks: connections that broke.
        sent: bytes of the blob that were sent, those included that were sent twice.
    """

    def __init__(self) -> None:
        self.digest = ""
        self.breaks = 0
        self.sent = 0


class ChunkedClient:
    """Pushes with Basic credentials over a connection that may break.

    Args:
        host: where to connect; a proxy's address, say.
        registry: whose account it uses.
        piece: bytes of one PATCH.
    """

    def __init__(self, host: str, registry: Registry, piece: int) -> None:
        self.host = host
        self.piece = piece
        credentials = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {credentials}"} if registry.user else {}
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        body: "bytes | Iterator[bytes]" = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request over the connection that is open, or over a new one."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, timeout=120)
        try:
            self._connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    def close(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def push(self, repository: str, file: Path) -> Pushed:
        """Push a file as a blob, however often the connection breaks."""
        done = Pushed()
        digest = hashlib.sha256()
        with file.open("rb") as source:
            while data := source.read(1 << 20):
                digest.update(data)
        done.digest = f"sha256:{digest.hexdigest()}"
        status, headers, data = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, data
        location, offset, size = headers["location"], 0, file.stat().st_size
        while offset < size:
            end = min(size, offset + self.piece)
            try:
                status, headers, data = self.request(
                    "PATCH",
                    location,
                    _piece(file, offset, end, done),
                    {
                        "Content-Range": f"{offset}-{end - 1}",
                        "Content-Length": str(end - offset),
                        "Content-Type": "application/octet-stream",
                    },
                )
                assert status == 202, (status, data)
            except (OSError, http.client.HTTPException):
                done.breaks += 1
                assert done.breaks < 20
                # How far it came is asked for, never assumed.
                status, headers, data = self.request("GET", location)
                assert status == 204, (status, data)
            location = headers["location"]
            last = int(headers["range"].partition("-")[2])
            offset = 0 if last == 0 else last + 1
        status, _, data = self.request("PUT", f"{location}{_mark(location)}digest={done.digest}")
        assert status == 201, (status, data)
        self.close()
        return done


def _mark(location: str) -> str:
    return "&" if "?" in location else "?"


def _piece(file: Path, start: int, end: int, done: Pushed) -> Iterator[bytes]:
    with file.open("rb") as source:
        source.seek(start)
        while start < end:
            data = source.read(min(1 << 20, end - start))
            start += len(data)
            done.sent += len(data)
            yield data


def random_file(path: Path, size: int) -> Path:
    """A file of random bytes, which nothing on the way can make smaller."""
    with path.open("wb") as file:
        for at in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - at)))
    return path
