"""OpenSSF Model Signing: signatures over the files of a directory, verified and never written.

The statement (``https://model_signing/signature/v1.0``) names every file with its digest; its one
subject is SHA-256 over the concatenated raw digests in that order. A directory is verified if

1. the bundle keeps the rules of :mod:`remit.artifacts.examination` (key, role, scope, window, …);
2. the subject is the digest of the list in the statement;
3. the directory holds exactly those files, with those digests: none more, none less, no link.

What the signer left out (``ignore_paths``, signed) and the signature's own file are not looked at.
Only the method ``files`` with SHA-256 is known; others are refused.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from remit.artifacts.attestations import MAX_BUNDLE_BYTES, Attestation
from remit.artifacts.examination import Check, Examination, Examined, broken, kept
from remit.artifacts.verification import Verification
from remit.attest.bundle import parse_bundle
from remit.attest.dsse import VerifiedPayload
from remit.attest.errors import StatementError
from remit.attest.predicates.known import MODEL_SIGNING
from remit.attest.statements import artifact_statement
from remit.attest.trust import TrustRoot
from remit.core.digest import Digest, sha256

MAX_FILES = 500_000
_CHUNK = 1 << 20
_HEX = 64


def verify_model(
    directory: Path, signature: Path, trust: TrustRoot, repository: str, now_us: int
) -> Verification:
    """Verify the files below ``directory`` by the bundle in the file ``signature``.

    Args:
        directory: of the model.
        signature: the bundle, in the directory or elsewhere.
        trust: the trust root, not older than one that was used before.
        repository: for which the model is to be used; empty if it has no name.
        now_us: the time, microseconds since 1970.

    Raises:
        TrustError: the trust root expired.
        OSError: a file cannot be read.
    """
    trust.usable(now_us)
    with signature.open("rb") as file:
        data = file.read(MAX_BUNDLE_BYTES + 1)
    attestation = Attestation(manifest=sha256(data), data=data)
    subject = _claimed(data)
    examined = Examination(trust, now_us, subject, repository).run(attestation)
    if not examined.passed:
        check = examined.checks[-1]
        files = broken("signed", check.code, check.sentence, check.hint)
    elif examined.predicate_type != MODEL_SIGNING:
        files = broken("signed", "verify.missing", "the bundle is no signature of a model")
    else:
        files = _compared(directory, signature, examined, subject)
    return Verification(
        subject=subject, repository=repository, examined=(examined,), checks=(files,)
    )


def _claimed(data: bytes) -> Digest:
    """The subject as the bundle has it, before its signature is verified.

    The examination verifies the same bytes; what the digest stands for is compared afterwards.
    """
    try:
        found = artifact_statement(
            VerifiedPayload(parse_bundle(data, MAX_BUNDLE_BYTES)[1].payload)
        ).subjects
    except StatementError:
        return sha256(b"")
    return Digest(f"sha256:{found[0].digests.get('sha256', '')}")


def _compared(directory: Path, signature: Path, examined: Examined, subject: Digest) -> Check:
    """Rules 2 and 3."""
    try:
        signed, ignored = _listed(examined.predicate, subject)
        _compare(directory, signature, signed, ignored)
    except _ModelError as error:
        return broken("signed", error.code, str(error), error.hint)
    return kept("signed", f"{len(signed)} files by `{examined.key}`, each with its digest")


class _ModelError(Exception):
    def __init__(self, code: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.hint = hint


def _listed(
    predicate: Mapping[str, Any], subject: Digest
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files and their digests in the order of the statement, and what was left out."""
    form, resources = predicate.get("serialization"), predicate.get("resources")
    if not isinstance(form, dict) or form.get("method") != "files":
        raise _ModelError(
            "verify.model_method",
            "the files were put together in a way that is not known here",
            "sign with the method `files` and SHA-256",
        )
    ignored = form.get("ignore_paths", [])
    if not isinstance(resources, list) or not 0 < len(resources) <= MAX_FILES:
        raise _ModelError("verify.model_statement", "the statement lists no files, or too many")
    if not isinstance(ignored, list) or not all(isinstance(each, str) for each in ignored):
        raise _ModelError("verify.model_statement", "`ignore_paths` is not a list of names")
    found: dict[str, str] = {}
    for each in resources:
        name = each.get("name") if isinstance(each, dict) else None
        digest = each.get("digest") if isinstance(each, dict) else None
        if not isinstance(name, str) or name in found or name != str(PurePosixPath(name)):
            raise _ModelError("verify.model_statement", "the name of a file is odd or there twice")
        if each.get("algorithm") != "sha256":
            raise _ModelError("verify.model_method", "only files with SHA-256 are taken")
        if not isinstance(digest, str) or len(digest) != _HEX or digest.strip("0123456789abcdef"):
            raise _ModelError("verify.model_statement", "the digest of a file is malformed")
        found[name] = digest
    if subject != sha256(b"".join(map(bytes.fromhex, found.values()))):
        raise _ModelError("verify.model_statement", "the subject is not that of the files")
    return found, tuple(ignored)


def _compare(
    directory: Path, signature: Path, signed: Mapping[str, str], ignored: tuple[str, ...]
) -> None:
    left = dict(signed)
    own = signature.resolve()
    for path in _files(directory, ignored):
        name = path.relative_to(directory).as_posix()
        if name not in left:
            if path.resolve() == own:
                continue
            raise _ModelError("verify.model_files", f"`{name}` is there and was not signed")
        if _hashed(path) != left.pop(name):
            raise _ModelError("verify.model_files", f"`{name}` is not the file that was signed")
    if left:
        raise _ModelError("verify.model_files", f"`{min(left)}` was signed and is not there")


def _files(directory: Path, ignored: tuple[str, ...]) -> list[Path]:
    """Every file below ``directory`` but those that the signer left out; links are refused."""
    found: list[Path] = []
    skipped = {directory / each for each in ignored}
    pending = [directory]
    while pending:
        with os.scandir(pending.pop()) as entries:
            here = list(entries)
        for entry in here:
            path = Path(entry.path)
            if path in skipped:
                continue
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                name = path.relative_to(directory).as_posix()
                raise _ModelError("verify.model_files", f"`{name}` is a link or no file")
            (pending if entry.is_dir() else found).append(path)
        if len(found) > MAX_FILES:
            raise _ModelError("verify.model_files", f"there are more than {MAX_FILES} files")
    return sorted(found)


def _hashed(path: Path) -> str:
    taken = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _ModelError("verify.model_files", f"`{path.name}` is no file")
        while data := file.read(_CHUNK):
            taken.update(data)
    return taken.hexdigest()
