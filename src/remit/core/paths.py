"""Where programs of this user keep their state."""

import sys
from collections.abc import Mapping
from pathlib import Path


def user_state(environ: Mapping[str, str]) -> Path:
    """The user's directory for state, by the custom of the platform."""
    if environ.get("REMIT_STATE"):
        return Path(environ["REMIT_STATE"])
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "remit"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "remit"
    return Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "remit"
