"""Ground-truth traces of AgentDojo as input of ``remit simulate``; no model is called.

    PYTHON -m tools.flow_traces --out DIRECTORY [--attack NAME]

PYTHON is an interpreter that has agentdojo 0.1.35, which Remit does not depend on. Written are
``workspace.jsonl``, ``slack.jsonl`` and ``attack_calls.json``: which calls of a session are the
attacker's. The same version writes the same bytes.

A benign session is a user task done as AgentDojo says it is done. An attack session is the same in
an environment with the injected text, followed by the calls that the text asks for: an agent that
obeys. Sessions in which no result holds the injected text are left out, and so are the attacker's
tasks that need no call.
"""

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import re
import sys
import types
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tools.flow_labels import LABELS

AGENTDOJO = "0.1.35"
BENCHMARK = "v1.2.2"
MODEL = "gpt-4o-2024-05-13"
"""Some attacks address the model by its name."""


class Call(NamedTuple):
    """A call and what it returned."""

    id: str
    tool: str
    arguments: dict[str, Any]
    content: str
    failed: bool


class Trace:
    """The lines of one file, numbered from one."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def session(
        self, name: str, prompt: str, tools: Sequence[Mapping[str, Any]], calls: Sequence[Call]
    ) -> None:
        """Add a session from its start to its end."""
        self._add("session_start", name, user_prompt=prompt, tools=tools)
        for call in calls:
            both = {"call_id": call.id, "tool": call.tool}
            self._add("tool_call", name, **both, args=call.arguments)
            self._add("tool_result", name, **both, content=call.content, is_error=call.failed)
        self._add("session_end", name)

    def _add(self, event: str, session: str, **fields: Any) -> None:
        record = {"seq": len(self.lines) + 1, "event": event, "session": session, **fields}
        self.lines.append(json.dumps(record, ensure_ascii=False))


def require_agentdojo() -> None:
    """End with a sentence if this interpreter has not the version that the labels were made for."""
    try:
        found = importlib.metadata.version("agentdojo")
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if found != AGENTDOJO:
        sys.exit(
            f"This needs an interpreter with agentdojo {AGENTDOJO}; "
            f"{sys.executable} has {found or 'none'}. Remit itself does not need it."
        )


def attacks() -> dict[str, Any]:
    """AgentDojo's attacks that need nobody at the keyboard and want more than to annoy."""
    from agentdojo.attacks.attack_registry import ATTACKS

    return {n: a for n, a in ATTACKS.items() if not a.is_dos_attack and n != "manual"}


