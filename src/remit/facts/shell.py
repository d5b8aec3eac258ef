"""The shell fact: which programs a command line would start, wherever in it they stand.

``commands`` holds the base name of every simple command: in pipelines, lists, loops, functions,
subshells and substitutions, behind ``env``, ``sudo``, ``xargs``, ``find -exec`` and their like,
and inside of ``bash -c '…'``. A name that only the running shell could know makes ``dynamic``
true and adds ``unknown``, so a rule "nothing but these commands" holds in both ways.

Not checked, because the command line does not show it: what a program does with its arguments.
``git -c core.pager=…``, ``tar --to-command``, ``awk 'BEGIN{system(…)}'``, ``sed e``, ``make`` and
many others start programs of their own. Allow-list programs that cannot, and read ``arguments``
and ``flags`` for the rest.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from remit.facts._shell_commands import FLAGS, SETS, Commands, Where
from remit.facts._shell_tree import Tree, read
from remit.facts._shell_words import Word, word
from remit.facts.base import AttributeType, Environment, FactError, Raw, shape, texts

MAX_LINE = 16 * 1024
MAX_LEVELS = 5

_WRITES = frozenset({">", ">>", ">|", "&>", "&>>", ">&", "<>"})
_READS = frozenset({"<", "<&"})
_CLOSES = frozenset({">&-", "<&-"})
_SINKS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})
_META = re.compile(r"[\s;&|<>()$`\\\"'*?\[\]{}~#!]")
_BESIDE_WORDS = frozenset({
    "variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect",
})  # fmt: skip
_TYPES: dict[str, AttributeType] = {
    **dict.fromkeys(SETS, "Set<String>"),
    **dict.fromkeys(FLAGS, "Bool"),
}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the shell fact.

    Attributes:
        form: ``line`` for text that a shell runs; ``argv`` for a program and its arguments that
            start without a shell: one list of strings, or one string (the program) followed by
            such lists or strings.
    """

    form: Literal["line", "argv"] = "line"


class Shell:
    """Extractor ``shell``."""

    name = "shell"
    repeatable = True
    options = Options
    shape = shape(**_TYPES)
    worst: Mapping[str, Raw] = {**dict.fromkeys(SETS, ("unknown",)), **dict.fromkeys(FLAGS, True)}

    def extract(
        self, values: Sequence[Any], options: Options, env: Environment
    ) -> Mapping[str, Raw]:
        """Read every command; see the module."""
        del env
        reader = _Reader()
        if options.form == "argv":
            for argv in _argvs(values):
                reader.commands.run([Word(text) for text in argv], Where())
        else:
            if any(type(value) is list for value in values):
                raise FactError("a list is not a command line", code="facts.wrong_type")
            for line in texts(values, limit=MAX_LINE):
                reader.line(line, Where())
        return reader.commands.attributes()


def _argvs(values: Sequence[Any]) -> Iterator[list[str]]:
    """Commands without a shell: each list is one, unless a string before it names the program."""
    if isinstance(values[0], str):
        if _META.search(values[0]):
            raise FactError("the program's name would mean more to a shell", code="facts.text")
        yield _argv(values)
        return
    for value in values:
        if type(value) is not list or not value:
            raise FactError("the argument is not a list of words", code="facts.wrong_type")
        yield _argv([value])


def _argv(values: Sequence[Any]) -> list[str]:
    words = list(texts(values, limit=MAX_LINE))
    if any("\0" in text or "\r" in text for text in words):
        raise FactError("the command holds control characters", code="facts.text")
    return words


