"""Which scanners and rules a worker has: what was scanned by others is scanned again."""

from remit.core.digest import Digest, sha256
from remit.hub.jobs.materialise import CONTENTS, RULES


def fingerprint() -> Digest:
    """Digest of every scanner of this machine, its version and its rules. Imports all of them."""
    from remit.scan.base import scanners
    from remit.scan.external import environments

    said = [f"{CONTENTS} {RULES}"]
    said += [f"{name} {each.version} {each.rules}" for name, each in scanners().items()]
    for name in environments.available():
        environment = environments.installed(name)
        if environment is not None:
            said.append(f"{name} {environment.record.version} {environment.rules()}")
    return sha256("\n".join(sorted(said)).encode())
