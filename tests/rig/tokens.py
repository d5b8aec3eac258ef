"""Where approvers keep keys: a SoftHSM token, and the keyring of a desktop session of its own."""

import os
import shutil
import subprocess
from pathlib import Path

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "271828"
HAVE_TOKEN = MODULE.exists() and shutil.which("softhsm2-util") is not None
HAVE_KEYRING = all(map(shutil.which, ("gnome-keyring-daemon", "dbus-run-session")))
_UNLOCK = (
    'printf %s pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec "$@"'
)


class Token:
    """An initialised token. ``env`` has what the module needs to find it."""

    def __init__(self, directory: Path, label: str = "remit token") -> None:
        directory.mkdir()
        (directory / "tokens").mkdir()
        config = directory / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {directory / 'tokens'}\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(config)}
        self.label = label
        self.initialise(label)

    def initialise(self, label: str) -> None:
        """Add a token."""
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "31415926"],
            env={**os.environ, **self.env}, check=True, capture_output=True, timeout=30,
        )  # fmt: skip

    def uri(self, name: str) -> str:
        """The URI of a key on it."""
        return f"pkcs11:token={self.label.replace(' ', '%20')};object={name}?module-path={MODULE}"


def desktop(directory: Path) -> tuple[list[str], dict[str, str]]:
    """What starts a program in a desktop session with an unlocked keyring, and its environment.

    The keyring is in the directory, so that the next session finds what this one kept.
    """
    data = directory / "desktop"
    data.mkdir(exist_ok=True)
    env = {"HOME": str(data), "XDG_DATA_HOME": str(data), "XDG_RUNTIME_DIR": str(data)}
    return ["dbus-run-session", "--", "sh", "-c", _UNLOCK, "x"], env
