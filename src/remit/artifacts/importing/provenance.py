"""The statement of an import: SLSA provenance v1 (spec/import.md).

It says that these bytes came from there at this time, and names everything of it by its digest. It
says nothing of whether the source may be trusted.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from remit import __version__
from remit.artifacts.importing.contents import PackedFile
from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.importing.origins import Origin
from remit.artifacts.oci.digests import algorithm_of, hex_of, is_digest
from remit.artifacts.oci.manifest import Manifest
from remit.attest.dsse import MAX_PAYLOAD, Statement, statement_bytes
from remit.attest.predicates.fields import time_text
from remit.core.digest import Digest

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://remit.example/import/v1"
BUILDER = "https://remit.example/remit"


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """When the import began and ended, in microseconds since the Unix epoch."""

    started_us: int
    finished_us: int


def of_directory(origin: Origin, name: str, files: Sequence[PackedFile]) -> list[dict[str, Any]]:
    """The source and its files, as resolved dependencies.

    Raises:
        ImportRefusedError: there is no file.
    """
    if not files:
        raise ImportRefusedError("there is no file to import")
    source: dict[str, Any] = {"name": name}
    if origin.uri:
        source["uri"] = origin.uri
    if origin.commit:
        source["digest"] = {"gitCommit": origin.commit}
    known = [source] if "uri" in source or "digest" in source else []
    return known + [{"name": each.path, "digest": {"sha256": each.sha256}} for each in files]


def of_registry(uri: str, digest: Digest, manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """The source and every blob of it, as resolved dependencies.

    Raises:
        ImportRefusedError: a part has no digest, or its bytes are elsewhere.
    """
    found = [{"uri": uri, "digest": {algorithm_of(digest): hex_of(digest)}}]
    seen: set[str] = set()
    for manifest in manifests:
        for each in (*((manifest.config,) if manifest.config else ()), *manifest.layers):
            if not is_digest(each.digest) or each.foreign:
                raise ImportRefusedError(
                    f"the bytes of `{each.digest}` are not in the registry",
                    hint="an artifact whose layers are elsewhere cannot be imported",
                )
            if each.digest not in seen:
                seen.add(each.digest)
                digests = {algorithm_of(each.digest): hex_of(each.digest)}
                found.append({"digest": digests, "mediaType": each.media_type[:200]})
    return found


def import_statement(
    digest: Digest,
    *,
    destination: str,
    parameters: dict[str, str],
    dependencies: Sequence[dict[str, Any]],
    times: Times,
    invocation: str,
) -> bytes:
    """The bytes of the statement that will be signed.

    Args:
        digest: of the manifest that was imported.
        destination: its new name.
        parameters: what the user asked for.
        dependencies: see :func:`of_directory` and :func:`of_registry`.
        times: of the import.
        invocation: its id.

    Raises:
        ImportRefusedError: a digest is missing, or there are too many for one statement.
    """
    if algorithm_of(digest) != "sha256":
        raise ImportRefusedError("what is imported has no SHA-256 digest")
    for each in dependencies:
        if not each.get("digest") and not each.get("uri"):
            raise ImportRefusedError("a part of the source has no digest")
    statement = Statement(
        name=destination,
        sha256=hex_of(digest),
        predicate_type=PREDICATE_TYPE,
        predicate={
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"destination": destination, **parameters},
                "resolvedDependencies": list(dependencies),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"remit": __version__}},
                "metadata": {
                    "invocationId": invocation,
                    "startedOn": time_text(times.started_us),
                    "finishedOn": time_text(times.finished_us),
                },
            },
        },
    )
    data = statement_bytes(statement)
    if len(data) > MAX_PAYLOAD:
        raise ImportRefusedError(
            f"{len(dependencies)} files are too many for one statement",
            hint="pack many small files into few larger ones, as data sets are published",
        )
    return data
