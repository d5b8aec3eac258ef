"""A Hub at an address, until it is stopped."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import tempfile
from pathlib import Path

from remit.core.scratch import scratch
from remit.hub.compose import HubOptions, opened, say
from remit.hub.errors import HubError


def check_listen(options: HubOptions) -> None:
    """Refuse to send passwords in the clear over a network.

    Raises:
        HubError: an address that others reach, without TLS and without a proxy's URL.
    """
    try:
        local = ipaddress.ip_address(options.host).is_loopback
    except ValueError:
        local = options.host == "localhost"
    if not local and options.certificate is None and not options.url.startswith("https://"):
        raise HubError(
            f"at `{options.host}` others reach the Hub, and passwords would pass in the clear",
            code="hub.clear",
            hint="give --tls-cert and --tls-key, or --url https://… of the proxy that speaks TLS",
        )


def check_free(host: str, port: int) -> None:
    """Refuse an address that somebody listens at: the server would share it with them.

    Raises:
        HubError: it is taken, or is none of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        raise HubError(
            f"the Hub cannot listen at {host}:{port}: {error.strerror or error}",
            code="hub.listen",
            hint="give another --listen ADDRESS:PORT, or stop who listens there",
        ) from error


def run(options: HubOptions) -> int:
    """Be a Hub until stopped; the exit status of the command.

    Raises:
        RemitError: it cannot start.
    """
    check_listen(options)
    check_free(options.host, options.port)
    # Until the loop has handlers of its own: a Hub that is stopped early cleans up, too.
    signal.signal(signal.SIGTERM, _stopped)
    with scratch(_temporary(options)) as own:
        tempfile.tempdir = str(own)
        return asyncio.run(_serve(options))


def _temporary(options: HubOptions) -> Path:
    """Where temporary files go; into the Hub's state where the machine has no place for them."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return options.state


def _stopped(number: int, frame: object) -> None:
    del number, frame
    raise SystemExit(0)


async def _serve(options: HubOptions) -> int:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server.embed import Server

    async with opened(options) as hub:
        server = Server(
            hub,
            address=options.host,
            port=options.port,
            interface=Interfaces.ASGINL,
            log_level=LogLevels.error,
            websockets=False,
            backlog=1024,
            ssl_cert=options.certificate,
            ssl_key=options.key,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, server.stop)
        scheme = "https" if options.certificate else "http"
        say(f"remit hub: ready at {scheme}://{options.host}:{options.port}")
        await server.serve()
    return 0
