"""``remit.toml``: which servers there are and which policy governs them.

::

    [guard]
    bundle = "policy"          # directory of the policy bundle, relative to this file; or
                               # "oci://hub.example/policies/base:stable", verified by [trust]
    state = "state"            # optional

    [servers.git]
    command = ["mcp-server-git", "--repository", "."]
    cwd = "."                  # optional, relative to this file
    env = { GIT_PAGER = "cat" }
    workspace = "."            # what path facts call "inside"; default: cwd

    [servers.crm]
    url = "https://crm.example.com/mcp"      # a server over Streamable HTTP, in place of a command
    headers = { Authorization = { secret = "crm" } }   # `remit guard secret set crm`

    [servers.files]
    artifact = "hub.example/team/files:1.2@sha256:…"   # a server from a registry, see admission
    command = ["node", "{artifact}/index.js"]          # optional with a manifest.json in it
    user_config = { root = "/srv" }                    # optional: what its manifest asks for

    [trust]                    # needed for artifacts: remit.guard.admission.settings
    root = "trust.toml"

    [http]                     # the listener of `remit guard run`
    listen = "127.0.0.1:7448"  # "off" for none
    url = "https://guard.example.com"        # optional: what callers call it
    hosts = []                 # more values of Host
    origins = []               # pages that may call
    tls_cert = "cert.pem"      # needed beyond loopback
    tls_key = "key.pem"
    client_ca = "ca.pem"       # optional: certificates of callers

    [oauth]                    # optional, see docs/reference/callers.md
    [mtls]

    [judge]                    # optional: a model that is asked whether a text gives orders
    url = "http://127.0.0.1:11434/v1"          # OpenAI-compatible chat completions
    model = "llama3.2"
    timeout_s = 3.0
    key = { secret = "judge" } # optional

    [approvals]                # optional: who is told that a call waits for people
    notify = [{ secret = "slack" }, "mailto://…"]   # URLs of apprise, needs remit[notify]
    webhook = "https://hooks.example.com/remit"      # signed as Standard Webhooks says
    webhook_secret = { secret = "hooks" }            # whsec_…

    [approvals.openid]         # optional: people enrol and log in by this provider
    issuer = "https://login.example.com/tenant"
    client_id = "remit"
    client_secret = { secret = "openid" }            # optional for a public client
    user_claim = "preferred_username"                # what the policy bundle calls users
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from remit.guard.admission.settings import (
    ArtifactsConfig,
    ArtifactsTable,
    TrustConfig,
    TrustTable,
    artifacts_config,
    reference_of,
    trust_config,
)
from remit.guard.callers.settings import CallersConfig, MtlsTable, OAuthTable, check_url
from remit.guard.errors import GuardError
from remit.policy.pins import check_server_id
from remit.web.urls import ALGORITHMS

DEFAULT = "remit.toml"
OCI = "oci://"
"""Before the reference of a policy bundle in a registry, in place of a directory."""
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_OURS = frozenset(
    {"host", "content-type", "content-length", "accept", "transfer-encoding", "connection"}
)


DEFAULT_LISTEN = "127.0.0.1:7448"


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is kept encrypted in Guard's state and named here.

    Attributes:
        secret: its name.
        prefix: what stands before it, for example ``Bearer ``.
    """

    secret: str
    prefix: str = ""


Value = str | Secret
Setting = Value | bool | int | float | list[str]
"""What a user gives to an MCP bundle that asks for it."""


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[http]``: the listener.

    Attributes:
        listen: ``address:port``, or ``off``.
        url: canonical URL, without a path; tokens name it as their audience.
        hosts, origins: accepted values of Host and Origin besides the listener's own.
        tls_cert, tls_key: PEM files, relative to the configuration.
        client_ca: PEM file of authorities whose certificates callers may present.
    """

    listen: str = DEFAULT_LISTEN
    url: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""


class JudgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[judge]``: a language model that gives a second opinion on what comes in.

    Attributes:
        url: base of an OpenAI-compatible service; HTTPS, or on this machine.
        model: its name of the model.
        timeout_s: longest time for an answer, in seconds.
        key: bearer key, optional.
        max_characters: longest text it is asked about.
    """

    url: str
    model: str
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 3.0
    key: Value = ""
    max_characters: Annotated[int, msgspec.Meta(gt=0, le=1_000_000)] = 32_000


class OpenIdTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[approvals.openid]``: a provider of OpenID Connect that knows the approvers.

    Attributes:
        issuer: exact ``iss`` of id tokens; ``https``, or ``http`` on loopback.
        client_id, client_secret: Guard's registration there; a public client has no secret.
        user_claim: names the user as the policy bundle does.
        name_claim: is the printed name.
        scopes: what is asked for.
        algorithms: accepted signatures.
    """

    issuer: str
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    client_secret: Value = ""
    user_claim: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "preferred_username"
    name_claim: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "name"
    scopes: str = "openid profile email"
    algorithms: tuple[str, ...] = ALGORITHMS


class ApprovalsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[approvals]``: who is told that a call waits for people.

    Attributes:
        notify: URLs of apprise, each a text or a secret's name.
        webhook: a URL that gets signed JSON; HTTPS, or on this machine.
        webhook_secret: ``whsec_`` and base64, shared with the receiver.
        openid: by whom people enrol and log in, besides invitations.
    """

    notify: tuple[Value, ...] = ()
    webhook: str = ""
    webhook_secret: Value = ""
    openid: OpenIdTable | None = None


class _GuardTable(msgspec.Struct, forbid_unknown_fields=True):
    bundle: str = ""
    state: str = ""


class _ServerTable(msgspec.Struct, forbid_unknown_fields=True):
    command: list[str] = []
    cwd: str = ""
    env: dict[str, Value] = {}
    workspace: str = ""
    url: str = ""
    headers: dict[str, Value] = {}
    artifact: str = ""
    user_config: dict[str, Setting] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    guard: _GuardTable = msgspec.field(default_factory=_GuardTable)
    servers: dict[str, _ServerTable] = {}
    http: HttpConfig = HttpConfig()
    oauth: OAuthTable | None = None
    mtls: MtlsTable | None = None
    judge: JudgeConfig | None = None
    approvals: ApprovalsConfig = ApprovalsConfig()
    trust: TrustTable | None = None
    artifacts: ArtifactsTable = ArtifactsTable()


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One server, paths made absolute.

    Attributes:
        id: Guard's name of it; policies say ``<id>/<tool>``.
        command: program and arguments; empty if it is reached over HTTP.
        cwd: directory it starts in.
        env: variables added to Guard's environment.
        workspace: what path facts call inside.
        url: of its MCP endpoint; empty if it is started.
        headers: sent with every request to it.
        artifact: reference of what it is started from; the command may be empty then, or use
            ``{artifact}``, the directory of its files.
        user_config: what the manifest of an MCP bundle asks for.
    """

    id: str
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, Value] = {}
    workspace: Path
    url: str = ""
    headers: Mapping[str, Value] = {}
    artifact: str = ""
    user_config: Mapping[str, Setting] = {}


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed ``remit.toml``; one of ``bundle`` and ``bundle_reference`` at most is there."""

    bundle: Path | None
    bundle_reference: str = ""
    state: Path | None
    servers: Mapping[str, ServerConfig]
    base: Path = Path()
    http: HttpConfig = HttpConfig()
    callers: CallersConfig = CallersConfig()
    judge: JudgeConfig | None = None
    approvals: ApprovalsConfig = ApprovalsConfig()
    trust: TrustConfig | None = None
    artifacts: ArtifactsConfig = ArtifactsConfig()

    def server(self, name: str) -> ServerConfig:
        """The server called ``name``.

        Raises:
            GuardError: there is none.
        """
        found = self.servers.get(name)
        if found is None:
            close = difflib.get_close_matches(name, list(self.servers), n=1)
            known = ", ".join(sorted(self.servers)) or "none"
            raise GuardError(
                f"no server `{name}` is configured",
                code="config.unknown_server",
                hint=f"did you mean `{close[0]}`?" if close else f"configured: {known}",
            )
        return found


