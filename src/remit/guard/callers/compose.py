"""Wires callers to the machine: the state directory, the clock and the network."""

from pathlib import Path

from remit.audit.clock import SystemClock
from remit.core.clock import Clock
from remit.guard.callers.base import Callers
from remit.guard.callers.combined import CombinedCallers
from remit.guard.callers.keys import KeyCallers
from remit.guard.callers.mtls import CertificateCallers
from remit.guard.callers.oauth import OAuthCallers
from remit.guard.callers.settings import CallersConfig
from remit.guard.store.callers import CallerKeys
from remit.web.fetch import Fetch, fetch


def callers_from(
    config: CallersConfig, state: Path, *, clock: Clock | None = None, get: Fetch = fetch
) -> Callers:
    """All ways in that are configured: keys always, access tokens and certificates if they are.

    Args:
        config: ``[oauth]`` and ``[mtls]``, as far as they are there.
        state: Guard's state directory, with the keys below it.
        clock: the system's by default.
        get: asks the OAuth issuer; HTTPS by default.

    Raises:
        GuardError: a configuration that cannot be used.
    """
    clock = clock or SystemClock()
    return CombinedCallers(
        KeyCallers(CallerKeys(state), clock),
        OAuthCallers(config.oauth, get, clock) if config.oauth else None,
        CertificateCallers(config.mtls, clock) if config.mtls else None,
    )
