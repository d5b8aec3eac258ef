"""Archives, manifests and definitions of others: read, or refused as what they are, never more."""

import contextlib
import io
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from remit.artifacts.agent import parse_agent
from remit.artifacts.decompress import Decompressed
from remit.artifacts.errors import ArchiveError, ArtifactError, DefinitionError, ManifestError
from remit.artifacts.ignore import parse_ignore
from remit.artifacts.kitfile import config_bytes, yaml_bytes
from remit.artifacts.kitread import parse_config, parse_yaml
from remit.artifacts.lock import lock_bytes, parse_lock
from remit.artifacts.mcpb import parse_mcpb
from remit.artifacts.members import Limits, member_name
from remit.artifacts.modelkit import read_artifact
from remit.artifacts.oci.manifest import parse_manifest
from remit.artifacts.tarball import END, Member, header
from remit.artifacts.untar import TarReader
from remit.artifacts.yamltree import dump, load, plain
from remit.artifacts.zipped import ZipArchive
from tests.unit.artifacts.archives import (
    pax,
    special,
    tar,
    tar_directory,
    tar_file,
    zip_by_hand,
    zip_of,
)
from tests.unit.artifacts.test_agent import FULL as AGENT
from tests.unit.artifacts.test_kitfile import FULL as KITFILE
from tests.unit.artifacts.test_lock import LOCK

LIMITS = Limits(entries=200, total=1 << 20, free=1 << 16, ratio=50)
TARS = [
    tar(tar_directory("d"), tar_file("d/x", b"content"), tar_file("ünï", b"y" * 600)),
    tar(tar_file("n" * 90 + "/" + "m" * 90, b"x"), pax(b"path=a/b", b"mtime=1"), tar_file("x")),
    tar(special("2", "l", "/etc"), tar_file("l/x")),
]
ZIPS = [
    zip_of({"manifest.json": b"{}", "a/b": b"x" * 500, "ünï": b""}),
    zip_by_hand({"name": b"a", "data": b"content"}, {"name": b"d/x", "data": b""}),
]
WORDS = st.sampled_from(
    [b"../", b"/", b"\\", b"\0", b"ustar", b"path=", b"size=", b"\x80", b"77777777777", b"PK\1\2", b"PK\3\4",
     b"PK\5\6", b"0", b"x", b"5", b"\xff\xff\xff\xff", bytes(512), b" ", b"\n"]
)  # fmt: skip


@st.composite
def changed(draw, originals):
    """One of the originals with a few bytes changed, moved, put in or taken out."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        with_what = draw(WORDS | st.binary(max_size=8))
        how = draw(st.sampled_from(["over", "in", "out", "copy"]))
        if how == "over":
            data[at : at + len(with_what)] = with_what
        elif how == "in":
            data[at:at] = with_what
        elif how == "out":
            del data[at : at + draw(st.integers(1, 600))]
        else:
            data[at:at] = data[at : at + 512]
    return bytes(data)


def resealed(data: bytes) -> bytes:
    """The archive with right checksums, so that what is behind them is reached."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        block = blocks[at : at + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + 256 + sum(block[156:])
            blocks[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(blocks)


def check_tar(data: bytes) -> None:
    reader = TarReader(io.BytesIO(data).read, LIMITS)
    names = []
    try:
        for entry in reader:
            size = sum(map(len, reader.content()))
            assert size == entry.size <= LIMITS.total
            assert member_name(entry.name) == entry.name
            names.append(entry.name)
    except ArchiveError as error:
        message = error.message
        names = None
    if names is None:
        assert "\n" not in message
        return
    assert len({name.casefold() for name in names}) == len(names) <= LIMITS.entries
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [each.name.removeprefix("./") for each in archive if each.name != "."] == names


@given(changed(TARS))
def test_tar(data):
    with contextlib.suppress(tarfile.TarError):
        check_tar(data)


@given(changed(TARS))
def test_tar_with_right_checksums(data):
    """What is accepted is what another reader of tar reads: one meaning."""
    check_tar(resealed(data))


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"),
    min_size=1,
    max_size=160,
)


@given(st.lists(NAMES, max_size=5), st.integers(0, 0o7777), st.integers(0, 10**13))
def test_what_is_written_is_what_others_read(parts, mode, size):
    name = "/".join(part.replace("/", "_") for part in parts)
    with contextlib.suppress(ArchiveError):
        member_name(name)
        block = header(Member(name=name, mode=mode, size=size))
        with tarfile.open(fileobj=io.BytesIO(block + END)) as archive:
            found = archive.next()
        assert (found.name, found.size, found.mode) == (name, size, mode)