def load(path: Path) -> Config:
    """Read ``remit.toml``.

    Raises:
        GuardError: unreadable, not TOML, unknown keys or wrong types.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8"))
        file = msgspec.convert(raw, _File)
    except OSError as error:
        raise GuardError(
            f"`{path}` cannot be read: {error.strerror}", code="config.unreadable"
        ) from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise GuardError(
            f"`{path}` is not a valid configuration: {error}", code="config.invalid"
        ) from error
    base = path.resolve().parent
    servers = {}
    for name, table in file.servers.items():
        if bool(table.command or table.artifact) == bool(table.url):
            raise GuardError(
                f"server `{name}` in `{path}` needs a command, an artifact or a url, and not both",
                code="config.invalid",
            )
        check_server_id(name)
        _check_remote(name, table)
        _check_artifact(name, table, file)
        cwd = base / table.cwd
        servers[name] = ServerConfig(
            id=name,
            command=tuple(table.command),
            cwd=cwd,
            env=table.env,
            workspace=base / table.workspace if table.workspace else cwd,
            url=table.url,
            headers=table.headers,
            artifact=table.artifact,
            user_config=table.user_config,
        )
    if file.judge is not None:
        check_url(file.judge.url, "the url of [judge]", loopback=True)
    if file.approvals.webhook:
        check_url(file.approvals.webhook, "the webhook of [approvals]", loopback=True)
        if not file.approvals.webhook_secret:
            raise GuardError("the webhook of [approvals] needs a secret", code="config.invalid")
    if file.approvals.openid is not None:
        check_url(file.approvals.openid.issuer, "the issuer of [approvals.openid]", loopback=True)
        if not set(file.approvals.openid.algorithms) <= set(ALGORITHMS):
            raise GuardError("[approvals.openid] has an unknown algorithm", code="config.invalid")
    callers = CallersConfig(oauth=file.oauth, mtls=file.mtls)
    bundle, named = file.guard.bundle, ""
    if bundle.startswith(OCI):
        bundle, named = "", bundle.removeprefix(OCI)
        reference_of(named, "bundle of [guard]")
        _check_trust(file, "the policy bundle")
    return Config(
        bundle=base / bundle if bundle else None,
        bundle_reference=named,
        state=base / file.guard.state if file.guard.state else None,
        servers=servers,
        base=base,
        http=file.http,
        callers=callers,
        judge=file.judge,
        approvals=file.approvals,
        trust=trust_config(file.trust, base),
        artifacts=artifacts_config(file.artifacts, base),
    )


def _check_artifact(name: str, table: _ServerTable, file: _File) -> None:
    """A server that is an artifact is verified, so there is something to verify it by."""
    if not table.artifact:
        if table.user_config:
            raise GuardError(
                f"server `{name}` has user_config but no artifact", code="config.invalid"
            )
        return
    reference_of(table.artifact, f"artifact of server `{name}`")
    if table.command and not any("{artifact}" in word for word in table.command):
        raise GuardError(
            f"the command of server `{name}` does not use `{{artifact}}`, so it is not what starts",
            code="config.invalid",
            hint='for example command = ["node", "{artifact}/index.js"]',
        )
    _check_trust(file, f"server `{name}`")


def _check_trust(file: _File, what: str) -> None:
    if file.trust is None:
        raise GuardError(
            f"{what} is an artifact, and there is no [trust] to verify it by",
            code="config.invalid",
            hint='add [trust] with root = "trust.toml"; `remit trust` checks that file',
        )


def _check_remote(name: str, table: _ServerTable) -> None:
    """A server over HTTP is reached over TLS, or it is on this machine."""
    if not table.url:
        if table.headers:
            raise GuardError(f"server `{name}` has headers but no url", code="config.invalid")
        return
    if table.env:
        raise GuardError(f"server `{name}` has env but no command", code="config.invalid")
    check_url(table.url, f"the url of server `{name}`", loopback=True)
    for header, value in table.headers.items():
        text = value.prefix if isinstance(value, Secret) else value
        if not _HEADER.fullmatch(header) or header.lower() in _OURS or not text.isprintable():
            raise GuardError(
                f"`{header}` of server `{name}` is no header that can be set",
                code="config.invalid",
            )
