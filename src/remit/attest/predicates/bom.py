"""Bill of materials: a CycloneDX document (JSON, 1.4 or later), for models an ML-BOM.

The document is the predicate, as `cosign attest --type cyclonedx` has it.
"""

import re
from collections.abc import Mapping
from typing import Any

from remit.attest.predicates import fields

TYPE = "https://cyclonedx.org/bom"
_VERSION = re.compile(r"1\.(?:[4-9]|[1-9][0-9])")


def predicate(document: Mapping[str, Any]) -> dict[str, Any]:
    """The predicate of a document.

    Raises:
        PredicateError: it is no CycloneDX document of a version from 1.4 on.
    """
    read(document)
    return dict(document)


def read(predicate: Mapping[str, Any]) -> str:
    """The version of CycloneDX of the document in a verified statement.

    Raises:
        PredicateError: it is none.
    """
    version = predicate.get("specVersion")
    if predicate.get("bomFormat") != "CycloneDX" or not isinstance(version, str):
        raise fields.PredicateError("this is no CycloneDX document")
    if _VERSION.fullmatch(version) is None:
        raise fields.PredicateError(f"CycloneDX `{version[:20]}` is not taken: 1.4 or later is")
    components = predicate.get("components", [])
    if not isinstance(components, list):
        raise fields.PredicateError("`components` is not a list")
    return version
