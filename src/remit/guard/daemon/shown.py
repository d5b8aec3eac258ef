"""What ``remit guard status`` shows of a running Guard."""

import os
from typing import Any

from remit import __version__
from remit.core.errors import RemitError
from remit.guard.config import ServerConfig
from remit.guard.daemon.daemon import Daemon
from remit.guard.governed import GovernedServer


def status(daemon: Daemon) -> dict[str, Any]:
    """Everything that ``remit guard status`` shows."""
    log = daemon.ledger.log
    bundle = daemon.bundle
    return {
        "version": __version__,
        "pid": os.getpid(),
        "since_us": daemon.started_us,
        "state": str(daemon.place.state),
        "http": daemon.address,
        "approvals": f"{daemon.desk.party.origin}/approvals" if daemon.desk.party else "",
        "policy": {
            "name": bundle.name if bundle else "",
            "version": bundle.version if bundle else "",
            "serial": bundle.serial if bundle else 0,
            "mode": bundle.mode if bundle else "",
            "digest": bundle.digest if bundle else "",
            "problem": daemon.source.problem if daemon.source else "",
            "withdrawn": daemon.suspended,
            "reload": daemon.reloaded,
        },
        "log": {
            "origin": log.origin,
            "records": daemon.ledger.accepted,
            "durable": log.durable_size,
            "signed": log.signed_size,
            "unanchored_records": log.size,
            "unanchored_seconds": _unanchored_s(daemon),
            "poisoned": log.poisoned.message if log.poisoned else "",
        },
        "withdrawals": daemon.watch.shown() if daemon.watch else {},
        "servers": [_shown(daemon, server) for _, server in sorted(daemon.servers.items())],
        "sessions": daemon.sessions.listing(),
        "questions": len(daemon.questions.listing()),
    }


def _unanchored_s(daemon: Daemon) -> int:
    """Age of the oldest record that nobody outside of this machine has seen."""
    return max(0, daemon.clock.now_us() - daemon.log_since_us) // 1_000_000


def _shown(daemon: Daemon, server: GovernedServer) -> dict[str, Any]:
    name = server.config.id
    problem = ""
    try:
        pinned = server.pins.get(name)
    except RemitError as error:
        pinned, problem = None, error.message
    return {
        "id": name,
        "transport": "http" if server.config.url else "stdio",
        "command": list(server.config.command),
        "url": server.config.url,
        "artifact": _artifact(daemon, server.config),
        "tools": len(pinned.tools) if pinned else 0,
        "pinned": pinned is not None,
        "sessions": daemon.sessions.count(name),
        "problem": problem,
    }


def _artifact(daemon: Daemon, config: ServerConfig) -> dict[str, Any]:
    """What a server is started from, and what was last said of that; empty if it is none."""
    if not config.artifact:
        return {}
    known = daemon.admission.known.get(config.id) if daemon.admission else None
    return {
        "reference": config.artifact,
        "admitted": known.admitted if known else None,
        "time_us": known.time_us if known else 0,
        "digest": known.digest if known else "",
        "code": known.code if known else "",
        "problem": known.problem if known else "",
    }
