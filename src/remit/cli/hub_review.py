"""``remit hub admission|decide|suppress|withdrawals``: the gate of a Hub, over HTTP."""

import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from remit.cli.audit_output import safe
from remit.cli.hub import hub
from remit.cli.registry_ends import OUTPUT, Connection, connected, credentials, ends, reference
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.artifacts.oci.review import HubReview

_R = TypeVar("_R")
_SPAN = re.compile(r"([0-9]{1,5})([mhdw])", re.ASCII)
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
HUB = click.option(
    "--hub", "host", envvar="REMIT_HUB", default="",
    help="The Hub.  [default: the one that you are logged in to]",
)  # fmt: skip
KEY = click.option(
    "--key",
    "key_name",
    envvar="REMIT_APPROVER_KEY",
    default="",
    help="Sign it: a file, keyring:NAME, or pkcs11:token=…;object=…?module-path=…",
)
REASON = click.option("--reason", "-m", required=True, help="Why; it becomes part of the evidence.")


def _expires(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Seconds of a span."""
    if not value:
        return 0
    found = _SPAN.fullmatch(value)
    if found is None or not int(found[1]):
        raise click.BadParameter("use a number with m, h, d or w, as in 30d", ctx, param)
    return int(found[1]) * _UNITS_S[found[2]]


@hub.command()
@click.argument("ref")
@OUTPUT
@connected
def admission(ref: str, output: str, connection: Connection) -> int:
    """Show whether REF may be pulled, why, and what was found in it.

    Status: 0 admitted, 1 refused or withdrawn, 4 quarantined or left to curators.
    """
    from remit.cli.registry_wait import status_of

    parsed = reference(ref)

    async def work(review: "HubReview") -> dict[str, Any]:
        return await review.admission(parsed)

    found = _asked(connection, parsed.host, work)
    state = str(found.get("state"))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        _show(found)
    return status_of(state)


def _show(found: dict[str, Any]) -> None:
    click.echo(safe(f"{found.get('repository')}@{found.get('digest')}: {found.get('state')}"))
    if found.get("reason"):
        click.echo(safe(f"  {found['reason']}"))
    for name in ("policy", "decidedBy", "changedAt", "expiresAt"):
        if found.get(name):
            click.echo(safe(f"  {name}: {found[name]}"))
    counts = found.get("counts") or {}
    if counts:
        click.echo("  findings: " + ", ".join(f"{counts[each]} {each}" for each in counts))
    for each in found.get("findings", []):
        mark = " (suppressed)" if each.get("suppressedBy") else ""
        where = f"{each.get('severity'):<9}{each.get('rule')} in {each.get('member')}"
        click.echo(safe(f"  {where}{mark}"))
        click.echo(safe(f"           {each.get('title')}"))
        click.echo(safe(f"           {each.get('fingerprint')}"))
    for each in found.get("attested", []):
        counts = each.get("counts") or {}
        said = ", ".join(f"{counts[name]} {name}" for name in counts) or "nothing"
        what = f"{each.get('scanner')} ({each.get('coverage')}) found {said}"
        click.echo(safe(f"  attested: {what}, {each.get('endedAt')}"))
    for each in found.get("decisions", []):
        click.echo(safe(f"  {each.get('decision')} by {each.get('by')}: {each.get('reason')}"))


@hub.command()
@click.argument("ref")
@click.argument("word", type=click.Choice(["admit", "refuse"]))
@REASON
@click.option("--ticket", default="", help="A change or incident that this belongs to.")
@click.option(
    "--expires",
    "expires_s",
    default="",
    callback=_expires,
    metavar="SPAN",
    help="For how long it counts, 30d.  [default: as long as policy says; a refusal always]",
)
@KEY
@click.option("--yes", is_flag=True, help="Do not show it and ask again.")
@OUTPUT
@connected
def decide(
    ref: str,
    word: str,
    reason: str,
    ticket: str,
    expires_s: int,
    key_name: str,
    yes: bool,
    output: str,
    connection: Connection,
) -> int:
    """Decide as a curator on the artifact REF: admit what policy leaves to people, or refuse.

    Your word is about what was found and under the policy in force; it counts once so many
    curators gave it as policy asks for, and never for what policy forbids. Whoever pushed an
    artifact cannot admit it. A refusal counts at once, also for what is admitted.

    \b
      remit hub decide hub.example/team/model:v1 admit -m "the licence is ours" --key ben.key
      remit hub decide hub.example/team/model:v1 refuse -m "we do not know where it is from"
    """
    import msgspec

    from remit.approvals.decision import Approver, statement
    from remit.approvals.rendering import render
    from remit.approvals.request import Request
    from remit.attest.bundle import dump_bundle
    from remit.attest.dsse import sign
    from remit.cli.signers import signer
    from remit.hub.admission.asking import said_word

    parsed = reference(ref)
    until = (time.time_ns() // 1000 + expires_s * 1_000_000) if expires_s else 0

    async def look(review: "HubReview") -> dict[str, Any]:
        return await review.request(parsed, until)

    found = _asked(connection, parsed.host, look)
    try:
        asked = msgspec.convert(found.get("request"), type=Request)
    except msgspec.ValidationError as error:
        raise RemitError("the Hub asks what cannot be read", code="hub.answer") from error
    if asked.action.digest != found.get("action"):
        raise RemitError("the Hub's request and its digest differ", code="hub.answer")
    said = "admit" if word == "admit" else "refuse"
    if not yes:
        click.echo(render(asked), err=True)
        click.confirm(f"{word} it?", abort=True, err=True)
    given: dict[str, Any] = {
        "word": said, "reason": reason, "ticket": ticket, "action": asked.action.digest,
        "until_us": until,
    }  # fmt: skip
    if key_name:
        key, name = signer(key_name), str(found.get("you"))
        payload = statement(
            asked,
            Approver(id=name, name=name, key=key.public.der),
            said_word("admit" if said == "admit" else "refuse"),
            reason=reason,
            ticket=ticket,
            signed_us=time.time_ns() // 1000,
        )
        bundle = dump_bundle(sign(payload, key), key.public)
        given |= {"bundle": bundle.decode(), "key": key.public.pem}

    async def tell(review: "HubReview") -> dict[str, Any]:
        return await review.decide(parsed, given)

    done = _asked(connection, parsed.host, tell)
    if output == "json":
        click.echo(json.dumps(done, indent=2))
    else:
        click.echo(safe(f"{word}: {done.get('id')}"))
        click.echo("`remit hub admission` shows what came of it", err=True)
    return 0


@hub.group()
def suppress() -> None:
    """Answer for findings, so that they do not count: by whom, where, why and until when.

    \b
      remit hub admission hub.example/team/model:v1
      remit hub suppress add FINGERPRINT --rule pickle.global --repository 'team/*' \\
        --reason "our own class" --expires 30d --key ben.key
      remit hub suppress list
      remit hub suppress revoke 01J…
    """


@suppress.command("add")
@click.argument("fingerprint")
@click.option("--rule", required=True, help="The finding's rule.")
@click.option("--repository", "pattern", required=True, metavar="PATTERN", help="Where: team/*.")
@REASON
@click.option(
    "--expires", "expires_s", required=True, callback=_expires, metavar="SPAN", help="30d."
)
@KEY
@HUB
@OUTPUT
@connected
def suppress_add(
    fingerprint: str,
    rule: str,
    pattern: str,
    reason: str,
    expires_s: int,
    key_name: str,
    host: str,
    output: str,
    connection: Connection,
) -> int:
    """Answer for the finding FINGERPRINT: what it is in is decided again.

    It counts in repositories that you curate, and not for what you pushed yourself.
    """
    import msgspec

    from remit.attest.bundle import dump_bundle
    from remit.attest.dsse import sign
    from remit.attest.predicates import suppression
    from remit.attest.statements import statement_payload
    from remit.cli.signers import signer
    from remit.hub.admission.answering import Answered, statement_of

    now = time.time_ns() // 1000
    said = Answered(
        fingerprint=fingerprint,
        rule=rule,
        repositories=pattern,
        reason=reason,
        signed_us=now,
        expires_us=now + expires_s * 1_000_000,
    )
    where = _where(host)
    if key_name:
        key = signer(key_name)

        async def look(review: "HubReview") -> dict[str, Any]:
            return await review.suppressions()

        found = _asked(connection, where, look)
        about = statement_of(said, str(found.get("you")), str(found.get("hub")))
        payload = statement_payload(
            rule, f"sha256:{fingerprint}", suppression.TYPE, about.predicate()
        )
        bundle = dump_bundle(sign(payload, key), key.public).decode()
        said = msgspec.structs.replace(said, bundle=bundle, key=key.public.pem)
    given = msgspec.to_builtins(said)

    async def tell(review: "HubReview") -> dict[str, Any]:
        return await review.suppress(given)

    done = _asked(connection, where, tell)
    click.echo(json.dumps(done, indent=2) if output == "json" else safe(str(done.get("id"))))
    return 0


@suppress.command("list")
@HUB
@OUTPUT
@connected
def suppress_list(host: str, output: str, connection: Connection) -> int:
    """Show all suppressions, also those that are over."""
    where = _where(host)

    async def work(review: "HubReview") -> list[dict[str, Any]]:
        every: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await review.suppressions(after)
            every += page.get("suppressions", [])
            after = str(page.get("next", ""))
            if not after:
                return every

    found = _asked(connection, where, work)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    for each in found:
        over = f"revoked {each['revokedAt']}" if each.get("revokedAt") else each.get("expiresAt")
        line = (each.get("id"), each.get("rule"), each.get("repositories"), each.get("by"), over)
        click.echo(safe("  ".join(map(str, line))))
    return 0


@suppress.command("revoke")
@click.argument("id_", metavar="ID")
@HUB
@connected
def suppress_revoke(id_: str, host: str, connection: Connection) -> int:
    """End a suppression now; what it was about is decided again, and withdrawn if it has to be."""
    where = _where(host)

    async def work(review: "HubReview") -> None:
        await review.revoke(id_)

    _asked(connection, where, work)
    return 0


@hub.command()
@click.option("--since", default="0", help="`next` of the last answer.  [default: all]")
@HUB
@OUTPUT
@connected
def withdrawals(since: str, host: str, output: str, connection: Connection) -> int:
    """Show what may not be used any more, of what you may see."""
    import msgspec

    where = _where(host)

    async def work(review: "HubReview") -> Any:
        return await review.withdrawals(since)

    found = _asked(connection, where, work)
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return 0
    for each in found.found:
        name = f"{each.get('repository')}@{each.get('digest')}"
        click.echo(safe(f"{each.get('state'):<10} {name}  {each.get('reason')}"))
    return 0


def _where(host: str) -> str:
    from remit.artifacts.oci.catalog import only_host
    from remit.artifacts.oci.credentials import OwnFile

    where = host or only_host(OwnFile.of(os.environ).hosts())
    reference(f"{where}/x")
    return where


def _asked(connection: Connection, host: str, work: "Callable[[HubReview], Awaitable[_R]]") -> _R:
    from remit.artifacts.oci.review import HubReview
    from remit.artifacts.oci.transport import run

    async def whole() -> _R:
        async with ends(connection) as both:
            return await work(HubReview(both.session(host, credentials(host))))

    return run(whole())
