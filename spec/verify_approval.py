"""Check the evidence of an approval (approval.md) with `cryptography` only; exit 0 or 3."""

import argparse
import base64
import hashlib
import json
import re
import runpy
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

PROOF = r"c2sp\.org/tlog-proof@v1\nextra (.+)\nindex (0|[1-9]\d*)\n((?:.+\n)*)\n"
PROOF += r"((.+)\n(0|[1-9]\d*)\n(.+)\n)\n\u2014 (.+) (.+)\n"
BUNDLE = r'{"dsseEnvelope":{"payload":"(.+)","payloadType":"application/vnd\.in-toto\+json",'
BUNDLE += r'"signatures":\[{"keyid":"","sig":"(.+)"}]},"mediaType":"application/vnd\.dev\.sig'
BUNDLE += r'store\.bundle\.v0\.3\+json","verificationMaterial":{"publicKey":{"hint":"(.+)"},'
BUNDLE += r'"timestampVerificationData":{"rfc3161Timestamps":\[]},"tlogEntries":\[]}}'
APPROVAL, ENROLMENT = "https://remit.example/approval/v1", "https://remit.example/enrolment/v1"
# fmt: off
canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
def sha256(*data):
    return hashlib.sha256(b"".join(data)).digest()
def iso(us):
    return datetime.fromtimestamp(us // 10**6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
def need(holds, what):
    if not holds:
        raise ValueError(what)
def parts(pattern, text):
    need(match := re.fullmatch(pattern, text), "a proof or bundle is not as approval.md says")
    return match.groups()
def unb64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64: not canonical")
    return data
class Log:
    def __init__(self, vkey):
        self.name, key_id, key = vkey.split("+", 2)
        self.id, key, self.head = bytes.fromhex(key_id), unb64(key), None
        need(self.id == sha256(self.name.encode(), b"\n\x01", key[1:])[:4], "vkey: no Ed25519 key")
        self.key = Ed25519PublicKey.from_public_bytes(key[1:])

    def record(self, proof, kind, **members):
        """The record that a tlog-proof proves, if it is of that kind and has these members."""
        leaf, index, path, text, origin, size, root, name, blob = parts(PROOF, proof)
        leaf, index, head, blob = unb64(leaf), int(index), (int(size), unb64(root)), unb64(blob)
        need(origin == name == self.name and blob[:4] == self.id, "proof: of another log")
        self.key.verify(blob[4:], text.encode())
        need(self.head in {None, head}, "proof: below another checkpoint")
        self.head, path, digest = head, path.split("\n")[:-1], sha256(b"\x00", leaf)
        inner = (index ^ (head[0] - 1)).bit_length()  # So many steps are beside the last leaf's.
        need(index < head[0] and len(path) == inner + (index >> inner).bit_count(), "proof: length")
        for i, node in enumerate(map(unb64, path)):
            left = i >= inner or index >> i & 1
            digest = sha256(b"\x01", *((node, digest) if left else (digest, node)))
        record = {**json.loads(leaf), "log": self.name, "seq": index, "kind": kind, **members}
        need((digest, record) == (head[1], json.loads(leaf)), f"record {index}: not this {kind}")
        return record

    def uses(self, directory, names):
        """How many records of the whole log use what is called so: a request, or an approval."""
        level, uses = [], 0
        for file in sorted((directory / "seg").glob("*.seg")):
            data, end = file.read_bytes(), 0
            while end < len(data) and len(level) < self.head[0]:
                at, end = end + 8, end + 8 + int.from_bytes(data[end : end + 4], "big")
                level.append(sha256(b"\x00", data[at:end]))
                if b'"kind":"approval.consume"' in data[at:end]:
                    uses += any(name.encode() in data[at:end] for name in names)
        while level[1:]:
            pairs = zip(level[::2], level[1::2], strict=False)
            level = [*(sha256(b"\x01", *pair) for pair in pairs), *level[len(level) & ~1 :]]
        need(level == [self.head[1]], "log: not the one that was signed")
        return uses

def statement(bundle, der, kind, name, digest, origin):
    """The predicate that a key, or a passkey of `origin`, signed about a subject; its digest."""
    if '"application/vnd.remit.webauthn.' in bundle:
        need(origin, "a passkey signed this: say of which --origin")
        passkey = runpy.run_path(str(Path(__file__).with_name("verify_passkey.py")))
        data, hint = passkey["signed"](bundle, der, origin), sha256(der)
    else:
        data, signature, hint = map(unb64, parts(BUNDLE, bundle))
        pae = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(data), data)
        load_der_public_key(der).verify(signature, pae, ECDSA(SHA256()))
    value = json.loads(data)
    exact = {"_type": "https://in-toto.io/Statement/v1", "predicateType": kind}
    exact["subject"] = [{"name": name, "digest": {"sha256": digest}}]
    need({**value, **exact} == value and hint == sha256(der), f"{name}: not this {kind}")
    return value["predicate"], f"sha256:{sha256(data).hex()}"

