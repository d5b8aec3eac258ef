"""Write the golden evidence: every byte follows from fixed keys, clocks, salts and nonces.

    python vectors/approvals/generate.py [DIRECTORY]

The verifier is ``spec/verify_approval.py``, which shares no code with this generator.
"""

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from remit.approvals.decision import check, statement
from remit.approvals.enrolment import enrol, enrolled
from remit.approvals.rendering import iso
from remit.approvals.request import Action, Request
from remit.attest.bundle import dump_bundle
from remit.attest.cipher import SubjectCipher
from remit.attest.dsse import sign, verify
from remit.attest.ecdsa import PublicKey
from remit.attest.keys import LogKey
from remit.attest.notes import verify as verify_note
from remit.audit.disk import Disk
from remit.audit.merkle import leaf_hash
from remit.audit.record import commitment, leaf_bytes
from remit.audit.store import Pending, Store
from remit.core.canonical import digest_bytes
from remit.core.digest import sha256
from remit.core.event import ToolClass
from remit.guard.approvals.evidence import Log, evidence
from remit.guard.store.approvals import ApprovalStore, Said

KEY = LogKey("remit.example/guard/1", b"\x07" * 32)
GUARD = KEY.name
START_US = 1_800_000_000_000_000
MINUTE_US = 60_000_000


def fixed(text, count):
    """Bytes that are as good as random ones, and always the same."""
    return hashlib.sha256(text.encode()).digest()[:count]


