"""What a member is by its first bytes: text, picture, archive, program."""

from remit.scan.base import Member
from remit.scan.scanners import _text

PASSIVE = frozenset({"png", "jpeg", "gif", "webp", "bmp", "ico", "ttf", "otf", "woff", "woff2",
                     "pdf", "ogg", "mp3", "mp4", "wav", "flac"})  # fmt: skip
ARCHIVES = frozenset({"zip", "gzip", "bzip2", "xz", "zstd", "7z", "rar", "tar"})
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"BM", "bmp"), (b"\x00\x00\x01\x00", "ico"), (b"\x00\x01\x00\x00\x00", "ttf"), (b"OTTO", "otf"),
    (b"wOFF", "woff"), (b"wOF2", "woff2"), (b"%PDF-", "pdf"), (b"OggS", "ogg"), (b"ID3", "mp3"),
    (b"fLaC", "flac"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"\x7fELF", "elf"), (b"MZ", "pe"),
    (b"\xcf\xfa\xed\xfe", "mach-o"), (b"\xce\xfa\xed\xfe", "mach-o"), (b"\xca\xfe\xba\xbe", "mach-o"),
    (b"\x00asm", "wasm"), (b"\x80\x02", "pickle"), (b"\x80\x03", "pickle"), (b"\x80\x04", "pickle"),
    (b"\x80\x05", "pickle"),
)  # fmt: skip
EXECUTABLE = frozenset({"elf", "pe", "mach-o", "wasm", "pickle", "bytecode"})


def kind(member: Member) -> str:
    """The format of a member; ``text``, ``empty``, or nothing if it is not known."""
    head = member.head
    if not head:
        return "empty"
    name = _text.base(member)
    if name.endswith((".pyc", ".pyo")) or (head[2:4] == b"\r\n" and not _text.is_text(member)):
        return "bytecode"
    magic, sure = next(((m, n) for m, n in _MAGIC if head.startswith(m)), (b"", ""))
    # `BM` and `MZ` also begin texts; what does not print begins none.
    if _text.is_text(member) and (not sure or magic.isalnum() or magic == b"%PDF-"):
        return "text"
    if head[:4] == b"RIFF":
        return "webp" if head[8:12] == b"WEBP" else "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[257:262] == b"ustar":
        return "tar"
    return sure
