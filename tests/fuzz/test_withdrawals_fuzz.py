"""What Hubs say is withdrawn: nothing of it breaks Guard, or makes a withdrawal weaker."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.review import _withdrawals
from remit.core.digest import sha256
from remit.guard.admission.withdrawn import Withdrawn, heard

NOW = 1_795_712_400_000_000
DIGEST = sha256(b"it")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ENTRY = st.dictionaries(
    st.sampled_from(["repository", "digest", "state", "reason", "changedAt", "policy", "x"]),
    JSON | st.sampled_from([
        DIGEST, "sha512:" + "a" * 128, "team/echo", "../..", "withdrawn", "2026-01-02T03:04:05Z",
        "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "\x1b[2J\u202e",
    ]),
)  # fmt: skip


@given(st.lists(ENTRY, max_size=5), JSON, JSON)
def test_a_list_of_a_hub(entries, following, more):
    data = json.dumps({"withdrawals": entries, "next": following, "more": more}).encode()
    try:
        found = _withdrawals(data, "", "ask").found
    except ArtifactError:
        return
    for each in found:
        read = heard("hub.example", each, NOW)
        if read is not None:
            assert is_digest(read.digest)
            assert read.error().message.isprintable()
            assert len(read.error().message) < 300


@given(st.lists(ENTRY, max_size=5))
def test_what_was_withdrawn_stays_so(entries):
    said = {"repository": "team/echo", "digest": DIGEST, "changedAt": "2026-11-01T00:00:00Z"}
    first = heard("hub.example", said, NOW)
    with tempfile.TemporaryDirectory() as directory:
        here = Withdrawn(Path(directory))
        here.hear([first])
        here.hear(filter(None, (heard("hub.example", each, NOW) for each in entries)))
        here.keep()
        there = Withdrawn(Path(directory))
        there.load()
        for memory in (here, there):
            name = Reference(host="hub.example", repository="team/echo", digest=DIGEST)
            assert memory.about(name).stands(first.changed_us)