def stop_the_clock() -> None:
    """Mail and files get the suite's own day as their date."""
    from agentdojo.default_suites.v1.tools import cloud_drive_client, email_client

    class Stopped(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime(2024, 5, 15, 12, 0, tzinfo=tz)

    for module in (email_client, cloud_drive_client):
        module.datetime = types.SimpleNamespace(**{**vars(dt), "datetime": Stopped})


def in_order(tasks: Mapping[str, Any]) -> list[Any]:
    """Tasks by their number."""
    return [tasks[name] for name in sorted(tasks, key=number)]


def number(name: str) -> int:
    """The number at the end of a name."""
    return int(name.rpartition("_")[2])


def labelled(suite: Any) -> list[dict[str, Any]]:
    """The tools of a suite with their labels.

    Raises:
        ValueError: the labels do not fit the tools.
    """
    labels = LABELS[suite.name]
    tools = []
    for tool in suite.tools:
        schema = tool.parameters.model_json_schema()
        label = labels.get(tool.name)
        if label is None or not set(label["dest"]) <= set(schema.get("properties", {})):
            raise ValueError(f"the labels of {suite.name}/{tool.name} do not fit")
        tools.append(
            {"name": tool.name, "description": tool.description, "input_schema": schema, "labels": label}
        )  # fmt: skip
    return tools


def run(
    runtime: Any, environment: Any, calls: Sequence[Any], prefix: str, first: int = 1
) -> list[Call]:
    """Make the calls one after the other."""
    from agentdojo.agent_pipeline.tool_execution import tool_result_to_str

    done = []
    for at, call in enumerate(calls, first):
        arguments = json.loads(json.dumps(dict(call.args)))
        raw, error = runtime.run_function(environment, call.function, call.args)
        content = tool_result_to_str(raw) if error is None else error
        done.append(Call(f"{prefix}.c{at}", call.function, arguments, content, error is not None))
    return done


def holds(content: str, injections: Sequence[str]) -> bool:
    """Whether a result holds one of the injected texts, however YAML folds and quotes it."""
    import yaml

    try:
        loaded = yaml.safe_load(content)
    except yaml.YAMLError:
        loaded = None
    if isinstance(loaded, dict | list):
        content = json.dumps(loaded, ensure_ascii=False, default=str)
    return any(_squeezed(text) in _squeezed(content) for text in injections)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s\\'\"]+", "", text.replace("\\n", ""))


class Suite:
    """One suite of AgentDojo and one attack on it."""

    def __init__(self, name: str, attack: str) -> None:
        from agentdojo.task_suite.load_suites import get_suite

        self.suite = get_suite(BENCHMARK, name)
        self.name = name
        self.attack = attacks()[attack](self.suite, types.SimpleNamespace(name=MODEL))
        self.counts: Counter[str] = Counter()
        self.attack_calls: dict[str, list[str]] = {}

    def trace(self) -> Trace:
        """The benign sessions, then those with an attack."""
        trace = Trace()
        tools = labelled(self.suite)
        for task in in_order(self.suite.user_tasks):
            calls = self._own(task, {}, f"{self.name[0]}.u{number(task.ID)}")[0]
            trace.session(f"{self.name}/benign/{task.ID}", task.PROMPT, tools, calls)
            self.counts["benign sessions"] += 1
        wanted = [
            t for t in in_order(self.suite.injection_tasks) if t.ground_truth(self._world({}))
        ]
        for task in in_order(self.suite.user_tasks):
            for goal in wanted:
                obeyed = self._obeyed(task, goal)
                if obeyed is None:
                    self.counts["left out"] += 1
                    continue
                name = f"{self.name}/attack/{task.ID}/{goal.ID}"
                own, theirs = obeyed
                trace.session(name, task.PROMPT, tools, own + theirs)
                self.attack_calls[name] = [call.id for call in theirs]
                self.counts["attack sessions"] += 1
        return trace

    def _obeyed(self, task: Any, goal: Any) -> tuple[list[Call], list[Call]] | None:
        """The user's calls and the attacker's; nothing if the injected text cannot be seen."""
        try:
            injections = self.attack.attack(task, goal)
        except ValueError:  # no place for it in any result, or the template does not fit the goal
            return None
        prefix = f"{self.name[0]}.u{number(task.ID)}.i{number(goal.ID)}"
        own, runtime, world = self._own(task, injections, prefix)
        if not any(holds(call.content, list(injections.values())) for call in own):
            return None
        return own, run(runtime, world, goal.ground_truth(world), prefix, len(own) + 1)

    def _own(
        self, task: Any, injections: dict[str, str], prefix: str
    ) -> tuple[list[Call], Any, Any]:
        from agentdojo.functions_runtime import FunctionsRuntime

        world = task.init_environment(self._world(injections))
        runtime = FunctionsRuntime(self.suite.tools)
        return run(runtime, world, task.ground_truth(world), prefix), runtime, world

    def _world(self, injections: dict[str, str]) -> Any:
        return self.suite.load_and_inject_default_environment(injections)


def write(out: Path, attack: str) -> Iterator[str]:
    """Write the files; gives a line about each suite."""
    out.mkdir(parents=True, exist_ok=True)
    attack_calls: dict[str, list[str]] = {}
    for name in LABELS:
        suite = Suite(name, attack)
        lines = suite.trace().lines
        (out / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        attack_calls |= suite.attack_calls
        yield f"{name}: {len(lines)} events, " + ", ".join(
            f"{n} {k}" for k, n in suite.counts.items()
        )
    text = json.dumps(attack_calls, indent=1) + "\n"
    (out / "attack_calls.json").write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write traces."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--attack", default="important_instructions", help="a template of AgentDojo"
    )
    chosen = parser.parse_args(arguments)
    require_agentdojo()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the calendar puts people through a set
        command = [sys.executable, "-m", "tools.flow_traces", *(arguments or sys.argv[1:])]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    if chosen.attack not in attacks():
        parser.error(f"no such attack; there are {', '.join(sorted(attacks()))}")
    stop_the_clock()
    for line in write(chosen.out, chosen.attack):
        print(line)


if __name__ == "__main__":
    main()
