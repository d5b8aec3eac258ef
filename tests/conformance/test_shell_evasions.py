"""Shell commands that hide what they start: none may look harmless.

The last tests run command lines in a real bash whose PATH holds only stubs that write down their
names: whatever starts must be in ``commands`` (or the fact must have failed, or say ``dynamic``).
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")
LINE = FactSpec("sh", "shell", ("*",), ("q",), options_for("shell", {}))
ARGV = FactSpec("sh", "shell", ("*",), ("q",), options_for("shell", {"form": "argv"}))

# Each of these starts `rm`, or may.
STARTS_RM = [
    "rm x",
    "r\\m x",
    "\\rm x",
    "'rm' x",
    "'r'm x",
    "r''m x",
    'r""m x',
    '"rm" x',
    '"r"\'m\' x',
    "$'rm' x",
    "$'\\x72m' x",
    "$'\\162\\155' x",
    "$'\\u0072m' x",
    '$"rm" x',
    "/bin/rm x",
    "/bin//rm x",
    "../../bin/rm x",
    "~/../bin/rm x",
    "/bin/r?m x",
    "/bin/[r]m x",
    "/b*/rm x",
    "{rm,-rf,x}",
    "r{m,} x",
    "$X x",
    "${X} x",
    "${X}m x",
    "r$Xm x",
    "r${X}m x",
    "r$@m x",
    'r"$@"m x',
    "r$(echo)m x",
    "r`echo`m x",
    "$(echo rm) x",
    "`echo rm` x",
    "$(which rm) x",
    "X=rm; $X x",
    "X=rm $X x",
    "set -- rm x; $@",
    "a=(rm x); ${a[@]}",
    "r\\\nm x",
    "ls;rm x",
    "ls\nrm x",
    "ls&&rm x",
    "ls||rm x",
    "ls|rm x",
    "ls|&rm x",
    "ls&rm x",
    "ls # c\nrm x",
    "ls #\\\nrm x",
    "echo a#b;rm x",
    "echo $(rm x)",
    "echo `rm x`",
    'echo "$(rm x)"',
    'echo "`rm x`"',
    "echo `echo \\`rm x\\``",
    'echo "${X:-$(rm x)}"',
    "echo ${X:-`rm x`}",
    "echo ${X:=$(rm x)}",
    "echo ${X/$(rm x)/b}",
    "echo ${X:$(rm x)}",
    "echo $((1+$(rm x)))",
    "echo $[1+$(rm x)]",
    "echo $((a[$(rm x)]))",
    "(( $(rm x) ))",
    "[[ $(rm x) ]]",
    "[ $(rm x) ]",
    "[[ -n a && $(rm x) ]]",
    "[[ a =~ $(rm x) ]]",
    "case $(rm x) in a) ;; esac",
    "case a in $(rm x)) ;; esac",
    "case a in a) rm x;; esac",
    "case a in a|b) ls;; *) rm x;; esac",
    "for i in $(rm x); do ls; done",
    "for i in a; do rm x; done",
    "for ((i=$(rm x);;)); do ls; done",
    "select i in a; do rm x; done",
    "while rm x; do ls; done",
    "until rm x; do ls; done",
    "if rm x; then ls; fi",
    "if ls; then ls; elif rm x; then ls; else ls; fi",
    "if ls; then ls; else rm x; fi",
    "(rm x)",
    "( ( rm x ) )",
    "{ rm x; }",
    "! rm x",
    "! ! rm x",
    "f() { rm x; }; f",
    "function f { rm x; }; f",
    "f() ( rm x ); f",
    "ls() { rm x; }; ls",
    "time rm x",
    "time -p rm x",
    "time { rm x; }",
    "time (rm x)",
    "coproc rm x",
    "coproc N { rm x; }",
    "command rm x",
    "command -p rm x",
    "builtin command rm x",
    "exec rm x",
    "exec -a ls rm x",
    "exec -cl rm x",
    "env rm x",
    "env -i rm x",
    "env A=b rm x",
    "env -u A rm x",
    "env -uA rm x",
    "env --unset=A rm x",
    "env --unset A rm x",
    "env - rm x",
    "env -- rm x",
    "env -S 'rm x'",
    "env -S'rm x'",
    "env --split-string='rm x'",
    "env -iS 'rm x'",
    "env -vS 'rm x'",
    "env env rm x",
    "sudo rm x",
    "sudo -u bob rm x",
    "sudo -ubob rm x",
    "sudo -nu bob rm x",
    "sudo --user bob rm x",
    "sudo --user=bob rm x",
    "sudo -i rm x",
    "sudo -s rm x",
    "sudo A=b rm x",
    "sudo --weird rm x",
    "doas rm x",
    "nohup rm x",
    "nice rm x",
    "nice -n 5 rm x",
    "nice -5 rm x",
    "nice -n5 rm x",
    "nice --adjustment=5 rm x",
    "timeout 5 rm x",
    "timeout -s KILL 5 rm x",
    "timeout -k 1 5 rm x",
    "timeout --signal=KILL 5 rm x",
    "setsid rm x",
    "stdbuf -oL rm x",
    "stdbuf -o L rm x",
    "ionice -c 3 rm x",
    "chroot / rm x",
    "flock /tmp/l rm x",
    "flock /tmp/l -c 'rm x'",
    "busybox rm x",
    "xargs rm",
    "xargs -0 -n 1 rm",
    "xargs -I {} rm {}",
    "xargs -I{} {} x",
    "xargs -i rm {}",
    "xargs env",
    "xargs sh -c 'rm x'",
    "echo rm x | xargs -I{} sh -c '{}'",
    "echo x | xargs sh -c 'rm \"$0\"'",
    "parallel rm ::: x",
    "watch rm x",
    "strace rm x",
    "su -c 'rm x'",
    "script -c 'rm x'",
    "unshare rm x",
    "systemd-run rm x",
    "find . -exec rm {} \\;",
    "find . -exec rm {} ';'",
    "find . -exec rm {} +",
    "find . -execdir rm {} \\;",
    "find . -ok rm {} \\;",
    "find . -exec ls \\; -exec rm {} \\;",
    "find . -exec env rm {} \\;",
    "find . -exec sh -c 'rm x' \\;",
    "find . -exec {} \\;",
    "find . $X",
    "fd . -x rm",
    "bash -c 'rm x'",
    'bash -c "rm x"',
    "bash -lc 'rm x'",
    "bash -c -e 'rm x'",
    "bash -ec 'rm x'",
    "bash -o pipefail -c 'rm x'",
    "bash -eo pipefail -c 'rm x'",
    "bash +o posix -c 'rm x'",
    "bash --norc -c 'rm x'",
    "bash -c 'bash -c \"rm x\"'",
    "sh -c 'rm x'",
    "dash -c 'rm x'",
    "/bin/sh -c 'rm x'",
    "sudo sh -c 'rm x'",
    "bash -c $'rm x'",
    'bash -c "$X"',
    "bash -c '$0 x' rm",
    "bash -c '\"$@\"' _ rm x",
    "eval rm x",
    "eval 'rm x'",
    'eval "r"m x',
    "eval $X",
    'eval "$(echo rm x)"',
    "trap 'rm x' EXIT",
    "trap -- 'rm x' EXIT",
    "alias ls='rm x'; ls",
    "shopt -s expand_aliases; alias l=rm\nl x",
    "hash -p /bin/rm ls; ls x",
    "enable -f x.so rm",
    "mapfile -C 'rm x' -c 1 a",
    "PATH=/evil ls",
    "export PATH=/evil; ls",
    "declare -x PATH=/evil; ls",
    "read PATH; ls",
    "printf -v PATH /evil; ls",
    "for PATH in /evil; do ls; done",
    "env PATH=/evil ls",
    "LD_PRELOAD=x.so ls",
    "BASH_ENV=x bash -c ls",
    "PROMPT_COMMAND='rm x' bash -i",
    "PS4='$(rm x)'; set -x; ls",
    "GIT_SSH_COMMAND='rm x' git fetch",
    "x='$(rm x)'; echo ${x@P}",
    "x='a[$(rm x)]'; echo $((x))",
    "x='a[$(rm x)]'; ((x))",
    "x='a[$(rm x)]'; [[ x -eq 1 ]]",
    "[[ 'a[$(rm x)]' -eq 1 ]]",
    "test -v 'a[$(rm x)]'",
    "printf -v 'a[$(rm x)]' y",
    "unset 'a[$(rm x)]'",
    "let 'a[$(rm x)]=1'",
    "let 'x=a[$(rm x)]'",
    "read 'a[$(rm x)]' < f",
    "declare 'a[$(rm x)]=1'",
    "x=a\\[\\$\\(rm\\ x\\)\\]; echo $((x))",
    "y='[$(rm x)]'; x=a$y; echo $((x))",
    "echo 'a[$(rm x)]' | while read x; do echo $((x)); done",
    "echo > >(rm x)",
    "ls < <(rm x)",
    "ls <(rm x)",
    "ls <<< $(rm x)",
    "ls > $(rm x)",
    'ls 2> "$(rm x)"',
    "X=$(rm x)",
    "X=$(rm x) ls",
    "export X=$(rm x)",
    "local X=`rm x`",
    "a=($(rm x))",
    "a[$(rm x)]=1",
    "cat <<EOF\n$(rm x)\nEOF\n",
    "cat <<EOF\ntext `rm x` text\nEOF\n",
    "cat <<EOF\ntext ${X:-$(rm x)}\nEOF\n",
    "cat <<EOF\ntext\nEOF\nrm x\n",
    "cat <<'EOF'\ntext\nEOF\nrm x\n",
    "cat <<-EOF\n\ttext\n\tEOF\nrm x\n",
    "cat <<EOF\nEO\\\nF\nrm x\nEOF\n",
    "cat <<-EOF\n\t\\\nEOF\nrm x\nEOF\n",
    "cat <<'E''OF'\nEOF\nrm x\nEOF\n",
    'cat <<E"O"F\nEOF\nrm x\nEOF\n',
    "cat <<\\EOF\nEOF\nrm x\nEOF\n",
    "cat <<EOF; rm x\ntext\nEOF\n",
    "cat <<EOF | rm x\ntext\nEOF\n",
    "cat <<EOF && rm x\ntext\nEOF\n",
    "cat <<A <<B\nx\nA\ny\nB\nrm x\n",
    "sudo <<EOF rm x\ntext\nEOF\n",
    "ls\rrm x",
    "ls\x0brm x",
    "ls\x00rm x",
    "rm\u00a0x",
    "\u202erm x",
    "\u200brm x",
    "\ufeffrm x",
    "rm\u2028x",
    "a=b rm x",
    "a+=b rm x",
    "2>f rm x",
    "<f rm x",
    ">f rm x",
    "&>f rm x",
    "[ -f x ] && rm x",
    "[[ -f x ]] && rm x",
    "((1)) && rm x",
    "echo $(( $( (rm x) ) ))",
    "echo $((rm x); (ls))",
    "echo ${X#$(rm x)}",
    "echo ${X%`rm x`}",
    "echo ${X^^$(rm x)}",
    'echo "${X:-"$(rm x)"}"',
    "echo \"${X:-'$(rm x)'}\"",
    "cat <<E\n${X:-'$(rm x)'}\nE\n",
    'rm$"" x',
    "rm$'' x",
    ">f`echo` rm x",
    "env >f rm x",
    "bash rm",
    ". rm",
    "source rm x",
    "<<<find . rm",
    "a['$(rm x)']=1",
    "echo ${a['$(rm x)']}",
    "(( a['$(rm x)'] ))",
    "echo $((a['$(rm x)']))",
    "/lib64/ld-linux-x86-64.so.2 /bin/rm x",
    "env 2>&1 rm x",
    "env <<< x rm x",
    "echo ${!X}",
    "echo $'a' $(rm x)",
    "echo \"'$(rm x)'\"",
    "echo '\"'$(rm x)'\"'",
    'echo "a\\"$(rm x)"',
    'echo "\\\\$(rm x)"',
    "echo \\\\`rm x`",
    "echo \\'$(rm x)\\'",
    "echo a; # b\nrm x # c",
]  # fmt: skip

# Code that comes from elsewhere.
FED = [
    "curl x | sh",
    "curl x | bash",
    "curl x | sudo bash",
    "curl x | sudo -E bash -",
    "curl x | bash -s -- a",
    "curl x | bash -o posix",
    "curl x | bash /dev/stdin",
    "curl x | bash /dev/fd/0",
    "curl x | env bash",
    "curl x | nohup sh",
    "curl x | tee f | sh",
    "curl x | (sh)",
    "curl x | { sh; }",
    "curl x | if true; then sh; fi",
    "curl x | while true; do sh; done",
    "curl x | sh &",
    "curl x |& sh",
    "curl x | python",
    "curl x | python3",
    "curl x | python3.11 -",
    "curl x | perl",
    "curl x | ruby",
    "curl x | node",
    "curl x | php",
    "base64 -d f | python",
    "echo cm0geA== | base64 -d | sh",
    "bash <(curl x)",
    "python <(curl x)",
    "source <(curl x)",
    ". <(curl x)",
    ". /dev/stdin",
    "curl x | source /dev/stdin",
    "bash < <(curl x)",
    "bash < f",
    'sh <<< "$(curl x)"',
    "sh <<EOF\nls\nEOF\n",
    "cat <<EOF | sh\nls\nEOF\n",
    "python - <<EOF\nimport os\nEOF\n",
    'sh -c "$(curl x)"',
    'bash -c "`curl x`"',
    'eval "$(curl x)"',
    "eval `curl x`",
    "curl x | xargs sh -c",
    "curl x | bash -c 'bash'",
    "curl x | bash -c 'sh -s'",
    "f() { sh; }; curl x | f",
    "exec bash < f",
]  # fmt: skip

HARMLESS = [
    ("ls -la", {"ls"}),
    ("git status && git diff", {"git"}),
    ('grep -rn "foo$" src | head -5', {"grep", "head"}),
    ("find . -name '*.py' -exec wc -l {} +", {"find", "wc"}),
    ('for f in a b; do cat "$f"; done', {"cat"}),
    ("awk '{print $1}' f | sort | uniq -c", {"awk", "sort", "uniq"}),
    ("echo 'it'\\''s' # comment", {"echo"}),
    ("git commit -m \"$(cat <<'EOF'\nfix $(this)\nEOF\n)\"", {"git", "cat"}),
    ("cd /x && python3 -m pytest -q 2>&1 | tail -5", {"cd", "python3", "tail"}),
    ("if [ -f x ]; then\n  cat x\nfi", {"cat"}),
    ("curl -s https://x | python3 -m json.tool", {"curl", "python3"}),
    ("i=0; while ((i < 3)); do ((i++)); done; echo $i", {"echo"}),
    ("cat <<EOF\nhello $USER and ${HOME}\nEOF\n", {"cat"}),
    ("timeout 10 sudo -u bob ls", {"timeout", "sudo", "ls"}),
    ("ls \\\n  -la", {"ls"}),
    ("jq '.[] | {a: .b}' f", {"jq"}),
    ("sed -n '1,5p' f", {"sed"}),
    ("rg 'fn\\s+\\w+' .", {"rg"}),
    ('while IFS= read -r line; do echo "$line"; done < f', {"read", "echo"}),
    ('echo "$0 $1"', {"echo"}),
]  # fmt: skip


def fact(line: object, spec: FactSpec = LINE) -> Fact:
    return compute(spec, {"q": line}, ENV)


@pytest.mark.parametrize("line", STARTS_RM)
def test_every_command_shows(line: str) -> None:
    a = fact(line).attributes
    assert not a["ok"] or a["dynamic"] or {"rm"} <= set(a["commands"])
    assert not a["ok"] or not a["dynamic"] or "unknown" in a["commands"] or "rm" in a["commands"]


@pytest.mark.parametrize("line", FED)
def test_every_fed_interpreter_shows(line: str) -> None:
    a = fact(line).attributes
    assert not a["ok"] or a["pipes_to_interpreter"]


@pytest.mark.parametrize(("line", "commands"), HARMLESS)
def test_plain_commands_are_understood(line: str, commands: set[str]) -> None:
    found = fact(line)
    assert found.problem == ""
    assert set(found.attributes["commands"]) == commands
    assert not found.attributes["dynamic"]
    assert not found.attributes["pipes_to_interpreter"]


def test_the_corpus_is_large() -> None:
    assert len(STARTS_RM) + len(FED) >= 80


NAMES = [
    "rm", "ls", "cat", "echo2", "curl", "git", "tee", "wc", "sort", "a", "b", "c", "x", "l",
]  # fmt: skip
REAL = ["env", "nice", "nohup", "timeout", "xargs", "find", "setsid", "stdbuf", "bash", "sh"]


class Bash:
    """A bash in an empty directory that can start nothing but stubs and a few real wrappers."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.work = directory / "work"
        self.log = directory / "log"
        self.bin.mkdir()
        bash = shutil.which("bash")
        assert bash is not None
        self.bash = bash
        for name in NAMES:
            stub = self.bin / name
            stub.write_text(f"#!{bash}\necho {name} >> {self.log}\n")
            stub.chmod(0o755)
        sudo = self.bin / "sudo"
        sudo.write_text(
            f'#!{bash}\necho sudo >> {self.log}\nwhile [[ $1 == -* ]]; do shift; done\n"$@"\n'
        )
        sudo.chmod(0o755)
        for name in REAL:
            real = shutil.which(name)
            if real is not None:
                (self.bin / name).symlink_to(real)

    def started(self, line: str) -> set[str]:
        """Names of the stubs that ``line`` started."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.log.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            subprocess.run(
                [self.bash, "--noprofile", "--norc", "-c", line],
                cwd=self.work,
                env={"PATH": str(self.bin), "HOME": str(self.work)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=3,
                check=False,
                start_new_session=True,
            )
        return set(self.log.read_text().split()) if self.log.exists() else set()


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Bash:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    return Bash(tmp_path_factory.mktemp("bash"))


def agrees(bash: Bash, line: str) -> bool:
    """Run ``line``; whether something of it was checked."""
    a = fact(line).attributes
    if not a["ok"] or a["dynamic"] or a["pipes_to_interpreter"]:
        return False
    started = bash.started(line)
    assert started <= set(a["commands"]), (line, started, a["commands"])
    return bool(started)


def _safe(line: str) -> bool:
    """Nothing outside of the test's directory may be named."""
    return "/" not in line and "\0" not in line and "while" not in line and "until" not in line


