"""Check an audit log (audit-log.md) with the standard library and `cryptography` only; exit 0 or 3.

Pass the vkey that you trust and a checkpoint kept elsewhere, or the key's owner can fool you."""

import argparse
import base64
import hashlib
import json
import re
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


def sha256(data):
    return hashlib.sha256(data).digest()


def parse_vkey(text):
    name, key_id, key = text.strip().split("+", 2)
    raw = base64.b64decode(key, validate=True)
    if raw[:1] != b"\x01" or key_id != sha256(name.encode() + b"\n" + raw)[:4].hex():
        raise ValueError("vkey: not an Ed25519 key with its own id")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:])


def open_checkpoint(note, vkey):
    head, _, block = note.decode().rpartition("\n\n")
    lines, verified = f"{head}\n".split("\n"), False
    for line in block.split("\n"):
        blob = base64.b64decode(line.rpartition(" ")[2], validate=True)
        if line.startswith(f"\u2014 {vkey[0]} ") and blob[:4] == vkey[1]:
            vkey[2].verify(blob[4:], f"{head}\n".encode())
            verified = True
    if not verified or lines[0] != vkey[0] or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
        raise ValueError("checkpoint: not one of this log, signed by the trusted key")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def push(stack, size, item):
    """Add leaf hash number `size` to the roots of the perfect subtrees (RFC 6962)."""
    while size & 1:
        item = sha256(b"\x01" + stack.pop() + item)
        size >>= 1
    stack.append(item)


def root_of(stack):
    root = stack[-1] if stack else sha256(b"")
    for left in stack[-2::-1]:
        root = sha256(b"\x01" + left + root)
    return root


def records(directory):
    """Index and bytes of each record; None for a damaged frame, which ends the reading."""
    seq = 0
    for path in sorted((directory / "seg").glob("*.seg")):
        if path.is_symlink() or path.name != f"{seq:012d}.seg" or seq % 65536:
            raise ValueError(f"record {seq}: its segment is missing or not a file of this log")
        with path.open("rb") as file:
            while header := file.read(8):
                length = int.from_bytes(header[:4], "big")
                leaf = file.read(length) if length <= 16384 else b""
                crc = zlib.crc32(header[:4] + leaf).to_bytes(4, "big")
                if len(leaf) != length or crc != header[4:]:
                    yield seq, None
                    return
                yield seq, leaf
                seq += 1


def signed_leaves(directory, size, root):
    """The leaf hashes that were signed, out of the tiles, which are believed by their root only."""
    data, stack = bytearray(), []
    for start in range(0, size, 256):
        digits = re.sub(r"^(000)+(?=\d)", "", f"{start // 256:012d}")
        whole = directory / "tile" / "0" / re.sub(r"(\d{3})(?=\d)", r"x\1/", digits)
        width = min(256, size - start)
        found = [file for file in (Path(f"{whole}.p/{width}"), whole) if file.is_file()]
        data += found[0].read_bytes()[: 32 * width] if found else b""
    for i in range(len(data) // 32):
        push(stack, i, data[32 * i : 32 * i + 32])
    return data if len(data) == 32 * size and root_of(stack) == root else b""


def unique(pairs):
    if len(value := dict(pairs)) == len(pairs):
        return value
    raise ValueError("a key is there twice")


def verify(directory, vkey, kept):
    heads = [open_checkpoint(Path(file).read_bytes(), vkey) for file in kept]
    signed, last = signed_leaves(directory, *heads[0]), max(size for size, _ in heads)
    decode = json.JSONDecoder(object_pairs_hook=unique).decode
    stack, older, count, prev, now, suspect = [], [], 0, sha256(b""), 0, None
    for seq, leaf in records(directory):
        if leaf is None:
            break
        digest = sha256(b"\x00" + leaf)
        if signed and seq < heads[0][0] and digest != signed[32 * seq : 32 * seq + 32]:
            raise ValueError(f"record {seq}: not the record that was signed")
        try:
            record = decode(leaf.decode())
            fits = (record["v"], record["log"], record["seq"]) == (1, vkey[0], seq)
            fits &= {type(record[key]) for key in ("v", "seq", "time")} == {int}
            fits &= record["time"] >= now or record["kind"] == "clock.jump"
            claimed = bytes.fromhex(record["prev"])
        except BROKEN as error:
            raise ValueError(f"record {seq}: not a record ({error})") from None
        if suspect is not None:  # If this one confirms it, its predecessor was changed.
            raise ValueError(f"record {suspect - (claimed == prev)}: changed")
        if not fits or (seq == 0 and claimed != prev):
            raise ValueError(f"record {seq}: its index, log, time or `prev` is wrong")
        if claimed != prev:
            suspect, prev = seq, digest
            push(older, seq - 1, claimed)
            push(older, seq, digest)
            continue
        older, count, prev, now = stack.copy(), seq + 1, digest, record["time"]
        push(stack, seq, digest)
        if any(size == count and root_of(stack) != root for size, root in heads):
            raise ValueError(f"record {seq}: the first {count} records are not those signed")
    if suspect is not None:  # The last one: if its claim gives the signed root, it is genuine.
        genuine = suspect >= last or any(root == root_of(older) for _, root in heads)
        raise ValueError(f"record {suspect - genuine}: changed")
    if last > count:
        raise ValueError(f"record {count}: damaged or missing, {last} records were signed")
    root = base64.b64encode(root_of(stack)).decode()
    print(f"OK {vkey[0]}: {count} records, root {root}, {count - heads[0][0]} not signed yet")
    if count and leaf is None:
        print(f"note: what follows record {count - 1} is unfinished or damaged")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check an audit log without its writer's code.")
    parser.add_argument("directory", type=Path, help="holds log.vkey, checkpoint and seg/")
    parser.add_argument("--vkey", help="trusted verifier key; default: log.vkey")
    parser.add_argument("--checkpoint", action="append", default=[], help="one kept elsewhere")
    args = parser.parse_args()
    try:
        trusted = parse_vkey(args.vkey or (args.directory / "log.vkey").read_text())
        verify(args.directory, trusted, [args.directory / "checkpoint", *args.checkpoint])
    except (InvalidSignature, OSError, *BROKEN) as bad:
        raise SystemExit(print("NOT VERIFIED", str(bad) or "checkpoint: signature") or 3) from None
