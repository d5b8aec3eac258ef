"""The ``remit`` command: groups are imported when they are used, so that help is quick."""

import importlib
import sys
from typing import Any

import click

from remit import __version__
from remit.core.errors import RemitError

GROUPS = {
    "approvals": ("remit.cli.approvals:approvals", "Approve or deny calls that wait for people."),
    "attest": ("remit.cli.sign:attest", "Sign a statement about an artifact."),
    "audit": ("remit.cli.audit:audit", "Read, search, verify and prove the audit log."),
    "import": ("remit.cli.importing:import_", "Import an artifact and attest where it came from."),
    "inspect": ("remit.cli.artifacts:inspect", "Show what an artifact holds."),
    "list": ("remit.cli.artifacts:list_", "List the artifacts of this machine."),
    "pack": ("remit.cli.artifacts:pack", "Pack a directory into an artifact."),
    "unpack": ("remit.cli.artifacts:unpack", "Unpack an artifact, verified."),
    "trust": ("remit.cli.trust:trust", "Check and sign the file that says which keys count."),
    "untag": ("remit.cli.artifacts:untag", "Take the name of an artifact away."),
    "content": ("remit.cli.content:content", "Look for secrets and injections in texts."),
    "copy": ("remit.cli.registry:copy", "Copy an artifact between registries and layouts."),
    "diff": ("remit.cli.diff:diff", "Show what changed between two artifacts."),
    "guard": ("remit.cli.guard:guard", "Run and ask the Guard of this machine."),
    "hub": ("remit.cli.hub_gate:hub", "Run the registry of artifacts."),
    "key": ("remit.cli.key:key", "Keys of callers over HTTP, and keys that sign."),
    "lock": ("remit.cli.lock:lock", "Pin what an agent definition names to digests."),
    "login": ("remit.cli.login:login", "Keep credentials for a registry."),
    "logout": ("remit.cli.login:logout", "Forget credentials for a registry."),
    "mcp": ("remit.cli.mcp:mcp", "Put MCP servers under Guard."),
    "policy": ("remit.cli.policy:policy", "Write, check, test and explain policy bundles."),
    "probe": ("remit.cli.probe:probe", "Ask a served model what it should refuse."),
    "pull": ("remit.cli.registry:pull", "Pull an artifact from a registry."),
    "push": ("remit.cli.registry:push", "Push an artifact to a registry."),
    "referrers": ("remit.cli.registry:referrers", "List what refers to an artifact."),
    "sign": ("remit.cli.sign:sign", "Sign an artifact."),
    "scan": ("remit.cli.scan:scan", "Look at an artifact before it runs."),
    "scanners": ("remit.cli.scanners:scanners", "Install scanners of others."),
    "simulate": ("remit.cli.simulate:simulate", "Judge recorded events without servers."),
    "tags": ("remit.cli.registry:tags", "List the tags of a repository."),
    "verify": ("remit.cli.verify:verify", "Verify an artifact by a trust root."),
}

EPILOG = """\b
Exit status:
  0 ok   1 denied or findings   2 usage   3 not verified
  4 pending or timed out   5 unreachable
"""


class LazyGroup(click.Group):
    """A group whose commands are imported only when they run; help needs their summary alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in alphabetical order."""
        del ctx
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of ``cmd_name``."""
        del ctx
        if cmd_name not in GROUPS:
            return None
        module, _, name = GROUPS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name][1]) for name in sorted(GROUPS)])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="remit", message="%(prog)s %(version)s")
def cli() -> None:
    """Govern AI agents: which one is running, what may it do, what did it do.

    \b
    Start here:
      remit policy new ./policy --from-server git -- mcp-server-git
      remit mcp exec --bundle ./policy -- mcp-server-git
      remit audit tail
    """


def main() -> None:
    """Run the command line; every expected error is one sentence and a way on, never a trace."""
    try:
        status: Any = cli.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Abort:
        click.echo("aborted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RemitError as error:
        click.echo(f"remit: {error.diagnostics()}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
