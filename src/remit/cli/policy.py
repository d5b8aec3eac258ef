"""``remit policy``: check, test, explain, start and pin policy bundles."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from remit.cli import policy_artifacts

if TYPE_CHECKING:
    from remit.facts.base import Fact
    from remit.policy.bundle import Bundle
    from remit.policy.errors import Problem
    from remit.policy.explain import Explanation
    from remit.policy.pins import Change, Lock
    from remit.policy.policy import Policy

_COMMAND = "remit.policy.command"
_PROBE_TIMEOUT_S = 60.0
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Output form."
)
_STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="State directory whose tools.lock holds pins; a tools.lock in the bundle wins.",
)
_TOOLS = click.option(
    "--from-tools",
    "tools_file",
    type=click.File("rb"),
    help="JSON of a tools/list answer instead of starting the server (`-` for standard input).",
)


class _WithCommand(click.Command):
    """A command that takes a server's command line after ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what follows ``--`` apart from our own arguments."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show the trailing command in the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@click.group()
def policy() -> None:
    """Write, check and try out policy bundles.

    A bundle is a directory: bundle.toml, facts.toml, tools.toml, tools.lock, policies in tool/,
    guardrail/, artifact/ and approval/, members of teams in entities/, tests in tests/.

    \b
    Start one from a running server, then look at what it does:
      remit policy new ./git --from-server git -- uvx mcp-server-git
      remit policy check ./git
      remit policy test ./git -v

    Exit codes: 0 ok, 1 problems found or denied, 2 wrong usage.
    """


@policy.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_STATE
@_OUTPUT
def check(directory: Path, state: Path | None, output: str) -> None:
    """Check a bundle: syntax, names, types against the pinned tools, dangerous forms.

    Every problem is shown as file:line:column with the policy's id and, where a name was probably
    misspelt, the name that was meant. Warnings alone do not fail the check.

    \b
    Examples:
      remit policy check ./bundle
      remit policy check ./bundle --state ~/.local/state/remit
      remit policy check ./bundle -o json | jq '.problems[].code'
    """
    problems: tuple[Problem, ...]
    from remit.policy.errors import BundleError

    try:
        _, compiled = _load(directory, state)
        problems = (*compiled.warnings, *_suspicious(compiled))
        count = len(compiled.bundle.policies)
        summary = f"{count} polic{'y' if count == 1 else 'ies'} ok"
    except BundleError as error:
        problems, summary = error.problems, error.message.partition(", first")[0]
    failed = any(problem.severity == "error" for problem in problems)
    if output == "json":
        import msgspec

        _json({"ok": not failed, "problems": [msgspec.to_builtins(p) for p in problems]})
    else:
        for problem in problems:
            _line(problem.text())
        _line(summary)
    sys.exit(1 if failed else 0)


@policy.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_STATE
@click.option("-v", "--verbose", is_flag=True, help="Show every test, not only those that fail.")
@_OUTPUT
def test(directory: Path, state: Path | None, verbose: bool, output: str) -> None:
    """Run the tests of a bundle.

    Tests are tests/*.yaml: real arguments, and the expected answer. Facts are derived from the
    arguments by the same code as at run time. A policy that decides no test is reported.

    \b
    Examples:
      remit policy test ./bundle
      remit policy test ./bundle -v
      remit policy test ./bundle -o json
    """
    from remit.policy.testing import run_tests

    _, compiled = _load_or_exit(directory, state)
    report = run_tests(compiled)
    failed = [outcome for outcome in report.outcomes if not outcome.passed]
    if output == "json":
        import msgspec

        _json(
            {
                "ok": report.passed,
                "tests": [
                    {
                        "file": o.file,
                        "line": o.line,
                        "name": o.name,
                        "passed": o.passed,
                        "message": o.message,
                    }
                    for o in report.outcomes
                ],
                "problems": [msgspec.to_builtins(p) for p in report.problems],
            }
        )
    else:
        for outcome in report.outcomes:
            if verbose or not outcome.passed:
                mark = "ok  " if outcome.passed else "FAIL"
                _line(f"{mark} {outcome.file}:{outcome.line} {outcome.name}")
            if not outcome.passed:
                _line(f"     {outcome.message}")
        for problem in report.problems:
            _line(problem.text())
        _line(f"{len(report.outcomes) - len(failed)} passed, {len(failed)} failed")
    sys.exit(0 if report.passed else 1)


