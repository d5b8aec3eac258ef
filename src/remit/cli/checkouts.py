"""Asking git about a checkout, so that nothing of the checkout is run.

A repository's own configuration can name programs (``core.fsmonitor``, hooks, filters). What is
asked here reads objects only: no index is refreshed, no filter applied, nothing fetched.
"""

import os
import subprocess
from pathlib import Path

from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.importing.origins import Checkout, parse_tree

_TIMEOUT_S = 120
_SAFE = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never",
    "-c", "core.pager=cat",
)  # fmt: skip


def ask_git(directory: Path) -> Checkout:
    """What is checked out in ``directory``.

    Raises:
        ImportRefusedError: git is not installed, or does not answer.
    """
    commit = _git(directory, "rev-parse", "--verify", "HEAD^{commit}").strip().decode("ascii")
    tree = _git(directory, "ls-tree", "-r", "-z", "--full-tree", commit)
    remote = _git(directory, "config", "--get", "remote.origin.url", missing=True)
    return Checkout(
        commit=commit,
        remote=remote.decode("utf-8", "replace").strip(),
        blobs=parse_tree(tree),
    )


def _git(directory: Path, *arguments: str, missing: bool = False) -> bytes:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env = {**kept, "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0",
           "LC_ALL": "C"}  # fmt: skip
    # The directory is the root of the checkout: a repository further up would be another one.
    place = ["--git-dir", str(directory / ".git")]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and no shell
            ["git", *_SAFE, *place, *arguments],  # noqa: S607 - the user's own git
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise ImportRefusedError(
            "this is a git checkout, and git is not installed",
            hint="install git: it says which commit the files are of",
        ) from None
    except subprocess.TimeoutExpired:
        raise ImportRefusedError(f"git did not answer in {_TIMEOUT_S} s") from None
    if done.returncode == 0 or (missing and done.returncode == 1):
        return done.stdout
    said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
    raise ImportRefusedError(f"git does not say what is checked out: {said}")
