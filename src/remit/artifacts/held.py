"""What a registry with a gate says of an artifact that it holds back (docs/reference/hub-gate.md).

It is the ``detail`` of the refusal: state, reason and digest. Not checked here: anything. It comes
from a registry, and only explains why there is nothing to verify; what rests on it is never
verified.
"""

from typing import Any

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.examination import Check, broken
from remit.artifacts.oci.digests import parse_digest
from remit.artifacts.oci.errors import DeniedError
from remit.core.digest import Digest
from remit.core.text import printable

MAX_SHOWN = 1000
_STATES = {
    "quarantined": "is quarantined",
    "review": "waits for a curator",
    "refused": "was refused",
    "withdrawn": "was admitted once and is withdrawn",
}
_HINTS = {
    "quarantined": "ask again when its scans are done",
    "review": "a curator of the repository decides: `remit hub decide`",
}
_HINT = "`remit hub admission REF` shows what was found; a curator can look at the artifact itself"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that is not given out.

    Attributes:
        state: ``quarantined``, ``review``, ``refused`` or ``withdrawn``.
        reason: why, in one line.
        digest: of the manifest that was asked for.
    """

    state: str
    reason: str
    digest: Digest

    def check(self) -> Check:
        """The rule that it breaks."""
        return broken(
            "gate",
            f"verify.{self.state}",
            f"it {_STATES[self.state]}: {self.reason}",
            _HINTS.get(self.state, _HINT),
        )


def held(error: DeniedError, wanted: str = "") -> Held | None:
    """What a refusal says of the artifact; ``None`` if it is another refusal, or says it wrongly.

    Args:
        error: the refusal.
        wanted: the digest that was asked for; empty if a tag was.
    """
    said: Any = error.detail
    if not isinstance(said, dict):
        return None
    state, reason, digest = (said.get(each) for each in ("state", "reason", "digest"))
    if (
        not isinstance(state, str)
        or state not in _STATES
        or not isinstance(reason, str)
        or not isinstance(digest, str)
    ):
        return None
    try:
        found = parse_digest(digest)
    except ArtifactError:
        return None
    if wanted and wanted != found:
        return None
    line = " ".join(printable(reason, MAX_SHOWN).split()) or "nobody has said why"
    return Held(state=state, reason=line, digest=found)
