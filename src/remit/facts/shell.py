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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from remit.facts import _shell_wrappers as wrappers
from remit.facts._shell_tree import Tree, read
from remit.facts._shell_words import Word, word
from remit.facts.base import Environment, FactError, Raw, shape, texts

MAX_LINE = 16 * 1024
MAX_LEVELS = 5

_RESERVED = frozenset({
    "!", "[[", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "until", "while", "{", "}",
})  # fmt: skip
_WRITES = frozenset({">", ">>", ">|", "&>", "&>>", ">&", "<>"})
_READS = frozenset({"<", "<&"})
_SINKS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})
_STDIN = re.compile(r"-|/dev/stdin|/dev/fd/.*|/proc/.*")
_HIJACK = re.compile(
    r"(?:PATH|IFS|ENV|BASH_ENV|PS[0-4]|PROMPT_COMMAND|SHELLOPTS|BASHOPTS|BASH_CMDS|BASH_ALIASES"
    r"|CDPATH|EDITOR|VISUAL|PAGER|BROWSER|SHELL|HOME|MANPAGER|MAKEFLAGS|NODE_OPTIONS|RUBYOPT|RUBYLIB"
    r"|CLASSPATH|LESSOPEN|LESSCLOSE|FCEDIT|(?:LD|DYLD|GIT|PYTHON|PERL|JAVA|_JAVA|BASH_FUNC)_?\w*)"
)
_HIDDEN_CODE = re.compile(r"\[.*(?:\$\(|`|\$\{)", re.DOTALL)
_META = re.compile(r"[\s;&|<>()$`\\\"'*?\[\]{}~#!]")
_SETS_VARIABLES = frozenset({
    "read", "mapfile", "readarray", "getopts", "printf", "declare", "typeset", "local", "export",
    "readonly", "let", "unset",
})  # fmt: skip
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[.*\])?\+?=")


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
    options = Options
    shape = shape(
        commands="Set<String>",
        programs="Set<String>",
        flags="Set<String>",
        arguments="Set<String>",
        redirects="Set<String>",
        assignments="Set<String>",
        writes="Bool",
        pipes_to_interpreter="Bool",
        substitution="Bool",
        expansion="Bool",
        background="Bool",
        dynamic="Bool",
    )
    worst: Mapping[str, Raw] = {
        **dict.fromkeys(
            ("commands", "programs", "flags", "arguments", "redirects", "assignments"), ("unknown",)
        ),
        **dict.fromkeys(
            (
                "writes",
                "pipes_to_interpreter",
                "substitution",
                "expansion",
                "background",
                "dynamic",
            ),
            True,
        ),
    }

    def extract(
        self, values: Sequence[Any], options: Options, env: Environment
    ) -> Mapping[str, Raw]:
        """Read every command; see the module."""
        del env
        found = _Found()
        if options.form == "argv":
            for argv in _argvs(values):
                found.run([Word(text) for text in argv], fed=False, level=0)
        else:
            if any(type(value) is list for value in values):
                raise FactError("a list is not a command line", code="facts.wrong_type")
            for line in texts(values, limit=MAX_LINE):
                found.line(line, fed=False, level=0)
        return found.attributes()


def _argvs(values: Sequence[Any]) -> Iterator[list[str]]:
    """Command lines without a shell: each list is one, unless a string before it names the program."""
    if isinstance(values[0], str):
        program = values[0]
        if _META.search(program):
            raise FactError("the program's name would mean more to a shell", code="facts.text")
        yield list(_argv([program, *values[1:]]))
        return
    for value in values:
        if type(value) is not list or not value:
            raise FactError("the argument is not a list of words", code="facts.wrong_type")
        yield list(_argv([value]))


def _argv(values: Sequence[Any]) -> Iterator[str]:
    for text in texts(values, limit=MAX_LINE):
        if "\0" in text or "\r" in text:
            raise FactError("the command holds control characters", code="facts.text")
        yield text


