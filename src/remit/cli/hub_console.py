"""Options of ``remit hub run`` about its pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.together import together

if TYPE_CHECKING:
    from remit.hub.console.options import ConsoleOptions

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
console_options = together(
    click.option(
        "--console/--no-console", default=True, show_default=True, help="Pages for people, at /."
    ),
    click.option(
        "--openid-issuer",
        default="",
        metavar="URL",
        help="A provider of OpenID Connect at which people may log in to the pages.",
    ),
    click.option("--openid-client", default="", metavar="ID", help="The Hub's name there."),
    click.option(
        "--openid-secret-file", type=_FILE, help="The client's secret; none for a public client."
    ),
    click.option(
        "--openid-claim",
        default="preferred_username",
        show_default=True,
        metavar="NAME",
        help="The claim that is the name of the Hub's account.",
    ),
    click.option(
        "--trust",
        type=_FILE,
        envvar="REMIT_TRUST",
        help="The trust root that pages verify evidence by.  [default: the Hub's own keys]",
    ),
    click.option(
        "--trust-key",
        type=_FILE,
        envvar="REMIT_TRUST_KEY",
        help="Public key (PEM) that must have signed it.",
    ),
)


def console_of(given: dict[str, Any]) -> "ConsoleOptions | None":
    """What those options say, taken out of ``given``; ``None`` for no pages."""
    from remit.hub.console.options import ConsoleOpenId, ConsoleOptions

    wanted = given.pop("console")
    issuer, client, secret, claim, trust, key = (
        given.pop(name)
        for name in (
            "openid_issuer",
            "openid_client",
            "openid_secret_file",
            "openid_claim",
            "trust",
            "trust_key",
        )
    )
    if bool(issuer) != bool(client):
        raise click.UsageError("--openid-issuer and --openid-client belong together")
    if secret is not None and not issuer:
        raise click.UsageError("--openid-secret-file belongs to --openid-issuer")
    if key is not None and trust is None:
        raise click.UsageError("--trust-key belongs to --trust")
    if not wanted:
        return None
    openid = None
    if issuer:
        openid = ConsoleOpenId(
            issuer=issuer, client_id=client, secret_file=secret, user_claim=claim
        )
    return ConsoleOptions(openid=openid, trust=trust, trust_key=key)
