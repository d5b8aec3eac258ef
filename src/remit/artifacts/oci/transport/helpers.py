"""Credential helpers: programs ``docker-credential-NAME`` that keep secrets (Docker's protocol).

``docker-credential-NAME get`` reads the name of a server and answers with a JSON object:
``ServerURL``, ``Username`` (``<token>`` for an identity token), ``Secret``.
"""

import json
import re
import shutil
import subprocess

from remit.artifacts.oci.auth import Credentials
from remit.artifacts.oci.credentials import CredentialsError
from remit.core.text import printable

WAIT_S = 60.0
MAX_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_NONE = b"credentials not found"


def ask(name: str, server: str) -> Credentials | None:
    """What the helper ``name`` keeps for ``server``; None if it keeps nothing.

    Raises:
        CredentialsError: there is no such helper, or it fails.
    """
    program = f"docker-credential-{name}"
    path = shutil.which(program) if _NAME.fullmatch(name) else None
    if path is None:
        raise CredentialsError(
            f"the credential helper `{printable(program, 80)}` is not installed",
            hint="install it, or take it out of the configuration of docker",
        )
    try:
        done = subprocess.run(  # noqa: S603 - named by the user's own configuration
            [path, "get"], input=server.encode(), capture_output=True, timeout=WAIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(f"the credential helper `{program}` does not answer") from error
    if done.returncode:
        if _NONE in (done.stdout + done.stderr).lower():
            return None
        # Its output is not shown: it may hold the secret.
        raise CredentialsError(
            f"the credential helper `{program}` failed with status {done.returncode}"
        )
    try:
        answer = json.loads(done.stdout[:MAX_BYTES])
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise CredentialsError(f"the credential helper `{program}` answers nonsense") from error
    if not isinstance(user, str) or not isinstance(secret, str):
        raise CredentialsError(f"the credential helper `{program}` answers nonsense")
    if user == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(user=user, password=secret)
