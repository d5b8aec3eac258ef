"""in-toto statements about artifacts: any number of subjects, any predicate, foreign writers.

Approvals are about one action and use :mod:`remit.attest.dsse` alone. Here the subjects are content
with digests, and the writer may be another program: `cosign attest` still writes Statement v0.1,
which has the same fields. A subject is matched by its digest only, never by its name.

Not checked here: whether the key may sign this kind of statement, about this subject, at this time.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from remit.attest.dsse import STATEMENT, VerifiedPayload, parse_object
from remit.attest.errors import StatementError
from remit.core.strictjson import dumps

MAX_STATEMENT = 16 * 1024 * 1024
MAX_SUBJECTS = 10_000
_TYPES = (STATEMENT, "https://in-toto.io/Statement/v0.1")
_HEX = re.compile(r"[0-9a-f]{2,256}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:[!-~]{1,500}")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is about.

    Attributes:
        name: for people; empty if there is none.
        digests: algorithm to lower-case hex.
    """

    name: str = ""
    digests: dict[str, str]


class ArtifactStatement(msgspec.Struct, frozen=True, kw_only=True):
    """An in-toto Statement (v1, or v0.1 as some still write it).

    Attributes:
        subjects: at least one.
        predicate_type: URI that says what ``predicate`` means.
        predicate: the claim, with members that this version may not know.
    """

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def is_about(self, digest: str) -> bool:
        """Whether a subject has ``digest`` (``sha256:<hex>``)."""
        algorithm, _, value = digest.partition(":")
        return any(each.digests.get(algorithm) == value for each in self.subjects)


def statement_payload(name: str, digest: str, kind: str, predicate: Mapping[str, Any]) -> bytes:
    """The bytes of a statement about one artifact.

    They are not canonical JSON, because predicates of others hold floats: what is signed is bytes.

    Args:
        name: of the artifact, for people.
        digest: ``sha256:<hex>`` of its manifest.
        kind: the predicate type.
        predicate: what is claimed.

    Raises:
        StatementError: the type is no URI, or the predicate is no JSON or too large.
    """
    if _URI.fullmatch(kind) is None:
        raise StatementError(
            f"`{kind[:80]}` is not the URI of a predicate type", code="attest.predicate_type"
        )
    algorithm, _, value = digest.partition(":")
    try:
        payload = dumps(
            {
                "_type": STATEMENT,
                "subject": [{"name": name, "digest": {algorithm: value}}],
                "predicateType": kind,
                "predicate": predicate,
            }
        )
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is one
        raise StatementError("the predicate is no JSON", code="attest.predicate") from error
    if artifact_statement(VerifiedPayload(payload)).predicate != predicate:
        # Not a number, for example, which would be written as null.
        raise StatementError("the predicate is no JSON", code="attest.predicate")
    return payload


def artifact_statement(payload: VerifiedPayload) -> ArtifactStatement:
    """The statement in verified bytes; members that this version does not know are ignored.

    Raises:
        StatementError: it is none, or a subject has no digest.
    """
    value = parse_object(payload, MAX_STATEMENT)
    kind, predicate, subjects = (value.get(k) for k in ("predicateType", "predicate", "subject"))
    if value.get("_type") not in _TYPES:
        raise StatementError("this is no in-toto statement")
    if not isinstance(kind, str) or _URI.fullmatch(kind) is None:
        raise StatementError("the statement has no predicate type", code="attest.predicate_type")
    if not isinstance(predicate, dict):
        raise StatementError("the statement has no predicate", code="attest.predicate")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MAX_SUBJECTS:
        raise StatementError("the statement has no subject, or too many", code="attest.subject")
    return ArtifactStatement(
        subjects=tuple(map(_subject, subjects)), predicate_type=kind, predicate=predicate
    )


def _subject(value: Any) -> Subject:
    digests = value.get("digest") if isinstance(value, dict) else None
    name = value.get("name", "") if isinstance(value, dict) else None
    if not isinstance(digests, dict) or not digests or not isinstance(name, str):
        raise StatementError("a subject has no digest", code="attest.subject")
    for text in digests.values():
        if not isinstance(text, str) or _HEX.fullmatch(text) is None:
            raise StatementError("a subject's digest is not lower-case hex", code="attest.subject")
    return Subject(name=name, digests=digests)
