"""``[trust]`` and ``[artifacts]`` of ``remit.toml``, and references in it.

::

    [trust]
    root = "trust.toml"            # which keys count, for what
    key = "owner.pub"              # optional: must have signed the trust root
    gate_policy = "sha256:…"       # optional: the policy under which the gate must have looked
    max_age = "30d"                # how old its word may be
    refresh = "1d"                 # from which age on it is asked for again, if there is a network
    withdrawals = "60s"            # how often Hubs are asked what they withdrew; "off": never

    [artifacts]
    store = "/var/lib/remit/artifacts"   # optional: an OCI image layout; default: the user's
    offline = false                      # true: never ask a registry
    ca_file = "ca.pem"                   # optional
    plain_http = false                   # HTTP without protection; default: on this machine only
"""

import re
from pathlib import Path

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import Reference
from remit.guard.errors import GuardError

_AGE = re.compile(r"([1-9][0-9]{0,5})([mhdw])", re.ASCII)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_EVERY = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_MAX_EVERY_S = 86_400


class TrustTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[trust]``, as it is written."""

    root: str
    key: str = ""
    gate_policy: str = ""
    max_age: str = "30d"
    refresh: str = "1d"
    withdrawals: str = "60s"


class ArtifactsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[artifacts]``, as it is written."""

    store: str = ""
    offline: bool = False
    ca_file: str = ""
    plain_http: bool | None = None


class TrustConfig(msgspec.Struct, frozen=True, kw_only=True):
    """By whose word artifacts are admitted.

    Attributes:
        root: file of the trust root.
        key: file of the public key that must have signed it; None for none.
        gate_policy: digest of the policy of the gate; empty for any that a key of the gate names.
        max_age_us: how old the word of the gate may be.
        refresh_us: from which age on it is asked for again.
        withdrawals_s: how often Hubs are asked what they withdrew, in seconds; 0 for never.
    """

    root: Path
    key: Path | None = None
    gate_policy: str = ""
    max_age_us: int = 30 * 86_400_000_000
    refresh_us: int = 86_400_000_000
    withdrawals_s: int = 60


class ArtifactsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where artifacts are.

    Attributes:
        store: an image layout; None for the user's.
        offline: whether no registry is ever asked.
        ca_file: certificates to trust in place of the system's.
        plain_http: HTTP or HTTPS; None for HTTPS but on this machine.
    """

    store: Path | None = None
    offline: bool = False
    ca_file: Path | None = None
    plain_http: bool | None = None


def trust_config(table: TrustTable | None, base: Path) -> TrustConfig | None:
    """``[trust]``, checked; paths are relative to ``base``.

    Raises:
        GuardError: a member is malformed.
    """
    if table is None:
        return None
    if not table.root:
        raise _invalid("`root` of [trust] is empty")
    if table.gate_policy and not is_digest(table.gate_policy):
        raise _invalid("`gate_policy` of [trust] is not `sha256:` and 64 hexadecimal digits")
    return TrustConfig(
        root=base / table.root,
        key=base / table.key if table.key else None,
        gate_policy=table.gate_policy,
        max_age_us=_age(table.max_age, "max_age"),
        refresh_us=_age(table.refresh, "refresh"),
        withdrawals_s=_every(table.withdrawals),
    )


def artifacts_config(table: ArtifactsTable, base: Path) -> ArtifactsConfig:
    """``[artifacts]``; paths are relative to ``base``."""
    return ArtifactsConfig(
        store=base / table.store if table.store else None,
        offline=table.offline,
        ca_file=base / table.ca_file if table.ca_file else None,
        plain_http=table.plain_http,
    )


def reference_of(text: str, where: str) -> Reference:
    """A reference of the configuration, with a tag or a digest.

    Raises:
        GuardError: malformed, or it has neither.
    """
    try:
        found = Reference.parse(text)
    except ArtifactError as error:
        raise _invalid(f"{where}: {error.message}") from error
    if not found.tag and not found.digest:
        raise _invalid(f"{where}: `{text[:200]}` has neither a tag nor a digest")
    return found


def _age(text: str, name: str) -> int:
    found = _AGE.fullmatch(text)
    if found is None:
        raise _invalid(f"`{name}` of [trust] is no number with m, h, d or w, as in 30d")
    return int(found[1]) * _UNITS_S[found[2]] * 1_000_000


def _every(text: str) -> int:
    if text == "off":
        return 0
    found = _EVERY.fullmatch(text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _MAX_EVERY_S:
        raise _invalid(
            "`withdrawals` of [trust] is neither `off` nor a number with s, m, h or d, of at most a"
            " day, as in 60s"
        )
    return seconds


def _invalid(message: str) -> GuardError:
    return GuardError(message, code="config.invalid")