@policy.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--event",
    "event_file",
    type=click.File("rb"),
    required=True,
    help="JSON file of one call, `-` for standard input.",
)
@_STATE
@_OUTPUT
def explain(directory: Path, event_file: Any, state: Path | None, output: str) -> None:
    """Show how a call is decided: facts, the context judged, the policies that decided.

    The event is a JSON object with the keys agent, user, server, tool, arguments, and if wanted
    session, over_limit, fulfilled, workspace, cwd; or action instead of tool for other events.
    With the action artifact.promote: artifact (what the scans found), repository, user, fulfilled.
    Exits with 1 unless the call is allowed.

    \b
    Example:
      echo '{"agent":"claude-code","server":"db","tool":"read_query",
             "arguments":{"query":"SELECT 1"}}' | remit policy explain ./bundle --event -
    """
    from remit.core.errors import RemitError
    from remit.core.strictjson import parse
    from remit.policy.schema import PROMOTE
    from remit.policy.testing import event_of, promotion_of

    _, compiled = _load_or_exit(directory, state)
    facts: Mapping[str, Fact] = {}
    try:
        value = parse(event_file.read(), fold_keys=False)
        if isinstance(value, dict) and value.get("action") == PROMOTE:
            found = compiled.promote(promotion_of(value))
        else:
            event, signals = event_of(compiled, _described(value), realpath=os.path.realpath)
            facts = signals.facts
            found = compiled.explain(event, signals)
    except RemitError as error:
        _usage(error.diagnostics())
    allowed = found.decision.effect.value == "allow"
    if output == "json":
        import msgspec
        import orjson

        _json(
            {
                "decision": msgspec.to_builtins(found.decision),
                "matches": [msgspec.to_builtins(match) for match in found.matches],
                "considered": found.considered,
                "facts": {name: fact.attributes for name, fact in facts.items()},
                "context": orjson.loads(found.context) if found.context else None,
                "internal": found.internal,
            }
        )
    else:
        for name, fact in facts.items():
            _line(f"fact {name}: {_compact(fact.attributes)}")
            if fact.problem:
                _line(f"     {fact.problem}")
        _working(found)
    sys.exit(0 if allowed else 1)


@policy.command(cls=_WithCommand)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--from-server", "server", required=True, help="Your name for the server.")
@_TOOLS
@click.pass_context
def new(ctx: click.Context, directory: Path, server: str, tools_file: Any) -> None:
    """Write a first bundle for a server from the tools it offers.

    Reading is permitted, writing is not, and what may destroy something asks a person first.
    Classes are guessed from names and annotations: read tools.toml before you rely on it.

    \b
    Examples:
      remit policy new ./db --from-server db -- uvx mcp-server-sqlite --db-path data.db
      remit policy new ./db --from-server db --from-tools tools.json
    """
    from remit.core.errors import RemitError
    from remit.policy.pins import pin as pin_tools
    from remit.policy.starter import starter
    from remit.policy.suspicion import suspicions, without
    from remit.policy.testing import run_tests

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        _usage(f"{directory} exists and is not an empty directory")
    try:
        tools, instructions = _offered(ctx, tools_file)
        offered = pin_tools(server, tools, instructions)
        suspects = suspicions(offered)
        pinned = without(offered, suspects)
        files = starter(pinned)
        for name, data in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _, compiled = _load(directory, None)
        report = run_tests(compiled)
    except RemitError as error:
        _fail(error.diagnostics())
    for name in sorted(files):
        _line(f"wrote {directory / name}")
    _line(
        f"{len(pinned.tools)} tools, {len(compiled.bundle.policies)} policies, "
        f"{sum(o.passed for o in report.outcomes)} of {len(report.outcomes)} tests pass"
    )
    for suspect in suspects:
        _line(("left out, " if suspect.grave and suspect.tool else "read ") + suspect.text())
    _line("next: read tools.toml, then `remit policy test -v`")
    sys.exit(0 if report.passed else 1)