@given(changed(ZIPS))
def test_zip(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        file = os.open(path, os.O_RDONLY)
        try:
            archive = ZipArchive(file, LIMITS)
            ours = {
                e.name + "/" * e.directory: b"".join(archive.content(e)) for e in archive.entries
            }
        except ArchiveError:
            return
        finally:
            os.close(file)
        with zipfile.ZipFile(path) as other:
            assert {each: other.read(each) for each in other.namelist()} == ours


@given(st.sampled_from(["gzip", "zstd"]), st.binary(max_size=2000))
def test_compressed_bytes(compression, data):
    starts = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
    stream = Decompressed(io.BytesIO(starts[compression] + data).read, compression, LIMITS)
    total = 0
    try:
        while chunk := stream.read(1 << 16):
            total += len(chunk)
    except ArchiveError:
        pass
    assert total <= max(LIMITS.free, LIMITS.ratio * (len(data) + 4)) + (1 << 16)


TEXTS = st.text(max_size=40) | st.sampled_from(
    ["1e3", "0x1f", "null", "~", "no", "1.10", "- a", "a: b", "&x", "*x", "!y", "#", "'"]
)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**60), 2**60) | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9).filter(lambda t: t != "<<"), inner, max_size=3),
    max_leaves=9,
)  # fmt: skip


@given(VALUES)
def test_yaml_that_was_written_is_read_again(value):
    try:
        found = plain(load(dump({"it": value}), "x"))
    except DefinitionError as error:
        assert "not YAML" in error.message or "key is not text" in error.message  # noqa: PT017
        return
    assert found == {"it": value}


@given(
    st.binary(max_size=300)
    | st.text("&*!?|>{}[]-: #\n\t'\"abc<~01%@`", max_size=200).map(str.encode)
)
def test_yaml(data):
    with contextlib.suppress(DefinitionError):
        plain(load(data, "x"))


@given(changed([KITFILE, AGENT.encode()]))
def test_kitfiles_and_agents(data):
    with contextlib.suppress(ArtifactError):
        parse_agent(data)
    with contextlib.suppress(ArtifactError):
        found = parse_yaml(data)
        assert parse_yaml(yaml_bytes(found)) == found
        assert parse_config(config_bytes(found)) == found


@given(changed([lock_bytes(LOCK)]))
def test_locks(data):
    with contextlib.suppress(DefinitionError):
        assert parse_lock(lock_bytes(parse_lock(data))) == parse_lock(data)


JSON = st.recursive(
    st.text(max_size=9) | st.integers(0, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["model", "code", "path", "package", "digest", "parts", "server", "type", "name", "tools", "datasets", "modelfs", "diffIds", "x"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
KINDS = st.sampled_from(
    [
        "kitops.modelkit.code.v1.tar",
        "kitops.modelkit.mcpb.v1.raw",
        "cncf.model.weight.v1.raw",
        "oci.x",
        "kitops.modelkit.docs.v1.tar+zstd",
    ]
)


@given(
    JSON,
    st.lists(KINDS, max_size=3),
    st.sampled_from(["kitops.modelkit", "cncf.model", "oci.image", "x"]),
)
def test_configs_and_manifests(config, layers, kind):
    digest = "sha256:" + "0" * 64
    document = {
        "schemaVersion": 2,
        "config": {
            "mediaType": f"application/vnd.{kind}.config.v1+json",
            "digest": digest,
            "size": 2,
        },
        "layers": [
            {"mediaType": f"application/vnd.{each}", "digest": digest, "size": 1} for each in layers
        ],
    }
    with contextlib.suppress(ManifestError, DefinitionError):
        read_artifact(parse_manifest(msgspec.json.encode(document)), msgspec.json.encode(config))
    with contextlib.suppress(DefinitionError):
        parse_mcpb(msgspec.json.encode(config))


@given(
    st.text("*?[]!\\/.#ab\n ^-", max_size=60),
    st.lists(st.text("ab.*", min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_ignore_patterns(patterns, parts):
    with contextlib.suppress(DefinitionError):
        assert parse_ignore(patterns.encode()).matches("/".join(parts)) in {True, False}