class Signer:
    """A P-256 key made of its name; signs as RFC 6979 says, so always the same."""

    def __init__(self, user):
        self._key = ec.derive_private_key(
            int.from_bytes(fixed(user, 31), "big") + 1, ec.SECP256R1()
        )
        self.public = PublicKey(
            self._key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def sign(self, message):
        return self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class Writer:
    """A log that gets a record a second, each in a commit of its own."""

    def __init__(self, directory):
        # Without the thread of `Log`, whose group commits would differ each time.
        self._store = Store(directory, Disk(), KEY, None, reserve_bytes=0)
        self.seq = 0

    @property
    def now_us(self):
        return START_US + self.seq * 1_000_000

    def note(self, kind, **body):
        head = {
            "v": 1, "log": GUARD, "seq": self.seq, "time": self.now_us, "boot": "boot-1",
            "mono_ns": self.seq * 1_000_000_000, "prev": self._store.last.hex(),
            "batch": self.seq, "kind": kind,
        }  # fmt: skip
        leaf = leaf_bytes(head, body)
        batch = [Pending(leaf, leaf_hash(leaf))]
        self._store.commit(batch)
        self._store.grow(batch)
        self.seq += 1
        return self.seq - 1

    def close(self):
        self._store.checkpoint(keep=True)
        self._store.close()


class Scene:
    """A Guard's state: a log and a store, filled as Guard does it."""

    def __init__(self, state):
        name = hashlib.sha256(GUARD.encode()).hexdigest()
        self.directory = state / "audit" / name
        self.directory.parent.mkdir()
        self.log = Writer(self.directory)
        (state / "keys").mkdir(mode=0o700)
        cipher = SubjectCipher(
            state / "keys" / "subjects", entropy=lambda count: fixed("cipher", count)
        )
        self.store = ApprovalStore(state / "approvals.db", cipher)

    def enrol(self, user, name):
        signer = Signer(user)
        envelope = enrol(user, name, GUARD, signer)
        approver, payload = enrolled(envelope, signer.public, GUARD, self.log.now_us)
        self.log.note(
            "approver.enrol", user=user, name=name, key=signer.public.fingerprint,
            attestation=sha256(payload), by="admin",
        )  # fmt: skip
        self.store.enrol(approver, dump_bundle(envelope, signer.public))
        return approver, signer

    def ask(self, number, arguments, max_uses=1):
        now_us = self.log.now_us
        action = Action(
            agent="claude-code",
            executable="/usr/bin/claude",
            user="älice",
            session="01JREMITVECT0R000000SESS10N",
            server="bank",
            name="bank/transfer",
            schema_digest=sha256(b"schema"),
            arguments=digest_bytes(arguments).decode(),
            policy_digest=sha256(b"policy"),
        )
        request = Request(
            id=f"APR-01JREMITVECT0R{number:012d}",
            guard=GUARD,
            action=action,
            rule="transfers-need-two-people",
            reason="Transfers above 1000 EUR need two finance managers",
            approvers="finance-managers",
            quorum=2,
            max_uses=max_uses,
            tool_class=ToolClass.DESTRUCTIVE,
            findings=("pii:iban",),
            labels=("untrusted",),
            requested_us=now_us,
            expires_us=now_us + 30 * MINUTE_US,
            nonce=fixed(f"nonce {number}", 16).hex(),
            index=self.log.seq,
        )
        self.log.note(
            "approval.request", request=request.id, digest=action.digest,
            actor={"agent": action.agent, "user": action.user}, session=action.session,
            call=f"01JREMITVECT0RCA{number:010d}",
            action={"server": action.server, "name": action.name}, rule=request.rule,
            approvers=request.approvers, quorum=2, expires_us=request.expires_us,
            policy_digest=action.policy_digest,
            args_c=commitment(fixed(f"salt {number}", 16), action.arguments.encode()),
        )  # fmt: skip
        self.store.add(request)
        return request

    def say(self, request, person, word, reason, ticket, uses=1):
        approver, signer = person
        now_us = self.log.now_us
        words = {"reason": reason, "ticket": ticket, "signed_us": now_us, "uses": uses}
        envelope = sign(statement(request, approver, word, **words), signer)
        said = check(verify(envelope, signer.public), request, approver, now_us)
        self.log.note(
            "approval.decision", request=request.id, digest=request.action.digest,
            approver=approver.id, name=approver.name, decision=word, reason=reason, ticket=ticket,
            signed_at=iso(now_us), attestation=said.digest, key=signer.public.fingerprint,
            source="socket:admin",
        )  # fmt: skip
        bundle = dump_bundle(envelope, signer.public)
        self.store.say(Said(decided=said, key=approver.key, bundle=bundle))
        return said

    def use(self, request, said):
        digests = [one.digest for one in said]
        limit = min(one.uses for one in said)
        self.store.use(request.id, digests, limit, self.log.now_us)
        self.log.note(
            "approval.consume", request=request.id, digest=request.action.digest,
            call="01JREMITVECT0RCA0000000009", session=request.action.session,
            approvers=[one.approver for one in said], attestations=digests,
        )  # fmt: skip


def generate(target: Path) -> None:
    """Write ``used.json``, ``denied.json``, ``log/`` and the public keys into ``target``."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        scene = Scene(state)
        scene.log.note("guard.start", pid=1)
        ann, ben = scene.enrol("ann", "Ann Lee"), scene.enrol("ben", "Bén Groß")
        paid = scene.ask(1, {"amount": 1200.5, "iban": "DE02120300000000202051", "to": "Söhne"})
        yes = [scene.say(paid, ann, "approve", "checked with the supplier", "CHG-123")]
        yes.append(scene.say(paid, ben, "approve", "", ""))
        scene.use(paid, yes)
        refused = scene.ask(2, {"amount": 9000, "to": "\u0430dmin"})
        scene.say(refused, ann, "deny", "that is no Latin \u0430", "")
        scene.log.note("guard.stop")
        scene.log.close()
        scene.store.close()
        log = Log(scene.directory, KEY.vkey, lambda note: verify_note(note, KEY.verifier))
        (target / "used.json").write_bytes(evidence(state, paid.id, log))
        (target / "denied.json").write_bytes(evidence(state, refused.id, log))
        shutil.rmtree(target / "log", ignore_errors=True)
        for part in ("seg", "log.vkey", "checkpoint"):
            source = scene.directory / part
            (target / "log").mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / "log" / part, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, target / "log" / part)
        for approver, signer in (ann, ben):
            (target / f"{approver.id}.pem").write_text(signer.public.pem)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
