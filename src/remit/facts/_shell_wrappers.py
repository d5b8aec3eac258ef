"""Programs that start other programs: where in their arguments the other program stands.

For each: its options without a value, those with one, and how many words come before the command.
An option that is not listed makes the command line ``dynamic``: what would run is not known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from remit.facts._shell_words import Word


class Wrapper(NamedTuple):
    """How to skip a wrapper's own words.

    Attributes:
        plain: letters of short options without a value.
        valued: letters of short options with one.
        long_plain, long_valued: long options, without dashes.
        before: words between the options and the command.
        assigns: ``NAME=value`` words may stand before the command.
        digits: ``-5`` is an option.
    """

    plain: str = ""
    valued: str = ""
    long_plain: frozenset[str] = frozenset()
    long_valued: frozenset[str] = frozenset()
    before: int = 0
    assigns: bool = False
    digits: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


WRAPPERS: Mapping[str, Wrapper] = {
    "builtin": Wrapper(),
    "busybox": Wrapper(),
    "chroot": Wrapper("", "", _names("skip-chdir"), _names("groups userspec"), before=1),
    "chrt": Wrapper("abdfimorRv", "pTPD", before=1),
    "command": Wrapper("p"),
    "coproc": Wrapper(),
    "doas": Wrapper("Ln", "uCa"),
    "env": Wrapper(
        "i0v", "uC", _names("ignore-environment null debug list-signal-handling"),
        _names("unset chdir"), assigns=True,
    ),
    "exec": Wrapper("cl", "a"),
    "flock": Wrapper(
        "sxeunFo", "wE", _names("shared exclusive unlock nonblock close no-fork verbose"),
        _names("timeout wait conflict-exit-code"), before=1,
    ),
    "ionice": Wrapper("t", "cn", _names("ignore"), _names("class classdata")),
    "nice": Wrapper("", "n", frozenset(), _names("adjustment"), digits=True),
    "nohup": Wrapper(),
    "setsid": Wrapper("cfw", "", _names("ctty fork wait")),
    "stdbuf": Wrapper("", "ioe", frozenset(), _names("input output error")),
    "sudo": Wrapper(
        "AbBEHknPS", "CDghpRrtTUu",
        _names("askpass background bell preserve-env set-home reset-timestamp non-interactive "
               "preserve-groups stdin"),
        _names("close-from chdir group host prompt chroot role type command-timeout other-user "
               "user"),
        assigns=True,
    ),
    "taskset": Wrapper("a", "", _names("all-tasks"), before=1),
    "time": Wrapper(
        "pvqa", "fo", _names("portability verbose quiet append"), _names("format output")
    ),
    "timeout": Wrapper(
        "fpv", "ks", _names("foreground preserve-status verbose"), _names("kill-after signal"),
        before=1,
    ),
    "toybox": Wrapper(),
    "xargs": Wrapper(
        "0prtxo", "adEILnPs",
        _names("null interactive no-run-if-empty verbose exit open-tty"),
        _names("arg-file delimiter max-args max-procs max-chars max-lines process-slot-var"),
    ),
}  # fmt: skip

OPAQUE = frozenset({
    "at", "batch", "crontab", "dtach", "entr", "expect", "fakeroot", "firejail", "fc", "gdb",
    "ltrace", "machinectl", "nsenter", "parallel", "pkexec", "proot", "rlwrap", "runuser", "rush",
    "screen", "script", "setpriv", "start-stop-daemon", "strace", "su", "systemd-run", "tmux",
    "torsocks", "unbuffer", "unshare", "valgrind", "watch",
    "xterm", "bwrap", "runcon", "setarch",
    "linux64", "linux32", "pty", "socat", "daemonize", "dbus-run-session", "xvfb-run", "catchsegv",
    "numactl", "prlimit", "softlimit", "chpst", "run-parts", "sg", "newgrp", "enable", "ld.so",
    "chronic", "ts", "nq", "at.deny", "faketime", "bind", "complete", "compgen",
})  # fmt: skip
"""Programs that start others in ways that are not read here: always ``dynamic``."""

SHELLS = frozenset({
    "ash", "bash", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "csh", "yash", "zsh",
})  # fmt: skip

INTERPRETERS: Mapping[str, str] = {
    "bun": "e", "deno": "", "gawk": "", "lua": "e", "luajit": "e", "node": "ep", "nodejs": "ep",
    "osascript": "e", "perl": "eE", "php": "r", "pwsh": "", "powershell": "", "python": "cm",
    "ruby": "e", "Rscript": "e", "julia": "eE", "tclsh": "", "guile": "ce", "groovy": "e",
    "irb": "", "scala": "e", "racket": "e", "sqlite3": "", "psql": "", "mysql": "", "ed": "",
    "ex": "", "make": "",
}  # fmt: skip
"""Language → letters of the short options that give the program itself."""


def after(wrapper: Wrapper, args: Sequence[Word]) -> tuple[Sequence[Word], list[str]] | None:
    """The words of the wrapped command and the assignments before it; ``None`` if not known."""
    at = 0
    assigned: list[str] = []
    while at < len(args):
        arg = args[at]
        text = arg.text
        if not arg.static:
            return None
        if text == "--":
            at += 1
            break
        if text == "-" and wrapper.assigns:
            # `env -` is `env -i`.
            at += 1
            continue
        if not text.startswith("-") or text == "-":
            break
        taken = _option(wrapper, text)
        if taken is None:
            return None
        at += taken
    if wrapper.before:
        at += wrapper.before
        if at < len(args) and args[at].text.startswith("-"):
            # `flock FILE -c CODE`
            return None
    while wrapper.assigns and at < len(args) and "=" in args[at].text:
        assigned.append(args[at].text.partition("=")[0])
        at += 1
    return args[at:], assigned


def _option(wrapper: Wrapper, text: str) -> int | None:
    """How many words the option takes; ``None`` if it is not known."""
    if text.startswith("--"):
        name, equals, _ = text[2:].partition("=")
        if name in wrapper.long_valued:
            return 1 if equals else 2
        return 1 if name in wrapper.long_plain else None
    if wrapper.digits and text[1:].isdigit():
        return 1
    for at, letter in enumerate(text[1:], start=1):
        if letter in wrapper.valued:
            return 2 if at == len(text) - 1 else 1
        if letter not in wrapper.plain:
            return None
    return 1
