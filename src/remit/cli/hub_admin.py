"""``remit hub account|robot|grant|revoke|rule|gc|fsck``: look after a Hub."""

import asyncio
import functools
import getpass
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import click

from remit.cli.hub import BLOBS, DATABASE, STATE, hub, state_of, upstream_of, upstream_options
from remit.cli.socket import OUTPUT

if TYPE_CHECKING:
    from remit.hub.administration import Administration
    from remit.hub.compose import HubOptions

_P = ParamSpec("_P")
_R = TypeVar("_R")
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_DAY_US = 86_400_000_000


def _options(state: Path | None, database: str, blobs: str = "") -> "HubOptions":
    from remit.hub.compose import HubOptions

    return HubOptions(state=state_of(state), database=database, blobs=blobs)


class Administer(Protocol):
    """Does something as the administrator of the Hub that the options name."""

    def __call__(self, work: "Callable[[Administration], Awaitable[_R]]") -> _R:
        """What ``work`` gives."""
        ...


def administered(command: Callable[Concatenate[Administer, _P], int]) -> Callable[..., int]:
    """The options that name a Hub, for a command that administers it."""

    @STATE
    @DATABASE
    @functools.wraps(command)
    def run(state: Path | None, database: str, *args: _P.args, **more: _P.kwargs) -> int:
        def administer(work: "Callable[[Administration], Awaitable[_R]]") -> _R:
            return _administer(_options(state, database), work)

        return command(administer, *args, **more)

    return run


def _administer(options: "HubOptions", work: "Callable[[Administration], Awaitable[_R]]") -> _R:
    from remit.hub.compose import administration

    async def run() -> _R:
        async with administration(options, getpass.getuser()) as found:
            return await work(found)

    return asyncio.run(run())


def _password(name: str) -> str:
    if sys.stdin.isatty():
        text: str = click.prompt(
            f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True
        )
        return text
    return sys.stdin.readline().removesuffix("\n")


@hub.group()
def account() -> None:
    """People who log in, and what they may do."""


@account.command("add")
@click.argument("name")
@administered
def account_add(administer: Administer, name: str) -> int:
    """Make an account; its password is asked for, or one line of standard input."""
    password = _password(name)
    administer(lambda hub: hub.add_user(name, password))
    click.echo(
        f"made `{name}`; it may do nothing yet: remit hub grant {name} reader '**'", err=True
    )
    return 0


@account.command("password")
@click.argument("name")
@administered
def account_password(administer: Administer, name: str) -> int:
    """Give an account another password."""
    password = _password(name)
    administer(lambda hub: hub.set_password(name, password))
    return 0


@account.command("remove")
@click.argument("name")
@administered
def account_remove(administer: Administer, name: str) -> int:
    """Forget an account, of a person or a robot, and its roles."""
    administer(lambda hub: hub.remove(name))
    return 0


@account.command("list")
@administered
@OUTPUT
def account_list(administer: Administer, output: str) -> int:
    """Everybody who may log in, and their roles."""
    found = administer(lambda hub: hub.accounts())
    shown = [
        {
            "name": each.name,
            "kind": each.kind,
            "expires_us": each.expires_us,
            "roles": [{"role": role.role, "pattern": role.pattern} for role in roles],
        }
        for each, roles in found
    ]
    if output == "json":
        click.echo(json.dumps(shown, indent=2))
        return 0
    for each in shown:
        roles = ", ".join(f"{role['role']} of {role['pattern']}" for role in _list(each["roles"]))
        click.echo(f"{each['name']:<32} {each['kind']:<10} {roles or '-'}")
    return 0


def _list(value: Any) -> list[dict[str, str]]:
    return list(value)


@hub.group()
def robot() -> None:
    """Accounts of programs."""


@robot.command("add")
@click.argument("name")
@click.option(
    "--days", type=click.IntRange(min=0), default=90, show_default=True, help="0: no end."
)
@administered
@OUTPUT
def robot_add(administer: Administer, name: str, days: int, output: str) -> int:
    """Make an account for a program and show its secret, once."""
    full, secret = administer(lambda hub: hub.add_robot(name, days))
    if output == "json":
        click.echo(json.dumps({"name": full, "secret": secret}))
    else:
        click.echo(f"user name: {full}\npassword:  {secret}")
        click.echo(f"it may do nothing yet: remit hub grant '{full}' writer 'team/**'", err=True)
    return 0


@hub.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["reader", "writer", "curator", "admin", "auditor"]))
@click.argument("pattern")
@administered
def grant(administer: Administer, name: str, role: str, pattern: str) -> int:
    """Let NAME be ROLE for the repositories that PATTERN means.

    \b
      reader   pull                         auditor  see what is there, not its content
      writer   pull and push                admin    everything
      curator  pull, push and delete
    PATTERN: `team/model`, `team/*`, `**`. NAME may be `anonymous`: who does not log in.
    """
    administer(lambda hub: hub.grant(name, role, pattern))
    return 0


@hub.command()
@click.argument("name")
@click.argument("pattern")
@administered
def revoke(administer: Administer, name: str, pattern: str) -> int:
    """Take the role for exactly PATTERN from NAME; a running Hub knows within seconds."""
    administer(lambda hub: hub.revoke(name, pattern))
    return 0


@hub.group()
def rule() -> None:
    """Quotas, tags that never move, and what is kept for how long."""


