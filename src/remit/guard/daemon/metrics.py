"""What Guard counts, in the Prometheus text format (version 0.0.4)."""

from collections.abc import Iterable, Mapping

from remit.guard.daemon.sessions import Sessions
from remit.guard.ledger import Ledger

Sample = tuple[Mapping[str, str], float]


def render(ledger: Ledger, sessions: Sessions, refused: Mapping[int, int]) -> str:
    """All metrics as text."""
    log = ledger.log
    listing = sessions.listing()
    servers: dict[tuple[str, str], int] = {}
    for one in listing:
        key = (one["server"], one["transport"])
        servers[key] = servers.get(key, 0) + 1
    blocks = [
        _block(
            "remit_decisions_total", "counter", "Judged events, by kind of record and effect.",
            (({"kind": k, "effect": e}, n) for (k, e), n in sorted(ledger.counts.items())),
        ),
        _block(
            "remit_sessions", "gauge", "Open sessions.",
            (({"server": s, "transport": t}, n) for (s, t), n in sorted(servers.items())),
        ),
        _block(
            "remit_calls_in_flight", "gauge", "Requests of clients that have no answer yet.",
            [({}, sum(one["in_flight"] for one in listing))],
        ),
        _block(
            "remit_http_refused_total", "counter", "HTTP requests that went no further, by status.",
            (({"status": str(s)}, n) for s, n in sorted(refused.items())),
        ),
        _block("remit_log_records", "gauge", "Records of the audit log.", [({}, log.size)]),
        _block("remit_log_durable_records", "gauge", "Of them on disk.", [({}, log.durable_size)]),
        _block("remit_log_signed_records", "gauge", "Of them under a checkpoint.",
               [({}, log.signed_size)]),
        _block(
            "remit_log_unanchored_records", "gauge",
            "Of them that nobody outside of this machine can vouch for.", [({}, log.size)],
        ),
        _block(
            "remit_log_poisoned", "gauge", "1 after a write error: every side effect is denied.",
            [({}, int(log.poisoned is not None))],
        ),
    ]  # fmt: skip
    return "".join(blocks)


def _block(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