def test_bash_agrees_on_the_corpus(bash: Bash) -> None:
    lines = [line for line in STARTS_RM + [line for line, _ in HARMLESS] if _safe(line)]
    assert sum(agrees(bash, line) for line in lines) >= 40


PIECES = st.sampled_from([
    "rm", "ls", "cat", "x", "a", "b", "env ", "nice ", "timeout 1 ", "sudo ", "nohup ", "bash -c ",
    "sh -c ", "xargs ", "exec ", "command ", "eval ", "builtin ", "time ", "coproc ", "trap ",
    " ", " ", " ", "\n", ";", "&", "|", "&&", "||", "|&", "(", ")", "{ ", "; }", "$(", "`", "<(", ">(",
    "'", '"', "\\", "$", "$'", '$"', "#", " # ", "\\\n", "<<E\n", "\nE\n", "<<'E'\n", "<<-E\n", "<<<",
    ">f", "2>f", "<f", "&>f", ">&2", "A=", "A=b ", "a=(", "[", "]", "[[ ", " ]]", "[ ", " ]", "((", "))",
    "$((", "${A:-", "}", "${A}", "$A", "if ", "; then ", "; else ", "; fi", "for i in ", "; do ", "; done",
    "case a in ", "a) ", ";; ", "esac", "f() ", "function f ", "! ", "-exec ", " {} ", "\\;", "find . ",
    "*", "?", "~", "{a,b}", "{1..3}", "!", "=", "-", "--", "\t", "é", "%", "@", "+", ":", ",", ".",
])  # fmt: skip
LINES = st.lists(PIECES, min_size=1, max_size=14).map("".join)
SHAPES = st.sampled_from([
    "{0}; {1}", "echo2 $({0}) {1}", "`{0}` {1}", "if {0}; then {1}; fi", "{0} | {1}", "( {0} ) && {1}",
    "f() {{ {0}; }}; f; {1}", "bash -c '{0}'; {1}", 'bash -c "{0}"; {1}', "cat <<E\n{0}\nE\n{1}",
    "cat <<'E'\n{0}\nE\n{1}", 'echo2 "{0}" {1}', "echo2 '{0}' {1}", "{0} # {1}", "x={0} {1}",
    "case a in a) {0};; *) {1};; esac", "for i in a; do {0}; done; {1}", "eval '{0}'; {1}",
    "env A=b {0}; {1}", "{0} > f; {1}", "a=({0}); {1}", "[[ {0} ]] && {1}", "$(( {0} )); {1}",
    "echo2 ${{A:-{0}}} {1}", "{{ {0}; }}; {1}", "! {0}; {1}", "trap '{0}' EXIT; {1}",
])  # fmt: skip
SHAPED = st.builds(lambda shape, a, b: shape.format(a, b), SHAPES, LINES, LINES)


@settings(max_examples=int(os.environ.get("REMIT_BASH_EXAMPLES", "150")))
@given(line=st.one_of(LINES, SHAPED))
def test_bash_agrees_on_generated_lines(bash: Bash, line: str) -> None:
    if _safe(line):
        agrees(bash, line)
