"""Which scanners and rules a worker has: what was scanned by others is scanned again."""

from remit.core.digest import Digest, sha256
from remit.hub.jobs.materialise import CONTENTS, RULES
from remit.scan.base import NO_SETTINGS, Settings


def fingerprint(settings: Settings = NO_SETTINGS) -> Digest:
    """Digest of every scanner of this machine, its version and its rules. Imports all of them.

    Args:
        settings: of the operator; what scanners find by them counts as rules.

    Raises:
        ScanError: the database of advisories cannot be read.
    """
    from remit.scan.advisories import settled
    from remit.scan.base import fingerprint as own
    from remit.scan.external import environments

    # How old the advisories are depends on the day; that is no reason to scan all again daily.
    said = [f"{CONTENTS} {RULES}", f"own {own(settled(settings))}"]
    for name in environments.available():
        environment = environments.installed(name)
        if environment is not None:
            said.append(f"{name} {environment.record.version} {environment.rules()}")
    return sha256("\n".join(sorted(said)).encode())
