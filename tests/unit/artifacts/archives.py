"""Archives made by hand, so that each can be wrong in one way."""

import io
import struct
import tarfile
import zipfile
import zlib

from remit.artifacts.tarball import END, Member, header


def tar_file(name: str, content: bytes = b"", mode: int = 0o644) -> bytes:
    """A file of a tar archive as Remit writes it."""
    block = header(Member(name=name, size=len(content), mode=mode))
    return block + content + bytes(-len(content) % 512)


def tar_directory(name: str, mode: int = 0o755) -> bytes:
    return header(Member(name=name, directory=True, mode=mode))


def tar(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def resealed(block: bytes) -> bytes:
    """A header block with the checksum that belongs to it."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + b"%06o\0 " % total + block[156:]


def patched(block: bytes, at: int, data: bytes) -> bytes:
    """A header block with other bytes at one place, and the right checksum."""
    return resealed(block[:at] + data + block[at + len(data) :])


def named(raw: bytes, content: bytes = b"") -> bytes:
    """A file with these bytes as its name."""
    block = patched(tar_file("x", content)[:512], 0, raw.ljust(100, b"\0"))
    return block + content + bytes(-len(content) % 512)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """A pax header with these records, whose lengths are added."""
    body = b""
    for record in records:
        size = len(record) + 2
        while len(b"%d %b\n" % (size, record)) != size:
            size += 1
        body += b"%d %b\n" % (size, record)
    block = patched(tar_file("PaxHeaders.0/x", body)[:512], 156, kind)
    return block + body + bytes(-len(body) % 512)


def special(kind: str, name: str = "x", target: str = "") -> bytes:
    """An entry of another kind than file or directory, as the standard library writes it."""
    info = tarfile.TarInfo(name)
    info.type = kind.encode()
    info.linkname = target
    return info.tobuf(tarfile.USTAR_FORMAT)


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive as the standard library writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return out.getvalue()


def zip_by_hand(
    *entries: dict,
    between: bytes = b"",
    before: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
) -> bytes:
    """A stored zip archive; every field of both headers can be given apart.

    Each entry has ``name`` and ``data``; ``local`` and ``central`` override fields of one place.
    """
    body, directory = before, b""
    for entry in entries:
        data = entry.get("data", b"")
        base = {
            "name": entry["name"], "flags": 0, "method": 0, "crc": zlib.crc32(data), "packed": len(data),
            "size": len(data), "extra": b"", "attributes": 0o100644 << 16, "offset": len(body),
        }  # fmt: skip
        local, central = base | entry.get("local", {}), base | entry.get("central", {})
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, local["flags"], local["method"], 0, 0, local["crc"],
            local["packed"], local["size"], len(local["name"]), len(local["extra"]),
        )  # fmt: skip
        body += local["name"] + local["extra"] + data + entry.get("tail", b"")
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x031E, 20, central["flags"], central["method"], 0, 0,
            central["crc"], central["packed"], central["size"], len(central["name"]),
            len(central["extra"]), 0, 0, 0, central["attributes"], central["offset"],
        )  # fmt: skip
        directory += central["name"] + central["extra"]
    body += between
    total = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, total, total, len(directory), len(body), len(comment)
    )
    return body + directory + end + comment + after