class _Reader:
    """Walks the tree of a line and tells :class:`Commands` what it meets."""

    def __init__(self) -> None:
        self.commands = Commands(self.line)

    def line(self, line: str, where: Where) -> None:
        """Read one command line.

        Raises:
            FactError: see :func:`remit.facts._shell_tree.read`; too many strings in strings.
        """
        if where.level > MAX_LEVELS:
            raise FactError("commands in commands are nested too deeply", code="facts.size")
        if len(line) > MAX_LINE:
            raise FactError(f"longer than {MAX_LINE} characters", code="facts.size")
        tree = read(line)
        self._visit(tree, tree.root, where)

    def _visit(self, tree: Tree, node: Any, where: Where) -> None:
        kind = node.type
        children = node.children
        if kind == "command":
            self._command(tree, node, children, where)
            return
        if kind == "pipeline":
            self._pipeline(tree, node, children, where)
            return
        if kind in {"function_definition", "heredoc_redirect"} or any(map(_feeds, children)):
            # Who calls a function may feed it.
            where = where.pipe()
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, tree, node)
        for child in children:
            self._visit(tree, child, where)

    def _pipeline(self, tree: Tree, node: Any, children: Sequence[Any], where: Where) -> None:
        # `cat <<E | sh`: tree-sitter hangs the rest of the pipe below the here-document.
        fed = node.parent is not None and node.parent.type == "heredoc_redirect"
        for child in children:
            self._visit(tree, child, where.pipe() if fed else where)
            fed |= child.is_named

    def _command(self, tree: Tree, node: Any, children: Sequence[Any], where: Where) -> None:
        words: list[Word] = []
        for at, child in enumerate(children):
            if child.type == "command_name" or node.field_name_for_child(at) == "argument":
                words.append(word(tree, child))
            elif child.type not in _BESIDE_WORDS:
                raise FactError("the command has a form that is not understood", code="facts.parse")
            if _feeds(child):
                where = where.pipe()
        for child in children:
            self._visit(tree, child, where)
        self.commands.run(words, where)

    def redirect(self, tree: Tree, node: Any) -> None:
        operator = next((c.type for c in node.children if not c.is_named), "")
        targets = node.children_by_field_name("destination")
        if len(targets) > 1 or (targets and operator in _CLOSES):
            # `env >f rm x`: the words behind the target belong to the command.
            raise FactError("words stand behind a redirection", code="facts.parse")
        if operator not in _WRITES | _READS | _CLOSES:
            raise FactError("the redirection is not understood", code="facts.parse")
        for target in targets:
            if target.type == "number" and operator in {">&", "<&"}:
                continue
            found = word(tree, target)
            self.commands.sets["redirects"].add(found.text)
            self.commands.flags["expansion"] |= not found.static
            self.commands.flags["writes"] |= operator in _WRITES and found.text not in _SINKS

    def expansion(self, tree: Tree, node: Any) -> None:
        commands = self.commands
        commands.flags["expansion"] = True
        text = tree.text(node)
        if text.startswith("${!") or re.search(r"@[A-Za-z]\}$", text):
            # `${x@P}` runs substitutions in a value, `${!x}` takes a name out of a value.
            commands.unknown()
        kinds = {child.type for child in node.children}
        commands.variables |= bool(kinds & {"=", ":="})
        commands.arithmetic |= ":" in kinds

    def literal(self, tree: Tree, node: Any) -> None:
        self.commands.literal(word(tree, node))

    def substitution(self, tree: Tree, node: Any) -> None:
        del tree, node
        self.commands.flags["substitution"] = True

    def background(self, tree: Tree, node: Any) -> None:
        del tree, node
        self.commands.flags["background"] = True

    def arithmetic(self, tree: Tree, node: Any) -> None:
        del tree, node
        self.commands.arithmetic = True

    def maybe_arithmetic(self, tree: Tree, node: Any) -> None:
        del tree
        self.commands.arithmetic |= node.children[0].type in {"((", "[["}

    def assignment(self, tree: Tree, node: Any) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is not None:
            self.commands.assigned(tree.text(name).partition("[")[0])
        number = value is None or value.type in {"number", "arithmetic_expansion"}
        self.commands.variables |= not number

    def loop(self, tree: Tree, node: Any) -> None:
        self.commands.assigned(tree.text(node.child_by_field_name("variable")))
        self.commands.variables = True

    def declaration(self, tree: Tree, node: Any) -> None:
        self.commands.name(node.children[0].type)
        self.commands.variables = True
        for child in node.named_children:
            if child.type != "variable_assignment":
                found = word(tree, child)
                self.commands.arguments([found])
                self.commands.declared(found)


_HANDLERS: Mapping[str, Callable[[_Reader, Tree, Any], None]] = {
    "&": _Reader.background,
    "ansi_c_string": _Reader.literal,
    "arithmetic_expansion": _Reader.arithmetic,
    "brace_expression": _Reader.expansion,
    "c_style_for_statement": _Reader.arithmetic,
    "command_substitution": _Reader.substitution,
    "compound_statement": _Reader.maybe_arithmetic,
    "concatenation": _Reader.literal,
    "declaration_command": _Reader.declaration,
    "expansion": _Reader.expansion,
    "file_redirect": _Reader.redirect,
    "for_statement": _Reader.loop,
    "process_substitution": _Reader.substitution,
    "raw_string": _Reader.literal,
    "simple_expansion": _Reader.expansion,
    "string": _Reader.literal,
    "subscript": _Reader.arithmetic,
    "test_command": _Reader.maybe_arithmetic,
    "unset_command": _Reader.declaration,
    "variable_assignment": _Reader.assignment,
}


def _feeds(node: Any) -> bool:
    """Whether the redirection gives a command its standard input."""
    if node.type in {"herestring_redirect", "heredoc_redirect"}:
        return True
    return node.type == "file_redirect" and any(c.type in {"<", "<&", "<>"} for c in node.children)


EXTRACTOR = Shell()
