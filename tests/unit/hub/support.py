"""What unit tests of the Hub share: a clock that is set, and requests without a server."""

from remit.hub.registry.http import Request


class Clock:
    """A clock that is set."""

    def __init__(self, us=1_800_000_000_000_000):
        self.us = us

    def now_us(self):
        return self.us

    def monotonic_ns(self):
        return self.us * 1000


def asked(method="GET", path="/v2/", query="", headers=(), pieces=(b"",), **scope):
    """A request; of the body, what `pieces` says, and then the client is gone if it ends in None."""
    waiting = list(pieces)

    async def receive():
        piece = waiting.pop(0) if waiting else None
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode("latin-1"),
            "headers": pairs,
            "client": ("10.0.0.1", 999),
            "scheme": "http",
            "http_version": "1.1",
            **scope,
        },
        receive,
    )