@policy.command(cls=_WithCommand)
@click.argument("words", nargs=-1, required=True, metavar="[DIRECTORY] SERVER")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Pin in this state directory.  [default without a bundle: that of `remit mcp exec`]",
)
@click.option("--accept", is_flag=True, help="Write the pins after showing the differences.")
@_TOOLS
@click.pass_context
def pin(
    ctx: click.Context,
    words: tuple[str, ...],
    state: Path | None,
    accept: bool,
    tools_file: Any,
) -> None:
    """Compare a server's tools with their pins, and accept what it offers now.

    A tool whose definition differs from its pin is hidden and denied until you accept it here.
    Read the differences: descriptions are instructions to a model. What looks like an order to it
    is named, and is pinned only here. Exits with 1 if something differs and was not accepted.

    \b
    Examples:
      remit policy pin ./bundle db -- uvx mcp-server-sqlite --db-path data.db
      remit policy pin ./bundle db --accept -- uvx mcp-server-sqlite --db-path data.db
      remit policy pin db -- uvx mcp-server-sqlite --db-path data.db
      remit policy pin --state ~/.local/state/remit db --from-tools tools.json
    """
    from remit.core.errors import RemitError
    from remit.core.files import write_atomically
    from remit.core.paths import user_state
    from remit.guard.store.pins import PinStore
    from remit.policy.pins import Lock, PinnedServer, compare, dump_lock
    from remit.policy.pins import pin as pin_tools
    from remit.policy.suspicion import suspicions

    server = words[-1]
    if len(words) > (1 if state is not None else 2):
        _usage("name a bundle directory and a server, or a server alone")
    if state is None and len(words) == 1:
        state = user_state(os.environ) / "servers" / server
    path = (state if state is not None else Path(words[0])) / "tools.lock"
    try:
        lock = _read_lock(path) or Lock()
        tools, instructions = _offered(ctx, tools_file)
        live = pin_tools(server, tools, instructions)
        others = [pins for name, pins in lock.servers.items() if name != server]
        known = lock.servers.get(server)
        before = known or PinnedServer(server, "", pin_tools(server, []).instructions_digest, ())
        changes = compare(before, live, others)
    except RemitError as error:
        _fail(error.diagnostics())
    _changes(changes)
    for suspect in suspicions(live):
        _line(f"suspicious {suspect.text()}")
    if not changes and known is not None:
        _line(f"{len(live.tools)} tools, all as pinned")
        return
    if not accept:
        _line("nothing was written; accept with --accept after reading the differences")
        sys.exit(1)
    if state is not None:
        PinStore(None, path).save(live)
    else:
        write_atomically(path, dump_lock(Lock({**lock.servers, server: live})), mode=0o644)
    _line(f"pinned {len(live.tools)} tools of `{server}` in {path}")


def _suspicious(compiled: "Policy") -> "Iterator[Problem]":
    """Warnings of pinned definitions that speak to the model."""
    from remit.policy.errors import Problem
    from remit.policy.suspicion import suspicions

    lock = compiled.bundle.lock
    for server in lock.servers.values() if lock is not None else ():
        for suspect in suspicions(server):
            yield Problem(
                file="tools.lock",
                severity="warning",
                code="policy.suspicious_tool",
                message=f"server `{server.id}`, {suspect.text()}",
                hint="read the definition; it is pinned, so agents see it",
            )