@rule.command("set")
@click.argument("pattern")
@click.option("--quota", default="0", metavar="SIZE", help="Bytes a repository may hold, `20G`.")
@click.option("--immutable", multiple=True, metavar="TAGS", help="Tags that never move, `v*`.")
@click.option("--keep-tags", type=click.IntRange(min=0), default=0, help="Newest tags to keep.")
@click.option("--keep-days", type=click.FloatRange(min=0), default=0, help="Age of other tags.")
@click.option(
    "--untagged-days", type=click.FloatRange(min=0), default=0, help="Age of manifests without tag."
)
@administered
def rule_set(
    administer: Administer,
    pattern: str,
    quota: str,
    immutable: tuple[str, ...],
    keep_tags: int,
    keep_days: float,
    untagged_days: float,
) -> int:
    """Let a rule hold for the repositories that PATTERN means; the most specific counts alone.

    Without a rule nothing that was pushed is ever dropped.
    """
    from remit.hub.patterns import check_tag_pattern
    from remit.hub.store.rows import Rule

    found = Rule(
        pattern=pattern,
        quota_bytes=_bytes(quota),
        immutable=" ".join(check_tag_pattern(each) for each in immutable),
        keep_tags=keep_tags,
        keep_us=int(keep_days * _DAY_US),
        untagged_us=int(untagged_days * _DAY_US),
    )
    administer(lambda hub: hub.set_rule(found))
    return 0


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)B?", text.upper())
    if found is None:
        raise click.BadParameter("is a number of bytes, for example 20G", param_hint="--quota")
    return int(found[1]) * _UNITS[found[2]]


@rule.command("drop")
@click.argument("pattern")
@administered
def rule_drop(administer: Administer, pattern: str) -> int:
    """Let no rule hold for PATTERN."""
    administer(lambda hub: hub.drop_rule(pattern))
    return 0


@rule.command("list")
@administered
@OUTPUT
def rule_list(administer: Administer, output: str) -> int:
    """All rules."""
    import msgspec

    found = msgspec.to_builtins(administer(lambda hub: hub.rules()))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    for each in found:
        said = ", ".join(
            f"{key} {value}" for key, value in each.items() if value and key != "pattern"
        )
        click.echo(f"{each['pattern']:<32} {said}")
    return 0


@hub.command()
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=900.0,
    show_default=True,
    help="Seconds between marking a blob and taking its bytes.",
)
@click.option(
    "--stray-age",
    type=click.FloatRange(min=0),
    default=86400.0,
    show_default=True,
    help="Age in seconds of bytes that nothing is known of, left by a crash.",
)
@STATE
@DATABASE
@BLOBS
@OUTPUT
def gc(
    grace: float, stray_age: float, state: Path | None, database: str, blobs: str, output: str
) -> int:
    """Take away what nobody needs, beside a running Hub (which does it every hour by itself)."""
    import msgspec

    from remit.hub.compose import collect_garbage

    options = _options(state, database, blobs)
    done = msgspec.to_builtins(
        asyncio.run(collect_garbage(options, grace_s=grace, stray_s=stray_age))
    )
    if output == "json":
        click.echo(json.dumps(done, indent=2))
    else:
        click.echo(", ".join(f"{key} {value}" for key, value in done.items()))
    return 0


@hub.command()
@click.option("--deep", is_flag=True, help="Read all bytes and compare their digests.")
@STATE
@DATABASE
@BLOBS
@OUTPUT
def fsck(deep: bool, state: Path | None, database: str, blobs: str, output: str) -> int:
    """See that everything that was pushed is there and as it was; exit status 1 if not."""
    import msgspec

    from remit.hub.compose import check

    tell: Callable[[str, int], None] | None = None
    if sys.stderr.isatty():

        def tell(what: str, count: int) -> None:
            click.echo(f"\r{what}: {count}  ", nl=False, err=True)

    found = asyncio.run(check(_options(state, database, blobs), deep=deep, progress=tell))
    if tell is not None:
        click.echo("", err=True)
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        for problem in found.problems:
            click.echo(f"{problem.code}: {problem.where}: {problem.text}")
        click.echo(
            f"{found.manifests} manifests, {found.blobs} blobs, {found.bytes} bytes,"
            f" {found.strays} not known: {'clean' if found.clean else 'NOT CLEAN'}"
        )
    return 0 if found.clean else 1


@hub.command()
@administered
def migrate(administer: Administer) -> int:
    """Make the database what this version needs (a Hub does it when it starts)."""
    administer(lambda hub: hub.rules())
    return 0


@hub.command()
@click.option("--deep", is_flag=True, help="Ask also for each manifest that has no tag.")
@STATE
@DATABASE
@upstream_options
@OUTPUT
def sync(deep: bool, state: Path | None, database: str, output: str, **upstream: Any) -> int:
    """Learn what was pushed to the upstream past the Hub, and what was deleted there.

    A Hub with --upstream does it by itself every --upstream-poll seconds. Exit status 1 if a part
    could not be looked through.
    """
    import msgspec

    from remit.hub.compose import HubOptions
    from remit.hub.compose import sync as look

    found = upstream_of(**upstream)
    if found is None:
        raise click.UsageError("--upstream is missing")
    options = HubOptions(state=state_of(state), database=database, upstream=found)
    done = asyncio.run(look(options, deep=deep))
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(done), indent=2))
    else:
        click.echo(
            f"{done.repositories} repositories, {done.tags} tags: {done.found} new,"
            f" {done.lost} gone"
        )
        for each in done.failed:
            click.echo(f"not looked through: {each}", err=True)
    return 1 if done.failed else 0
