"""A request and a person, for tests of what is signed."""

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from remit.approvals.decision import Approver
from remit.approvals.request import Action, Request
from remit.attest.ecdsa import FileSigner
from remit.core.event import ToolClass

NOW_US = 1_800_000_000_000_000
SIGNER = FileSigner(ec.generate_private_key(ec.SECP256R1()))
ANN = Approver(id="ann", name="Ann Lee", key=SIGNER.public.der)
ACTION = Action(
    agent="claude-code", executable="/opt/claude", user="carl", on_behalf_of="svc", session="S",
    server="bank", name="bank/pay", schema_digest="sha256:aa", arguments='{"amount":50,"to":"x"}',
    policy_digest="sha256:bb",
)  # fmt: skip
REQUEST = Request(
    id="APR-1", guard="remit.example/guard/1", action=ACTION, rule="one", reason="More than 10",
    approvers="treasury", quorum=1, max_uses=2, tool_class=ToolClass.DESTRUCTIVE,
    findings=("secret",), labels=("untrusted",), requested_us=NOW_US,
    expires_us=NOW_US + 600_000_000, nonce="00" * 16, index=7,
)  # fmt: skip


def request(**changes):
    """The request with other members; those of its action are taken apart."""
    inner = {k: v for k, v in changes.items() if k in Action.__struct_fields__}
    outer = {k: v for k, v in changes.items() if k not in inner}
    return msgspec.structs.replace(
        REQUEST, action=msgspec.structs.replace(ACTION, **inner), **outer
    )
