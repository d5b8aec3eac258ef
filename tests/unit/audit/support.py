"""Logs and clocks for tests, and a Merkle tree written straight from RFC 6962, section 2.1."""

import hashlib
import shutil
import struct
import zlib

import orjson

from remit.attest.keys import LogKey
from remit.attest.notes import verify as verify_note
from remit.audit.log import Log

ORIGIN = "remit.example/guard/1"
KEY = LogKey(ORIGIN, b"\x07" * 32)
BOOT = "boot-1"
START_US = 1_800_000_000_000_000


class FakeClock:
    """A clock that goes on by a step at each reading of the wall clock."""

    def __init__(self, now_us=START_US, step_us=1000):
        self.now = now_us
        self.mono = 5_000_000_000
        self.step_us = step_us

    def now_us(self):
        self.now += self.step_us
        return self.now

    def monotonic_ns(self):
        self.mono += self.step_us * 1000
        return self.mono


def body(number=0, **more):
    return {
        "actor": {"agent": "claude-code", "user": "alice"},
        "call": f"01J{number:023d}",
        "action": {"server": "files", "name": "files/write", "tool": "write"},
        "decision": {"effect": "allow" if number % 2 else "deny", "rule_ids": ["a", "b"]},
        **more,
    }


def open_log(directory, **more):
    more.setdefault("clock", FakeClock())
    more.setdefault("reserve_bytes", 0)
    clock = more.pop("clock")
    signer = more.pop("signer", KEY)
    return Log.open(directory, signer, clock, boot=BOOT, **more)


def make_log(directory, count, **more):
    """A closed log of ``count`` records."""
    with open_log(directory, **more) as log:
        for number in range(count):
            log.append("tool.decision", body(number))
            if number % 50 == 49:
                log.flush()
    return directory


def copy(source, target):
    shutil.copytree(source, target)
    for path in target.glob("seg/*"):
        path.chmod(0o600)
    return target


def check(note):
    return verify_note(note, KEY.verifier)


def leaves_of(directory):
    """Entries of a small log, read without the code under test."""
    found = []
    for path in sorted((directory / "seg").glob("*.seg")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from(">I", data, at)
            found.append(data[at + 8 : at + 8 + length])
            at += 8 + length
    return found


def frame(leaf):
    length = struct.pack(">I", len(leaf))
    return length + struct.pack(">I", zlib.crc32(length + leaf)) + leaf


def write_leaves(directory, leaves):
    """Put other records into a one-segment log, with checksums that fit."""
    path = directory / "seg" / "000000000000.seg"
    path.chmod(0o600)
    path.write_bytes(b"".join(frame(leaf) for leaf in leaves))


def rechain(leaves, start):
    """Make indices and ``prev`` fit from ``start`` on, as a careful forger would."""
    result = list(leaves[:start])
    previous = leaf_hash(result[-1]) if result else hashlib.sha256(b"").digest()
    for seq, leaf in enumerate(leaves[start:], start):
        record = orjson.loads(leaf)
        record["seq"], record["prev"] = seq, previous.hex()
        result.append(orjson.dumps(record, option=orjson.OPT_SORT_KEYS))
        previous = leaf_hash(result[-1])
    return result


# ---- RFC 6962, section 2.1, word for word


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def mth(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m, hashes):
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def proof(m, hashes):
    def subproof(m, hashes, whole):
        if m == len(hashes):
            return [] if whole else [mth(hashes)]
        k = 1
        while k * 2 < len(hashes):
            k *= 2
        if m <= k:
            return [*subproof(m, hashes[:k], whole), mth(hashes[k:])]
        return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]

    return subproof(m, hashes, True) if 0 < m < len(hashes) else []
