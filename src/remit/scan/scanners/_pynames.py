"""What the names of a Python file stand for: through imports, assignments and joined strings."""

import ast

from remit.scan.scanners._pyrules import DECODE, SECRET_NAME

_MAX_JOINED = 10_000


class Names:
    """Names of one file, and what is known of their values without running anything."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._decoded: set[str] = set()
        self._silent: set[int] = set()
        self._queries: set[str] = set()
        self._credentials: set[str] = set()

    def names(self, node: ast.AST) -> None:
        """What names of this file stand for, and strings that are documentation: nobody uses them."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            self._silent.add(id(node.value))
        elif isinstance(node, ast.Import):
            for each in node.names:
                top = each.name if each.asname else each.name.split(".")[0]
                self._known[each.asname or top] = top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                self._known[each.asname or each.name] = f"{node.module}.{each.name}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                self._assigned(target.id, node.value)

    def _assigned(self, name: str, value: ast.expr) -> None:
        text = self.constant(value)
        if text is not None:
            self._texts[name] = text
        dotted = self.dotted(value)
        if dotted and dotted.split(".")[0] in {"os", "subprocess", "exec", "eval", "builtins"}:
            self._known[name] = dotted
        if self._built(value):
            self._queries.add(name)
        if any(self._credential(each) for each in ast.walk(value)):
            self._credentials.add(name)
        if any(isinstance(each, ast.Call) and self._decodes(each) for each in ast.walk(value)):
            self._decoded.add(name)

    def dotted(self, node: ast.AST) -> str:
        """A name with the module that it comes from; empty if it is none."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            below = self.dotted(node.value)
            return f"{below}.{node.attr}" if below else ""
        if isinstance(node, ast.Call):
            name = self.dotted(node.func)
            if name in {"__import__", "importlib.import_module"} and node.args:
                return self.constant(node.args[0]) or ""
            if name == "getattr" and len(node.args) > 1:
                below, last = self.dotted(node.args[0]), self.constant(node.args[1])
                return f"{below}.{last}" if below and last else ""
        return ""

    def constant(self, node: ast.AST) -> str | None:
        """A string that is known without running anything."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._texts.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.constant(node.left), self.constant(node.right)
            if left is not None and right is not None and len(left) + len(right) < _MAX_JOINED:
                return left + right
        return None

    def _environment(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            name = self.dotted(node.func)
            return name in {"os.environ.items", "os.environ.copy", "os.environ.values"}
        return self.dotted(node) == "os.environ"

    def _decodes(self, node: ast.Call) -> bool:
        return DECODE.match(self.dotted(node.func)) is not None

    def _built(self, node: ast.expr) -> bool:
        if isinstance(node, ast.JoinedStr):
            return any(isinstance(each, ast.FormattedValue) for each in node.values)
        if isinstance(node, ast.BinOp):
            return self.constant(node) is None and isinstance(node.op, (ast.Add, ast.Mod))
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
        )

    def _credential(self, node: ast.AST) -> bool:
        """Whether a secret of the environment is read here: by the name of the variable."""
        name: str | None = None
        if isinstance(node, ast.Call) and node.args:
            if self.dotted(node.func) in {"os.getenv", "os.environ.get"}:
                name = self.constant(node.args[0])
        elif isinstance(node, ast.Subscript) and self.dotted(node.value) == "os.environ":
            name = self.constant(node.slice)
        return bool(name) and SECRET_NAME.search(name or "") is not None
