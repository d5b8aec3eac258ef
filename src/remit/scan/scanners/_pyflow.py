"""Where values of a Python file go: what is secret to the network, what is fetched to the interpreter.

A small taint analysis over the tree. Values are followed by name through assignments, loops,
containers, arguments and results of the file's own functions, to a fixed point; a name means the
same in the whole file. So it finds too much rather than too little, and never runs anything.

LIMIT: attributes of objects, closures over other files, and values behind ``globals()``.
"""

import ast
import re
from collections.abc import Callable, Collection, Iterator, Sequence

from remit.scan.scanners._pyrules import DECODE, EVALUATE, NETWORK, PERSISTS, PROCESS

ROUNDS = 6
"""How often what is known is carried on; chains of functions are rarely longer."""

ENVIRONMENT, HOME, FETCHED = "environment", "home", "fetched"
DECODED, LASTING = "decoded", "lasting"
_WALKS = {"walk", "rglob", "glob", "iglob", "iterdir", "scandir", "listdir"}
_READS = {"open", "read_bytes", "read_text", "read", "make_archive", "copytree"}
_SENDS = re.compile(
    r"(?:\A|\.)(?:post|put|patch|send|sendall|sendto|sendmail|send_message|urlopen|upload_file"
    r"|upload_fileobj|put_object|storbinary|Request|request)\Z"
)
_FETCHES = re.compile(
    r"\A(?:requests|httpx|urllib3)\.(?:get|post|request|stream)\Z|\Aurllib\.request\.(?:urlopen|urlretrieve)\Z"
    r"|\Aaiohttp\.\w+\Z"
)
_WRITES = {"write", "write_bytes", "write_text", "writelines", "copyfileobj"}
_LASTS = {"open", "write_text", "write_bytes", "copy", "copy2", "copyfile", "move", "symlink",
          "symlink_to", "SetValueEx", "rename", "replace", "link"}  # fmt: skip
_LOADERS = {"site.getsitepackages", "site.getusersitepackages", "site.getuserbase"}
_EXECUTABLE_MEMORY = {
    "VirtualAlloc", "VirtualAllocEx", "VirtualProtect", "VirtualProtectEx", "WriteProcessMemory",
    "RtlMoveMemory", "CreateRemoteThread", "NtCreateThreadEx", "QueueUserAPC", "mprotect",
    "PROT_EXEC", "memfd_create", "pthread_jit_write_protect_np",
}  # fmt: skip

Found = tuple[ast.expr, str, str]
"""Where, the rule, and its title."""


