"""Asking a provider: the port, and its adapter over HTTPS; ``aiohttp`` is imported when it is."""

from collections.abc import Mapping
from typing import Protocol

from remit.core.text import printable
from remit.web.errors import WebError
from remit.web.urls import is_loopback

MAX_BYTES = 256 * 1024
TIMEOUT_S = 5.0
_OK = 200


class FetchError(WebError):
    """The issuer gave no answer that can be used."""

    code = "oauth.fetch"


class Fetch(Protocol):
    """Gets a document."""

    async def __call__(self, url: str) -> bytes:
        """The body of the answer 200 to a GET of ``url``.

        Raises:
            FetchError: anything else.
        """
        ...


async def fetch(url: str) -> bytes:
    """:class:`Fetch` over HTTPS: TLS verified, no redirects, no cookies, no proxies, 256 KiB, 5 s.

    A connection of its own each time: this happens every few minutes at most.

    Raises:
        FetchError: no such answer.
    """
    return await exchange("GET", url, {}, None)


async def exchange(
    method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
) -> bytes:
    """The body of the answer 200 to a request with headers, and a form; else as :func:`fetch`.

    Raises:
        FetchError: anything else.
    """
    if not is_loopback(url):
        try:
            import ssl  # noqa: F401 - where it was left out, nothing can be verified
        except ImportError as error:
            raise FetchError("this process runs without TLS") from error
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    **headers,
                },
            ) as session,
            session.request(method, url, data=form, allow_redirects=False) as response,
        ):
            if response.status != _OK:
                raise FetchError(f"`{printable(url, 200)}` answered {response.status}")
            body = bytearray()
            async for piece in response.content.iter_chunked(1 << 14):
                body += piece
                if len(body) > MAX_BYTES:
                    raise FetchError(f"`{printable(url, 200)}` answered too much")
            return bytes(body)
    # OSError has time-outs in it; RuntimeError is a library that was loaded before TLS was.
    except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
        raise FetchError(
            f"`{printable(url, 200)}` does not answer: {printable(str(error), 200)}"
        ) from error