class _Found:
    """What was seen so far, and how to see more."""

    def __init__(self) -> None:
        self.sets: dict[str, set[str]] = {
            name: set() for name, kind in Shell.shape.items() if kind == "Set<String>"
        }
        self.flags: dict[str, bool] = {
            name: False
            for name, kind in Shell.shape.items()
            if kind == "Bool" and name not in {"ok", "present"}
        }
        self.arithmetic = False
        self.variables = False

    def attributes(self) -> Mapping[str, Raw]:
        if self.arithmetic and self.variables:
            # Arithmetic runs `$(…)` inside of a variable's value.
            self.unknown()
        return {**self.sets, **self.flags}

    def unknown(self) -> None:
        self.flags["dynamic"] = True
        self.sets["commands"].add("unknown")

    # -- trees ---------------------------------------------------------------------------------

    def line(self, line: str, *, fed: bool, level: int) -> None:
        """Read one command line; ``fed`` says that its standard input is given by the caller."""
        if level > MAX_LEVELS:
            raise FactError("commands in commands are nested too deeply", code="facts.size")
        tree = read(line)
        self.visit(tree, tree.root, fed=fed, level=level)

    def visit(self, tree: Tree, node: Any, *, fed: bool, level: int) -> None:
        kind = node.type
        match kind:
            case "command":
                self.command(tree, node, fed=fed, level=level)
                return
            case "pipeline":
                inside = node.parent is not None and node.parent.type == "heredoc_redirect"
                first = not inside
                for child in node.children:
                    self.visit(tree, child, fed=fed or not first, level=level)
                    first &= not child.is_named
                return
            case "redirected_statement":
                fed |= any(_feeds(child) for child in node.children)
            case "function_definition":
                fed = True
            case "heredoc_redirect":
                fed = True
            case "file_redirect":
                self.redirect(tree, node)
            case "herestring_redirect":
                self.literal(word(tree, node.named_children[-1]))
            case "command_substitution" | "process_substitution":
                self.flags["substitution"] = True
            case "simple_expansion" | "expansion" | "brace_expression":
                self.expansion(tree, node)
            case "arithmetic_expansion" | "subscript" | "c_style_for_statement":
                self.arithmetic = True
            case "compound_statement" if node.children[0].type == "((":
                self.arithmetic = True
            case "test_command":
                self.arithmetic |= node.children[0].type == "[["
            case "variable_assignment":
                self.assignment(tree, node)
            case "for_statement":
                self.assigned(tree.text(node.child_by_field_name("variable")))
                self.variables = True
            case "declaration_command" | "unset_command":
                self.declaration(tree, node)
            case "&":
                self.flags["background"] = True
            case "raw_string" | "ansi_c_string" | "string" | "concatenation":
                self.literal(word(tree, node))
            case _:
                pass
        for child in node.children:
            self.visit(tree, child, fed=fed, level=level)

    def command(self, tree: Tree, node: Any, *, fed: bool, level: int) -> None:
        words: list[Word] = []
        for child in node.children:
            if (
                child.type == "command_name"
                or node.field_name_for_child(node.children.index(child)) == "argument"
            ):
                words.append(word(tree, child))
            elif child.type not in {
                "variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect",
            }:  # fmt: skip
                raise FactError("the command has a form that is not understood", code="facts.parse")
            fed |= _feeds(child)
        for child in node.children:
            for part in child.children if child.type == "command_name" else (child,):
                self.visit(tree, part, fed=fed, level=level)
        self.run(words, fed=fed, level=level)

    def redirect(self, tree: Tree, node: Any) -> None:
        operator = next((c.type for c in node.children if not c.is_named), "")
        targets = node.children_by_field_name("destination")
        if len(targets) > 1:
            # `env >f rm x`: the words after the target belong to the command.
            raise FactError("words stand behind a redirection", code="facts.parse")
        for target in targets:
            if target.type == "number" and operator in {">&", "<&"}:
                continue
            found = word(tree, target)
            self.sets["redirects"].add(found.text)
            self.flags["writes"] |= operator in _WRITES and found.text not in _SINKS
        if operator not in _WRITES | _READS | {">&-", "<&-"}:
            raise FactError("the redirection is not understood", code="facts.parse")

    def expansion(self, tree: Tree, node: Any) -> None:
        self.flags["expansion"] = True
        text = tree.text(node)
        if text.startswith("${") and (re.search(r"@[A-Za-z]\}$", text) or text.startswith("${!")):
            # `${x@P}` runs substitutions in a value, `${!x}` names a variable in a value.
            self.unknown()
        if any(c.type in {"=", ":="} for c in node.children):
            self.variables = True
        if ":" in {c.type for c in node.children}:
            self.arithmetic = True

    def literal(self, text: Word) -> None:
        if text.static and _HIDDEN_CODE.search(text.text):
            # `test -v 'a[$(x)]'`, `[[ 'a[$(x)]' -eq 1 ]]`: bash evaluates such a text.
            self.unknown()

    def assignment(self, tree: Tree, node: Any) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is not None:
            self.assigned(tree.text(name).partition("[")[0])
        self.variables |= value is not None and value.type not in {"number", "arithmetic_expansion"}

    def assigned(self, name: str) -> None:
        self.sets["assignments"].add(name)
        if _HIJACK.fullmatch(name):
            self.unknown()

    def declaration(self, tree: Tree, node: Any) -> None:
        self.sets["commands"].add(node.children[0].type)
        self.sets["programs"].add(node.children[0].type)
        self.variables = True
        for child in node.named_children:
            if child.type != "variable_assignment":
                found = word(tree, child)
                self.arguments([found])
                self.assignment_word(found)

    # -- words ---------------------------------------------------------------------------------

    def arguments(self, words: Sequence[Word]) -> None:
        for found in words:
            text = found.text
            self.flags["expansion"] |= not found.static
            self.literal(found)
            if not text.startswith("-") or text == "-":
                self.sets["arguments"].add(text)
                continue
            self.sets["flags"].add(text.partition("=")[0])
            if re.fullmatch(r"-[A-Za-z]{2,8}", text):
                self.sets["flags"] |= {f"-{letter}" for letter in text[1:]}

    def assignment_word(self, found: Word) -> None:
        match = _ASSIGNMENT.match(found.text)
        name = match[1] if match else found.text
        if not found.static or _HIJACK.fullmatch(name):
            self.unknown()
        elif match:
            self.sets["assignments"].add(name)

    def run(self, words: Sequence[Word], *, fed: bool, level: int) -> None:
        """Take one simple command into account, and the command that it starts."""
        if not words:
            return
        self.arguments(words[1:])
        self.start(words, fed=fed, level=level, from_input=False)

    def start(self, words: Sequence[Word], *, fed: bool, level: int, from_input: bool) -> None:
        """The command and those behind it.

        Args:
            words: name and arguments; may be empty.
            fed: standard input is not that of the whole line.
            level: how deep commands stand in strings.
            from_input: more words, and so perhaps the command, come from standard input.
        """
        name = words[0].text if words else ""
        if not words or not words[0].static or not name or "{}" in name:
            if words or from_input:
                self.unknown()
            if words:
                self.sets["programs"].add(name)
            return
        if name in _RESERVED:
            raise FactError(
                "a word of the shell's grammar stands for a command", code="facts.parse"
            )
        base = name.rstrip("/").rpartition("/")[2] or name
        self.sets["programs"].add(name)
        self.sets["commands"] |= {base, base.lower()}
        if any(ord(c) < 0x20 for c in name):  # noqa: PLR2004 - control characters from `$'…'`
            self.unknown()
        args = words[1:]
        if from_input and not args and base in wrappers.WRAPPERS:
            self.unknown()
        self.special(base, args, fed=fed, level=level)
        language = re.sub(r"[0-9.]+$", "", base)
        if base in wrappers.SHELLS:
            self.shell(args, fed=fed, level=level, from_input=from_input)
        elif language in wrappers.INTERPRETERS:
            self.interpreter(language, args, fed=fed)
        elif base in wrappers.WRAPPERS:
            self.wrapped(base, args, fed=fed, level=level, from_input=from_input)
        elif base in wrappers.OPAQUE:
            self.unknown()

    def wrapped(
        self, base: str, args: Sequence[Word], *, fed: bool, level: int, from_input: bool
    ) -> None:
        if base == "command" and args and re.fullmatch(r"-p?[vV]", args[0].text):
            return
        if base == "coproc":
            self.flags["background"] = True
        if (
            base == "env"
            and args
            and args[0].static
            and re.match(r"-S|--split-string", args[0].text)
        ):
            self.unknown()
            return
        inner = wrappers.after(wrappers.WRAPPERS[base], args)
        if inner is None:
            self.unknown()
            return
        rest, assigned = inner
        for name in assigned:
            self.assigned(name)
        self.start(
            rest, fed=fed or base == "xargs", level=level, from_input=from_input or base == "xargs"
        ) if rest or base != "xargs" else None

    def shell(self, args: Sequence[Word], *, fed: bool, level: int, from_input: bool) -> None:
        """``bash …``: the code in ``-c``, a script, or standard input."""
        at = 0
        code = False
        while at < len(args):
            text = args[at].text
            if not args[at].static:
                break
            if text in {"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}:
                if text.startswith("--"):
                    self.unknown()
                at += 2
                continue
            if text == "--" or text[:1] not in {"-", "+"} or text == "-":
                at += text == "--"
                break
            if not text.startswith("--"):
                code |= "c" in text and text[0] == "-"
                if "s" in text:
                    self.flags["pipes_to_interpreter"] = True
                if text[-1] in "oO":
                    at += 1
            at += 1
        rest = args[at:]
        if from_input:
            self.unknown()
            self.flags["pipes_to_interpreter"] = True
        if code:
            if rest and rest[0].static:
                self.line(rest[0].text, fed=fed, level=level + 1)
            else:
                self.unknown()
                self.flags["pipes_to_interpreter"] = True
        elif not rest:
            self.flags["pipes_to_interpreter"] |= fed
        elif rest[0].feeds or not rest[0].static or _STDIN.fullmatch(rest[0].text):
            self.flags["pipes_to_interpreter"] |= rest[0].substitutes or rest[0].static
            self.flags["dynamic"] |= not rest[0].static

    def interpreter(self, language: str, args: Sequence[Word], *, fed: bool) -> None:
        """``python …``: does the program come from standard input or a substitution?"""
        first = args[0] if args else None
        if any(arg.feeds for arg in args):
            self.flags["pipes_to_interpreter"] = True
        inline = (
            first is not None
            and first.static
            and (
                (first.text[:1] != "-" and not _STDIN.fullmatch(first.text))
                or (
                    re.fullmatch(r"-[A-Za-z]+", first.text) is not None
                    and any(c in wrappers.INTERPRETERS[language] for c in first.text[1:])
                )
            )
        )
        self.flags["pipes_to_interpreter"] |= fed and not inline
        if first is not None and re.match(r"-[a-zA-Z]*[cerpE]", first.text):
            # Code in an argument: as dynamic as the argument.
            self.flags["dynamic"] |= any(not arg.static for arg in args)

    def special(self, base: str, args: Sequence[Word], *, fed: bool, level: int) -> None:
        """Builtins and programs that take commands among their arguments."""
        static = all(arg.static for arg in args)
        texts_ = [arg.text for arg in args]
        self.variables |= base in _SETS_VARIABLES
        self.arithmetic |= base == "let" or (
            base in {"test", "["} and bool({"-v", "-R"} & set(texts_))
        )
        if base in _SETS_VARIABLES:
            for arg in args:
                if _HIJACK.fullmatch(arg.text.partition("=")[0]):
                    self.unknown()
        match base:
            case "eval":
                self.flags["pipes_to_interpreter"] = True
                if static:
                    self.line(" ".join(texts_), fed=fed, level=level + 1)
                else:
                    self.unknown()
            case "source" | ".":
                if not args or not args[0].static or _STDIN.fullmatch(texts_[0]):
                    self.flags["pipes_to_interpreter"] = True
            case "trap":
                if texts_[:1] == ["--"]:
                    args, texts_ = args[1:], texts_[1:]
                if args and not args[0].static:
                    self.unknown()
                elif len(args) > 1 and not texts_[0].startswith("-"):
                    self.line(texts_[0], fed=True, level=level + 1)
            case "alias":
                for arg in args:
                    if not arg.static:
                        self.unknown()
                    elif "=" in arg.text:
                        self.line(arg.text.partition("=")[2], fed=True, level=level + 1)
            case "find" | "fd" | "fdfind":
                self.find(args, fed=fed, level=level)
            case "hash":
                if "-p" in texts_ or any(t.startswith("-p") for t in texts_):
                    self.unknown()
            case "mapfile" | "readarray":
                if not static or any(t.startswith("-") and "C" in t for t in texts_):
                    self.unknown()
            case _:
                pass

    def find(self, args: Sequence[Word], *, fed: bool, level: int) -> None:
        """Commands after ``-exec`` and its like, up to ``;`` or ``+``."""
        if any(not arg.static and not arg.quoted for arg in args):
            self.unknown()
        starts = {"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}
        for at, arg in enumerate(args):
            name, equals, value = arg.text.partition("=")
            if name not in starts:
                continue
            rest = [Word(value)] if equals else []
            for other in args[at + 1 :]:
                if other.text in {";", "+"}:
                    break
                rest.append(other)
            self.start(rest, fed=fed, level=level, from_input=True)


def _feeds(node: Any) -> bool:
    """Whether the redirection gives a command its standard input."""
    if node.type in {"herestring_redirect", "heredoc_redirect"}:
        return True
    return node.type == "file_redirect" and any(c.type in {"<", "<&", "<>"} for c in node.children)


EXTRACTOR = Shell()