class Flow:
    """Values of one file, by what they come from.

    Args:
        nodes: of the whole tree.
        dotted: full names of what is called, through imports.
    """

    def __init__(self, nodes: Sequence[ast.AST], dotted: Callable[[ast.AST], str]) -> None:
        self._nodes = nodes
        self._dotted = dotted
        self._marks: dict[str, set[str]] = {}
        self._functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {
            node.name: node
            for node in nodes
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self._files: set[str] = set()
        for _ in range(ROUNDS):
            before = sum(map(len, self._marks.values())) + len(self._files)
            for node in nodes:
                self._carry(node)
            if sum(map(len, self._marks.values())) + len(self._files) == before:
                break

    def found(self) -> Iterator[Found]:
        """What flows where it should not."""
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif (isinstance(node, ast.Attribute) and node.attr in _EXECUTABLE_MEMORY) or (
                isinstance(node, ast.Name) and node.id in _EXECUTABLE_MEMORY
            ):
                yield node, "native_memory", "it makes memory that machine code is run from"

    def _call(self, node: ast.Call) -> Iterator[Found]:
        name = self._dotted(node.func) or _last(node.func)
        given = self._given(node)
        if NETWORK.match(name) or _SENDS.search(name) or _SENDS.search(_last(node.func)):
            if ENVIRONMENT in given:
                yield node, "environment_sent", "it sends the environment over the network"
            if "credential" in self._given(node, ("headers", "auth")):
                yield node, "credential_sent", "it sends a stored credential as content"
            if "home files" in given:
                yield (
                    node,
                    "home_sent",
                    "it sends files that it looks for in the home over the network",
                )
        if name in EVALUATE and given & {FETCHED, DECODED}:
            yield node, "decoded_code", "it runs code that it decodes or fetches"
        if PROCESS.match(name) and FETCHED in given:
            yield node, "decoded_code", "it runs code that it decodes or fetches"
        runs = PROCESS.match(name) or name.startswith("runpy.") or last_of_import(name)
        if runs and self._runs(node):
            yield node, "fetched_program", "it runs a file that it fetched before"
        last = _last(node.func)
        writes = last in _LASTS and (last != "open" or _writing(node))
        if writes and (LASTING in given or self._of_receiver(node, LASTING)):
            yield node, "persistence", "it changes what is loaded in every session"

    def _runs(self, node: ast.Call) -> bool:
        keys = {_key(each) for arg in node.args[:2] for each in ast.walk(arg)} - {""}
        said = [each for key in keys for each in key.split()]
        return bool(keys & self._files) or bool(set(said) & self._files)

    def _given(self, node: ast.Call, without: Collection[str] = ()) -> set[str]:
        found: set[str] = set()
        named = (k.value for k in node.keywords if k.arg != "env" and k.arg not in without)
        for each in [*node.args, *named]:
            found |= self._of(each)
        return found

    def _of_receiver(self, node: ast.Call, mark: str) -> bool:
        return isinstance(node.func, ast.Attribute) and mark in self._of(node.func.value)

    def _of(self, expression: ast.AST) -> set[str]:
        """What a value comes from."""
        found: set[str] = set()
        for node in ast.walk(expression):
            if isinstance(node, ast.Name):
                found |= self._marks.get(node.id, set())
            elif isinstance(node, ast.Call):
                found |= self._made(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if PERSISTS.search(node.value) and len(node.value) < 300:
                    found.add(LASTING)
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                if any(key is None and self._environ(value) for key, value in pairs):
                    found.add(ENVIRONMENT)
            elif isinstance(node, ast.comprehension) and self._environ(node.iter):
                found.add(ENVIRONMENT)
        if self._environ(expression):
            found.add(ENVIRONMENT)
        if HOME in found and any(
            isinstance(node, ast.Call) and _last(node.func) in _WALKS
            for node in ast.walk(expression)
        ):
            found.add("home tree")
        if "home tree" in found and any(
            isinstance(node, ast.Call) and _last(node.func) in _READS
            for node in ast.walk(expression)
        ):
            found.add("home files")
        return found

    def _environ(self, node: ast.AST) -> bool:
        return self._dotted(node) == "os.environ"

    def _made(self, node: ast.Call) -> set[str]:
        name = self._dotted(node.func)
        if name in self._functions:
            return set(self._marks.get(f"{name}()", ()))
        return {mark for mark, holds in self._sources(node, name) if holds}

    def _sources(self, node: ast.Call, name: str) -> Iterator[tuple[str, bool]]:
        copied = name in {"os.environ.copy", "os.environ.items", "os.environ.values"}
        shown = name in {"dict", "str", "repr", "list", "json.dumps"}
        told = PROCESS.match(name) is not None and _says(node, ("env", "printenv", "set"))
        yield ENVIRONMENT, copied or told or (shown and any(map(self._environ, node.args)))
        yield "credential", name in {"keyring.get_password", "keyring.get_credential"}
        yield HOME, name.endswith(("expanduser", "Path.home"))
        yield FETCHED, _FETCHES.match(name) is not None
        joined = _last(node.func) == "join" and _characters(node)
        yield DECODED, joined or DECODE.match(name) is not None
        yield LASTING, name in _LOADERS

    def _carry(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._mark(target, self._of(node.value))
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            if node.value is not None:
                self._mark(node.target, self._of(node.value))
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            marks = self._of(node.iter)
            self._mark(node.target, marks | ({ENVIRONMENT} if self._environ(node.iter) else set()))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._mark(node.optional_vars, self._of(node.context_expr))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for below in ast.walk(node):
                if isinstance(below, (ast.Return, ast.Yield)) and below.value is not None:
                    self._marks.setdefault(f"{node.name}()", set()).update(self._of(below.value))
        elif isinstance(node, ast.Call):
            self._passed(node)

    def _passed(self, node: ast.Call) -> None:
        name, last = self._dotted(node.func), _last(node.func)
        function = self._functions.get(name)
        if function is not None:
            for parameter, value in zip(function.args.args, node.args, strict=False):
                self._marks.setdefault(parameter.arg, set()).update(self._of(value))
        elif isinstance(node.func, ast.Attribute) and last in {"append", "extend", "update", "add"}:
            self._mark(node.func.value, self._given(node))
        if name.endswith("urlretrieve") and len(node.args) > 1:
            self._files |= {_key(node.args[1])} - {""}
        if last in _WRITES and FETCHED in self._given(node):
            place = node.func.value if isinstance(node.func, ast.Attribute) else node
            for each in ast.walk(place):
                if (
                    isinstance(each, ast.Call)
                    and _last(each.func) in {"open", "Path"}
                    and each.args
                ):
                    self._files |= {_key(each.args[0])} - {""}
                elif isinstance(each, ast.Name):
                    self._files |= self._opened(each.id) or {each.id}

    def _opened(self, name: str) -> set[str]:
        """What the file is called that a name of ``with open(…) as name`` stands for."""
        found: set[str] = set()
        for node in self._nodes:
            if not isinstance(node, ast.withitem) or not isinstance(node.context_expr, ast.Call):
                continue
            to = node.optional_vars
            if isinstance(to, ast.Name) and to.id == name and node.context_expr.args:
                found |= {_key(node.context_expr.args[0])} - {""}
        return found

    def _mark(self, target: ast.AST, marks: set[str]) -> None:
        if not marks:
            return
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self._marks.setdefault(node.id, set()).update(marks)


def last_of_import(name: str) -> bool:
    """Whether a call loads a file as a module."""
    return name.endswith(("spec_from_file_location", "SourceFileLoader", "imp.load_source"))


def _says(node: ast.Call, commands: Collection[str]) -> bool:
    """Whether a call runs one of these commands, as a text or as a list of words."""
    first = node.args[0] if node.args else None
    if isinstance(first, (ast.List, ast.Tuple)) and len(first.elts) == 1:
        first = first.elts[0]
    return isinstance(first, ast.Constant) and first.value in commands


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _key(node: ast.AST) -> str:
    """What a place is called: a name, or a constant."""
    if isinstance(node, ast.Name):
        return node.id
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _writing(node: ast.Call) -> bool:
    modes = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "mode")]
    if isinstance(node.func, ast.Attribute):
        modes = [*node.args[:1], *modes]
    said = [m.value for m in modes if isinstance(m, ast.Constant) and isinstance(m.value, str)]
    return any(set(each) & set("wax+") and len(each) <= 3 for each in said)


def _characters(node: ast.Call) -> bool:
    """Whether characters are put together by their numbers."""
    return any(isinstance(each, ast.Name) and each.id == "chr" for each in ast.walk(node))
