"""Python code, read as a tree and never run: what it takes, and where it sends it.

Names are followed through imports, simple assignments and concatenated strings. What is found in
one file is joined with the others by the caller: sources in one and sinks in another are as bad.

LIMIT: what merely stands in one file counts as if it met. A program that reads the whole environment and talks to the network is reported
even if the two never meet; one that hides behind data it loads later is not seen. Where values are followed: ``_pyflow``.
"""

import ast
import itertools
import re
from collections.abc import Sequence

from remit.scan.base import Severity
from remit.scan.scanners import _shflow
from remit.scan.scanners._pyflow import Flow
from remit.scan.scanners._pynames import Names
from remit.scan.scanners._pyrules import (
    EVALUATE,
    LOADS,
    NETWORK,
    PERSISTS,
    PROCESS,
    SECRET_PATH,
    SPIES,
    URL,
    VENDORS,
    Facts,
    Issue,
)

MAX_NODES = 400_000


def python(text: str) -> Facts | None:
    """What a Python file does; ``None`` if it is no Python that this version reads."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        reader = _Reader()
        nodes = list(itertools.islice(ast.walk(tree), MAX_NODES + 1))
        if len(nodes) > MAX_NODES:
            return None
        for node in nodes:
            reader.names(node)
        for node in nodes:
            reader.node(node)
        for statement in tree.body:
            reader.imported(statement)
        reader.flows(nodes)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return reader.facts


class _Reader(Names):
    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()

    def flows(self, nodes: Sequence[ast.AST]) -> None:
        """Where values go, and what the commands do together that are run."""
        for where, rule, title in Flow(nodes, self.dotted).found():
            severity: Severity = (
                "high" if rule in {"persistence", "home_sent", "credential_sent"} else "critical"
            )
            self._issue(where, rule, title, severity)
        lines = [text for _, text in self.facts.commands]
        at = [line for line, _ in self.facts.commands]
        for rule, title, severity, number, shown in _shflow.issues(lines):
            self.facts.issues.append(Issue(rule, title, severity, at[number - 1], shown))
        for number, what in _shflow.takes(lines):
            self.facts.takes.append((at[number - 1], what))
        for line, text in self.facts.commands:
            if _shflow.sends(text):
                self.facts.sends.append((line, text))

    def imported(self, statement: ast.stmt) -> None:
        """Calls that importing the file makes: not those in functions, nor of a program."""
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test):
            return
        if isinstance(statement, ast.ClassDef):
            for below in statement.body:
                self.imported(below)
            return
        for node in ast.walk(statement):
            name = self.dotted(node.func) if isinstance(node, ast.Call) else ""
            if name in EVALUATE - {"compile"} or PROCESS.match(name) or NETWORK.match(name):
                self.facts.at_import.append((statement.lineno, name))

    def node(self, node: ast.AST) -> None:
        """Look at one node."""
        if isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in self._silent:
                self._string(node.value, node.lineno)
        elif isinstance(node, (ast.For, ast.comprehension)):
            if self._environment(node.iter):
                self._takes(node.iter, "the whole environment")
        elif isinstance(node, ast.While):
            self._loop(node)
        elif isinstance(node, ast.Subscript) and self.dotted(node.value) == "os.environ":
            self._variable(self.constant(node.slice), node.lineno)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None and self.dotted(value) == "os.environ":
                    self._takes(value, "the whole environment")

    def _takes(self, node: ast.expr, what: str) -> None:
        self.facts.takes.append((node.lineno, what))

    def _variable(self, name: str | None, line: int) -> None:
        if name and any(name.startswith(each) for each in VENDORS):
            self.facts.vendors.append((line, name))

    def _string(self, text: str, line: int) -> None:
        if SECRET_PATH.search(text) and len(text) < 300:
            self.facts.takes.append((line, text))
        self.facts.urls += URL.findall(text)

    def _issue(self, node: ast.expr | ast.stmt, rule: str, title: str, severity: Severity) -> None:
        shown = ast.unparse(node)[:300] if isinstance(node, ast.Call) else type(node).__name__
        self.facts.issues.append(Issue(rule, title, severity, node.lineno, shown))

    def _call(self, node: ast.Call) -> None:
        name = self.dotted(node.func)
        arguments = [*node.args, *(each.value for each in node.keywords)]
        if name in EVALUATE:
            self._evaluates(node, arguments)
        if NETWORK.match(name):
            self.facts.sends.append((node.lineno, name))
            self._untrusting(node)
            self._body(node)
        if SPIES.match(name):
            self._takes(node, "what somebody types, copies, says or sees")
        if PROCESS.match(name):
            self._process(node, arguments)
        if name in {"dict", "str", "repr", "list", "json.dumps", "pprint.pformat"} and any(
            self._environment(each) for each in node.args
        ):
            self._takes(node, "the whole environment")
        if name == "os.environ.items":
            # A copy for a process of one's own is usual; items are what one looks through.
            self._takes(node, "the whole environment")
        if name in {"os.getenv", "os.environ.get"} and node.args:
            self._variable(self.constant(node.args[0]), node.lineno)
        if name == "os.dup2" and self._socket(node):
            self._issue(
                node, "reverse_shell", "a socket becomes the terminal of a process", "critical"
            )
        if LOADS.match(name) and not self._safe_yaml(node, name):
            self._issue(node, "loads_objects", "it loads objects that can run code", "medium")
        self._assembled(node, name)
        self._writes(node, name)
        runs_query = name.rpartition(".")[2] in {"execute", "executescript", "executemany"}
        first = node.args[0] if node.args else None
        named = isinstance(first, ast.Name) and first.id in self._queries
        if runs_query and first is not None and (named or self._built(first)):
            self._issue(node, "built_query", "a query that is put together from parts", "medium")

    def _socket(self, node: ast.Call) -> bool:
        """Whether what becomes a terminal may be a socket: pytest does so with files."""
        ends = any(isinstance(e, ast.Constant) and e.value in {0, 1, 2} for e in node.args[1:])
        loop = any(isinstance(each, ast.Name) for each in node.args[1:])
        taken = any("fileno" in ast.dump(each) for each in node.args[:1])
        return (
            taken and (ends or loop) and "socket" in {k.split(".")[0] for k in self._known.values()}
        )

    def _safe_yaml(self, node: ast.Call, name: str) -> bool:
        return name == "yaml.load" and any("Safe" in ast.dump(each.value) for each in node.keywords)

    def _evaluates(self, node: ast.Call, arguments: list[ast.expr]) -> None:
        inner = [each for argument in arguments[:1] for each in ast.walk(argument)]
        decodes = any(isinstance(each, ast.Call) and self._decodes(each) for each in inner)
        decodes |= any(isinstance(each, ast.Name) and each.id in self._decoded for each in inner)
        fetches = any(
            isinstance(each, ast.Call) and NETWORK.match(self.dotted(each.func)) for each in inner
        )
        if decodes or fetches:
            self._issue(node, "decoded_code", "it runs code that it decodes or fetches", "critical")
        elif (
            arguments
            and self.constant(arguments[0]) is None
            and self.dotted(node.func) != "compile"
        ):
            self._issue(node, "evaluates", "it evaluates what it is given", "high")

    def _process(self, node: ast.Call, arguments: list[ast.expr]) -> None:
        if not arguments:
            return
        first = arguments[0]
        text = self.constant(first)
        if isinstance(first, (ast.List, ast.Tuple)):
            parts = [self.constant(each) for each in first.elts]
            text = " ".join(each or "$X" for each in parts)
        if text:
            self.facts.commands.append((node.lineno, text))
        inner = [each for each in ast.walk(first) if isinstance(each, ast.Call)]
        names = {each.id for each in ast.walk(first) if isinstance(each, ast.Name)}
        if any(self._decodes(each) for each in inner) or names & self._decoded:
            self._issue(node, "decoded_code", "it runs what it decodes", "critical")
        shell = any(
            each.arg == "shell"
            and isinstance(each.value, ast.Constant)
            and each.value.value is True
            for each in node.keywords
        )
        if (shell or self.dotted(node.func) in {"os.system", "os.popen"}) and text is None:
            built = self._built(first)
            self._issue(
                node, "shell_built", "a command line that is put together from what it is given",
                "high" if built else "medium",
            )  # fmt: skip

    def _untrusting(self, node: ast.Call) -> None:
        for each in node.keywords:
            if (
                each.arg == "verify"
                and isinstance(each.value, ast.Constant)
                and each.value.value is False
            ):
                self._issue(node, "unverified_tls", "it does not check whom it talks to", "medium")

    def _body(self, node: ast.Call) -> None:
        """Credentials belong into the head of a request; in its body they are its content."""
        for each in node.keywords:
            if each.arg not in {"data", "json", "params", "files", "body", "content"}:
                continue
            inner = [*ast.walk(each.value)]
            names = {found.id for found in inner if isinstance(found, ast.Name)}
            if names & self._credentials or any(self._credential(found) for found in inner):
                self._issue(node, "credential_in_body", "it sends a credential as content", "high")

    def _assembled(self, node: ast.Call, name: str) -> None:
        if name in {"__import__", "importlib.import_module"} and node.args:
            literal = isinstance(node.args[0], ast.Constant)
            if not literal:
                found = self.constant(node.args[0])
                self._issue(
                    node, "assembled_name", "it imports what it puts together",
                    "high" if found else "medium",
                )  # fmt: skip
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            self._attribute(node)
        if isinstance(node.func, ast.Call) and self.dotted(node.func.func) == "getattr":
            wanted = node.func.args[1] if len(node.func.args) > 1 else None
            module = self.dotted(node.func.args[0]) if node.func.args else ""
            dangerous = module.split(".")[0] in {
                "os",
                "subprocess",
                "builtins",
                "__builtins__",
                "sys",
            }
            if wanted is not None and not isinstance(wanted, ast.Constant) and dangerous:
                self._issue(node, "assembled_name", "it calls what it puts together", "critical")

    def _attribute(self, node: ast.Call) -> None:
        """An attribute of a module that runs things, under a name that is put together."""
        if len(node.args) > 1:
            module = self.dotted(node.args[0]).split(".")[0]
            built = isinstance(node.args[1], (ast.BinOp, ast.JoinedStr, ast.Call))
            if built and module in {"os", "subprocess", "builtins", "__builtins__"}:
                self._issue(node, "assembled_name", "it calls what it puts together", "high")

    def _writes(self, node: ast.Call, name: str) -> None:
        last = name.rpartition(".")[2] or (
            node.func.attr if isinstance(node.func, ast.Attribute) else ""
        )
        if last not in {"open", "write_text", "copy", "copyfile", "move", "write_bytes", "symlink"}:
            return
        strings = [
            each.value
            for each in ast.walk(node)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        strings += [
            self._texts[e.id]
            for e in ast.walk(node)
            if isinstance(e, ast.Name) and e.id in self._texts
        ]
        writing = last != "open" or any(
            set(each) & set("wax+") and len(each) <= 3 for each in strings
        )
        if writing and any(PERSISTS.search(each) for each in strings):
            self._issue(node, "persistence", "it changes what is loaded in every session", "high")

    def _loop(self, node: ast.While) -> None:
        if not (isinstance(node.test, ast.Constant) and node.test.value):
            return
        ends = (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.Await)
        if any(isinstance(each, ends) for each in ast.walk(node)):
            return
        if not re.search(r"sleep|input|recv|accept|wait|exit|get\b|read", ast.dump(node)):
            self._issue(node, "endless", "a loop that never ends", "high")
