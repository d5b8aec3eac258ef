"""A scanner for tests, run as real ones are: in an environment of its own, in the sandbox."""

import shutil
import subprocess
import sys
import textwrap

import msgspec

from remit.core.digest import sha256
from remit.scan.external import environments
from remit.scan.external.environments import RECORD, Record, place_of

NAME = "picklescan"  # its lock file and driver are there; what is installed is ours
_SCANNER = """
import enum, types

class SafetyLevel(enum.Enum):
    Innocuous = 1
    Suspicious = 2
    Dangerous = 3

def scan_file_path(path):
{body}
"""
CLEAN = "    return types.SimpleNamespace(globals=[], scanned_files=1, scan_err=False)"


def install(where, body=CLEAN, version="1.0.5"):
    """An environment with a package that is called as picklescan is."""
    place = place_of(NAME, where)
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True, timeout=60
    )
    site = next((place / "lib").glob("python3*")) / "site-packages"
    (site / "numpy.py").write_text("")
    package = site / "picklescan"
    package.mkdir()
    (package / "__init__.py").write_text("")
    text = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    (package / "scanner.py").write_text(_SCANNER.format(body=text))
    info = site / "picklescan-1.0.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: picklescan\nVersion: {version}\n")
    record = Record(
        name=NAME, version="1.0.5", lock=sha256(environments.lock_of(NAME)), python="3",
        base=sys.base_prefix, installed=0,
    )  # fmt: skip
    (place / RECORD).write_bytes(msgspec.json.encode(record))
    return environments.installed(NAME, where)