def verify(data, vkey, trusted, directory=None, origin=""):
    """Lines that say what is proved; `trusted` are fingerprints, or USER=fingerprint."""
    log, file, said, lines = Log(vkey), json.loads(data), {}, []
    exact = {**file, "log": vkey, "mediaType": "application/vnd.remit.approval-evidence.v1+json"}
    need(data == canonical(exact).encode() + b"\n" and len(file) == 7, "evidence: of another log")
    action, subject = json.loads(file["action"]), sha256(file["action"].encode()).hex()
    asked = log.record(file["request"], "approval.request", digest=f"sha256:{subject}")
    request, this = asked["request"], {key: asked[key] for key in ("request", "digest")}
    shown, ends = sha256(file["displayed"].encode()).hex(), iso(asked["expires_us"])
    for item in file["approvals"]:
        der, mark = unb64(item["key"]), sha256(unb64(item["key"])).hex()
        w, seal = statement(item["decision"], der, APPROVAL, f"call/{request}", subject, origin)
        user, verb, when = w["approver"]["id"], w["decision"], w["signedAt"]
        who, since = statement(item["enrolment"], der, ENROLMENT, f"user/{user}", mark, origin)
        trust = {f"sha256:{mark}", f"{user}=sha256:{mark}"} & {*trusted} and len(item) == 5
        need(trust, f"approver: nobody trusts the key sha256:{mark} of {user!r}")
        exact = [w["audience"], w["expiresAt"], w["quorum"]["k"], w["displayed"]["sha256"]]
        need(who.items() <= {**w["approver"], "audience": log.name}.items(), "enrolment: other")
        need(exact == [log.name, ends, asked["quorum"], shown], "approval: of something else")
        known = log.record(item["enrolled"], "approver.enrol", attestation=since)["seq"]
        record = log.record(item["decided"], "approval.decision", attestation=seal, **this)
        order = known < record["seq"] > asked["seq"] == w["audit"]["index"] and when < ends
        need(order and seal not in said, "approval: early, late or twice")
        said[seal] = (user, verb, record["seq"], w["maxUses"])
        lines += [f"{verb} by {user!r}, {who['name']!r}, key sha256:{mark}, at {when}"]
        lines += [f"  recorded: {iso(record['time'])}, record {record['seq']}"]
        lines += [f"  {k}: {w[k]!r}" for k in ("meaning", "reason", "ticket")]
    last, count = 0, len(file["uses"])
    for proof in file["uses"]:
        use = log.record(proof, "approval.consume", **this)
        counted = [said[seal] for seal in use["attestations"]]
        people = {w for w, v, at, n in counted if v == "approve" and at < use["seq"] and n >= count}
        people -= {action["user"], action["agent"], *action["on_behalf_of"].split()}
        need(len(people) == len(counted) >= asked["quorum"] > 0, "use: too few approved so much")
        need(last < (last := use["seq"]) and use["time"] < asked["expires_us"], "use: too late")
        lines += [f"used {iso(use['time'])} by call {use['call']!r}, record {use['seq']}"]
    need(not directory or log.uses(directory, {request, *said}) == count, "log: has other uses")
    lines += [{0: "not used", 1: "used exactly once"}.get(count, f"used exactly {count} times")]
    lines[-1] += " in the whole log" if directory else ", as far as this file says (see --log)"
    head = f"OK {request} of {log.name}, asked {iso(asked['time'])}, record {asked['seq']}"
    return [head, "", *file["displayed"].splitlines(), "", *lines]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check an approval's evidence without Remit.")
    parser.add_argument("evidence", type=Path, help="of `remit approvals show ID --bundle FILE`")
    parser.add_argument("--vkey", required=True, help="trusted verifier key of the log")
    parser.add_argument("--approver", action="append", default=[], help="trusted [USER=]sha256:HEX")
    parser.add_argument("--origin", default="", help="of the pages, if passkeys signed")
    parser.add_argument("--log", type=Path, help="the whole log, to look for other uses")
    a = parser.parse_args()
    try:
        print(*verify(a.evidence.read_bytes(), a.vkey, a.approver, a.log, a.origin), sep="\n")
    except Exception as bad:  # noqa: BLE001 - whatever it is, it is not verified
        raise SystemExit(print("NOT VERIFIED", str(bad) or "a signature is wrong") or 3) from None
