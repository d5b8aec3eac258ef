"""From the words of one simple command to the programs that it starts."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from remit.facts import _shell_wrappers as wrappers
from remit.facts._shell_words import Word
from remit.facts.base import FactError, Raw

SETS = ("commands", "programs", "flags", "arguments", "redirects", "assignments")
FLAGS = ("writes", "pipes_to_interpreter", "substitution", "expansion", "background", "dynamic")

_RESERVED = frozenset({
    "!", "[[", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "until", "while", "{", "}",
})  # fmt: skip
_STDIN = re.compile(r"-|/dev/stdin|/dev/fd/.*|/proc/.*")
_HIJACK = re.compile(
    r"PATH|ENV|BASH_ENV|PS[0-4]|PROMPT_COMMAND|SHELLOPTS|BASHOPTS|BASH_CMDS|BASH_ALIASES|CDPATH"
    r"|EDITOR|VISUAL|PAGER|BROWSER|SHELL|HOME|MANPAGER|MAKEFLAGS|NODE_OPTIONS|RUBYOPT|RUBYLIB"
    r"|CLASSPATH|LESSOPEN|LESSCLOSE|FCEDIT|(?:LD|DYLD|GIT|PYTHON|PERL|JAVA|_JAVA|BASH_FUNC)_?\w*"
)
"""Variables that change which programs a command starts."""
_LOADER = re.compile(r"ld(?:64|-linux|-musl|-elf|\.so)")
_CODE = re.compile(r"\$[({]|`")
_SETS_VARIABLES = frozenset({
    "read", "mapfile", "readarray", "getopts", "printf", "declare", "typeset", "local", "export",
    "readonly", "let", "unset",
})  # fmt: skip
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[.*\])?\+?=")
_EXECUTES = frozenset({
    "-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch",
})  # fmt: skip
_CLUSTER = re.compile(r"-[A-Za-z]{2,8}")
_SHELL_VALUED = frozenset({"-o", "+o", "-O", "+O"})


class Where(NamedTuple):
    """Where a command stands.

    Attributes:
        fed: its standard input is a pipe, a file or a text of the command line.
        level: how many strings of code it stands in.
        from_input: more words of it come from standard input or from found files.
    """

    fed: bool = False
    level: int = 0
    from_input: bool = False

    def pipe(self) -> "Where":
        """The same place, with standard input given."""
        return self._replace(fed=True)


class Commands:
    """What was seen so far.

    Args:
        line: reads a command line that stands in a string.
    """

    def __init__(self, line: Callable[[str, Where], None]) -> None:
        self.line = line
        self.sets: dict[str, set[str]] = {name: set() for name in SETS}
        self.flags = dict.fromkeys(FLAGS, False)
        # Arithmetic runs `$(…)` inside of a variable's value, so both together are a doubt.
        self.arithmetic = False
        self.variables = False

    def attributes(self) -> Mapping[str, Raw]:
        """Everything seen."""
        if self.arithmetic and self.variables:
            self.unknown()
        return {**self.sets, **self.flags}

    def unknown(self) -> None:
        """Something may start, and nobody knows what."""
        self.flags["dynamic"] = True
        self.sets["commands"].add("unknown")

    def name(self, name: str) -> str:
        """A command called ``name`` starts; its base name."""
        base = name.rstrip("/").rpartition("/")[2] or name
        self.sets["programs"].add(name)
        # Some file systems do not tell `RM` from `rm`.
        self.sets["commands"] |= {base, base.lower()}
        if any(c < " " for c in name):
            self.unknown()
        return base

    def literal(self, found: Word) -> None:
        """A word that is data; bash evaluates ``a[$(x)]`` where it expects a variable's name."""
        bracket = found.text.find("[") if found.static else -1
        if bracket >= 0 and _CODE.search(found.text, bracket):
            self.unknown()

    def assigned(self, name: str) -> None:
        """A variable is set."""
        self.sets["assignments"].add(name)
        if _HIJACK.fullmatch(name):
            self.unknown()

    def declared(self, found: Word) -> None:
        """An argument of ``declare`` and its like."""
        match = _ASSIGNMENT.match(found.text)
        name = match[1] if match else found.text
        if not found.static or _HIJACK.fullmatch(name):
            self.unknown()
        elif match:
            self.sets["assignments"].add(name)

    def arguments(self, words: Sequence[Word]) -> None:
        """Words behind a command's name."""
        for found in words:
            text = found.text
            self.flags["expansion"] |= not found.static
            self.literal(found)
            if not text.startswith("-") or text == "-":
                self.sets["arguments"].add(text)
                continue
            self.sets["flags"].add(text.partition("=")[0])
            if _CLUSTER.fullmatch(text):
                self.sets["flags"] |= {f"-{letter}" for letter in text[1:]}

    def run(self, words: Sequence[Word], where: Where) -> None:
        """One simple command and the commands that it starts."""
        if words:
            self.arguments(words[1:])
            self.start(words, where)

    def start(self, words: Sequence[Word], where: Where) -> None:
        """The command in ``words``, whose arguments are already counted."""
        if not words:
            if where.from_input:
                self.unknown()
            return
        name = words[0].text
        if not words[0].static or not name or "{}" in name:
            self.sets["programs"].add(name)
            self.unknown()
            return
        if name in _RESERVED:
            raise FactError(
                "a word of the shell's grammar stands for a command", code="facts.parse"
            )
        base = self.name(name)
        args = words[1:]
        language = base.rstrip("0123456789.")
        special = _SPECIAL.get(base)
        if base in _SETS_VARIABLES:
            self.variables = True
            if any(_HIJACK.fullmatch(arg.text.partition("=")[0]) for arg in args):
                self.unknown()
        if special is not None:
            special(self, args, where)
        elif base in wrappers.SHELLS:
            self._shell(args, where)
        elif language in wrappers.INTERPRETERS:
            self._interpreter(language, args, where)
        elif base in wrappers.WRAPPERS:
            self._wrapped(base, args, where)
        elif base in wrappers.OPAQUE or _LOADER.match(base):
            self.unknown()

    def _wrapped(self, base: str, args: Sequence[Word], where: Where) -> None:
        inner = wrappers.after(wrappers.WRAPPERS[base], args)
        if inner is None:
            self.unknown()
            return
        rest, assigned = inner
        for name in assigned:
            self.assigned(name)
        self.start(rest, where)

    def xargs(self, args: Sequence[Word], where: Where) -> None:
        """More words come from standard input."""
        inner = wrappers.after(wrappers.WRAPPERS["xargs"], args)
        if inner is None:
            self.unknown()
        elif inner[0]:
            self.start(inner[0], Where(True, where.level, True))

    def env(self, args: Sequence[Word], where: Where) -> None:
        """``env -S`` splits a string into words by rules of its own."""
        if any(re.match(r"-[A-Za-z0]*S|--split-string", arg.text) for arg in args):
            self.unknown()
        else:
            self._wrapped("env", args, where)

    def command(self, args: Sequence[Word], where: Where) -> None:
        """``command -v`` starts nothing."""
        if not args or not re.fullmatch(r"-p?[vV]", args[0].text):
            self._wrapped("command", args, where)

    def coproc(self, args: Sequence[Word], where: Where) -> None:
        """It runs in the background, fed by a pipe."""
        self.flags["background"] = True
        self._wrapped("coproc", args, where.pipe())

    def _shell(self, args: Sequence[Word], where: Where) -> None:
        """``bash …``: code in ``-c``, a script, or standard input."""
        at = 0
        code = False
        while at < len(args) and args[at].static:
            text = args[at].text
            if text in {"--", "-"} or text[:1] not in {"-", "+"}:
                at += text == "--"
                break
            if text in {"--rcfile", "--init-file"}:
                self.unknown()
                at += 1
            elif not text.startswith("--"):
                code |= "c" in text and text[0] == "-"
                self.flags["pipes_to_interpreter"] |= "s" in text
                at += text[-1] in "oO"
            at += 1
        script = args[at] if at < len(args) else None
        if where.from_input:
            self.unknown()
            self.flags["pipes_to_interpreter"] = True
        if script is None:
            self.flags["pipes_to_interpreter"] |= where.fed
        elif code and script.static:
            self.line(script.text, where._replace(level=where.level + 1))
        elif code or not script.static:
            self.unknown()
            self.flags["pipes_to_interpreter"] |= code or script.substitutes
        elif _STDIN.fullmatch(script.text):
            self.flags["pipes_to_interpreter"] = True
        else:
            self.name(script.text)

    def _interpreter(self, language: str, args: Sequence[Word], where: Where) -> None:
        """``python …``: does the program come from standard input or a substitution?"""
        inline = False
        if args and args[0].static:
            first = args[0].text
            if not first.startswith("-"):
                inline = not _STDIN.fullmatch(first)
            elif re.fullmatch(r"-[A-Za-z]+", first):
                inline = any(c in wrappers.INTERPRETERS[language] for c in first[1:])
        self.flags["pipes_to_interpreter"] |= (where.fed and not inline) or any(
            arg.feeds for arg in args
        )
        if any(not arg.static for arg in args) and any(arg.text[:1] == "-" for arg in args):
            # Code in an argument is as dynamic as the argument.
            self.flags["dynamic"] = True

    def eval(self, args: Sequence[Word], where: Where) -> None:
        """Its words, joined, are a command line."""
        self.flags["pipes_to_interpreter"] = True
        if all(arg.static for arg in args):
            self.line(" ".join(arg.text for arg in args), where._replace(level=where.level + 1))
        else:
            self.unknown()

    def source(self, args: Sequence[Word], where: Where) -> None:
        """A script that this shell reads."""
        del where
        if not args or not args[0].static or _STDIN.fullmatch(args[0].text):
            self.flags["pipes_to_interpreter"] = True
        elif args[0].text:
            self.name(args[0].text)
        if args and not args[0].static:
            self.unknown()

    def trap(self, args: Sequence[Word], where: Where) -> None:
        """The first word is a command line that runs later."""
        if args and args[0].text == "--":
            args = args[1:]
        if args and not args[0].static:
            self.unknown()
        elif len(args) > 1 and not args[0].text.startswith("-"):
            self.line(args[0].text, Where(True, where.level + 1))

    def alias(self, args: Sequence[Word], where: Where) -> None:
        """The value may become a command."""
        for arg in args:
            if not arg.static:
                self.unknown()
            elif "=" in arg.text:
                self.line(arg.text.partition("=")[2], Where(True, where.level + 1))

    def find(self, args: Sequence[Word], where: Where) -> None:
        """Commands after ``-exec`` and its like, up to ``;`` or ``+``."""
        if any(not arg.static and not arg.quoted for arg in args):
            self.unknown()
        for at, arg in enumerate(args):
            name, equals, value = arg.text.partition("=")
            if name not in _EXECUTES:
                continue
            rest = [Word(value)] if equals else []
            for other in args[at + 1 :]:
                if other.text in {";", "+"}:
                    break
                rest.append(other)
            self.start(rest, Where(where.fed, where.level, True))

    def hash(self, args: Sequence[Word], where: Where) -> None:
        """``hash -p`` gives a name another program."""
        del where
        if any(arg.text.startswith("-") for arg in args):
            self.unknown()

    def mapfile(self, args: Sequence[Word], where: Where) -> None:
        """``-C`` names a command."""
        del where
        if any(not arg.static or (arg.text.startswith("-") and "C" in arg.text) for arg in args):
            self.unknown()

    def let(self, args: Sequence[Word], where: Where) -> None:
        """Its words are arithmetic."""
        del args, where
        self.arithmetic = True

    def test(self, args: Sequence[Word], where: Where) -> None:
        """``-v`` and ``-R`` take a variable's name, which may hold arithmetic."""
        del where
        self.arithmetic |= any(arg.text in {"-v", "-R"} for arg in args)


_SPECIAL: Mapping[str, Callable[[Commands, Sequence[Word], Where], None]] = {
    ".": Commands.source,
    "[": Commands.test,
    "alias": Commands.alias,
    "command": Commands.command,
    "coproc": Commands.coproc,
    "env": Commands.env,
    "eval": Commands.eval,
    "fd": Commands.find,
    "fdfind": Commands.find,
    "find": Commands.find,
    "hash": Commands.hash,
    "let": Commands.let,
    "mapfile": Commands.mapfile,
    "readarray": Commands.mapfile,
    "source": Commands.source,
    "test": Commands.test,
    "trap": Commands.trap,
    "xargs": Commands.xargs,
}