def _load(directory: Path, state: Path | None) -> "tuple[Bundle, Policy]":
    from remit.policy.bundle import load_bundle
    from remit.policy.policy import Policy

    bundle = load_bundle(directory)
    lock = _read_lock(state / "tools.lock") if state is not None else None
    return bundle, Policy.compile(bundle, lock.servers.values() if lock else ())


def _load_or_exit(directory: Path, state: Path | None) -> "tuple[Bundle, Policy]":
    from remit.core.errors import RemitError
    from remit.policy.errors import BundleError

    try:
        return _load(directory, state)
    except BundleError as error:
        _fail("\n".join(problem.text() for problem in error.problems))
    except RemitError as error:
        _fail(error.diagnostics())


def _read_lock(path: Path) -> "Lock | None":
    from remit.policy.errors import PinError
    from remit.policy.pins import parse_lock

    try:
        return parse_lock(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}") from error


def _described(value: Any) -> dict[str, Any]:
    """The keys of an event file → the keys of a test."""
    from remit.policy.expected import TestError

    if not isinstance(value, dict):
        raise TestError("the event is not an object")
    test = dict(value)
    if "arguments" in test:
        test["args"] = test.pop("arguments")
    if "tool" in test and isinstance(test["tool"], str):
        test["tool"] = f"{test.pop('server', '')}/{test['tool']}"
    return test


def _offered(ctx: click.Context, tools_file: Any) -> tuple[list[dict[str, Any]], str]:
    """Tools and instructions, from a file or from the server itself."""
    command: Sequence[str] = ctx.meta.get(_COMMAND, ())
    if bool(command) == (tools_file is not None):
        _usage("give either --from-tools FILE or the server's command after --")
    if tools_file is not None:
        from remit.core.strictjson import parse

        value = parse(tools_file.read(), fold_keys=False)
        value = value.get("result", value) if isinstance(value, dict) else {"tools": value}
        tools, instructions = value.get("tools"), value.get("instructions", "")
    else:
        import importlib

        probe = importlib.import_module("remit.guard.mcp.probe")
        found = probe.list_tools(command, dict(os.environ), _PROBE_TIMEOUT_S)
        tools, instructions = found.tools, found.instructions
    if not isinstance(tools, list):
        _usage("there is no list of tools in it")
    return tools, instructions


def _working(found: "Explanation") -> None:
    decision = found.decision
    if found.context:
        _line(f"context: {found.context.decode()}")
    _line(f"{found.considered} policies could apply")
    for match in found.matches:
        _line(f"{match.effect} {match.id} at {match.file}:{match.line}:{match.column}")
    for reason in decision.reasons:
        _line(f"reason: {reason}")
    for owed in decision.obligations:
        _line(f"requires {owed.kind} for {owed.rule}")
    if found.internal:
        _line(f"internal: {found.internal}")
    text = decision.effect.value
    if decision.error:
        text += f" ({decision.error})"
    _line(f"{text}: {decision.detail}" if decision.detail else text)


def _changes(changes: "Sequence[Change]") -> None:
    for change in changes:
        _line(f"{change.kind} {change.tool}".rstrip())
        for line in change.detail.splitlines():
            _line(f"    {line}")


def _compact(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()


def _json(value: Mapping[str, Any]) -> None:
    import orjson

    click.echo(orjson.dumps({"version": 1, **value}, option=orjson.OPT_INDENT_2).decode())


def _line(text: str) -> None:
    from remit.core.text import printable

    click.echo(printable(text, 20_000))


def _fail(text: str) -> NoReturn:
    from remit.core.text import printable

    click.echo(printable(text, 100_000), err=True)
    sys.exit(1)


def _usage(text: str) -> NoReturn:
    raise click.UsageError(text)


policy.add_command(policy_artifacts.build)
policy.add_command(policy_artifacts.push)
policy.add_command(policy_artifacts.pull)
