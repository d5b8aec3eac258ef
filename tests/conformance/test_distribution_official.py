"""The official conformance suite of the OCI distribution-spec, over the Hub.

It is a program of the specification's authors, built from their module. Everything optional that
the Hub has is switched on; what is off is said below with its reason.
"""

import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig.programs import clean_environment
from tests.rig.registries import Registry, go_tool, hub, large_hub, person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVERYTHING = {
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
}
STABLE = {"OCI_VERSION": "1.1", **EVERYTHING}
# What the next version of the specification adds: tags as parameters of a push by digest.
NEXT = {**STABLE, "OCI_VERSION": "dev", "OCI_API_MANIFESTS_TAG_PARAM": "true"}

SKIPPED = {
    # Mounting from nowhere in particular would tell who has what: the Hub answers 202, as it may.
    "mount anonymous/blob-mount-anonymous",
    # The first byte lies behind the last: the suite itself does not expect anything of it.
    "range requests/range 500-0",
    # With tokens, the suite asks for one that is not good for the repository it mounts from.
    "mount/blob-mount",
}


@dataclass(frozen=True)
class Case:
    """One test of the suite.

    Attributes:
        name: with those that it is part of, by slashes; without the suite's own.
        status: ``passed``, ``skipped``, ``failure`` or another.
        said: why it is not ``passed``.
    """

    name: str
    status: str
    said: str


def run(registry: Registry, options: dict[str, str], directory: Path) -> tuple[list[Case], int]:
    """Run the suite: its tests, and the status that it ended with."""
    directory.mkdir()
    env = clean_environment(
        directory / "home",
        OCI_REGISTRY=registry.host,
        OCI_TLS="disabled",
        OCI_REPO1="conformance/one",
        OCI_REPO2="conformance/two",
        OCI_USERNAME=registry.user,
        OCI_PASSWORD=registry.password,
        OCI_RESULTS_DIR=str(directory),
        **options,
    )
    done = subprocess.run(
        [str(go_tool("conformance"))],
        cwd=directory, env=env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    report = directory / "junit.xml"
    assert report.exists(), done.stdout + done.stderr
    found = [
        Case(
            name="/".join(str(case.get("name")).split("/")[2:]),
            status="failure" if case.find("failure") is not None else case.get("status", ""),
            said=(case.findtext("system-out") or "").strip(),
        )
        for case in ET.parse(report).getroot().iter("testcase")
    ]
    counts = Counter(case.status for case in found)
    print(f"{registry.auth or 'no'} auth, {options['OCI_VERSION']}: {dict(counts)}")
    return found, done.returncode


def none_fails(registry: Registry, options: dict[str, str], directory: Path) -> Counter[str]:
    """Run the suite: how many tests passed and were skipped; fail on any other."""
    found, status = run(registry, options, directory)
    wrong = [each for each in found if each.status not in {"passed", "skipped"}]
    assert not wrong, "\n".join(f"{each.name}: {each.status}: {each.said}" for each in wrong[:40])
    assert status == 0
    assert {each.name for each in found if each.status == "skipped"} <= SKIPPED
    return Counter(each.status for each in found)


@pytest.mark.parametrize(("options", "least"), [(STABLE, 680), (NEXT, 775)], ids=["1.1", "next"])
@pytest.mark.parametrize("gate", [False, True], ids=["open", "gated"])
@pytest.mark.parametrize("kind", ["basic", "bearer", "large"])
def test_none_fails(
    kind: str, gate: bool, options: dict[str, str], least: int, tmp_path: Path
) -> None:
    """With the gate it is the same for who curates: they get everything."""
    running = (
        large_hub(tmp_path, gate=gate) if kind == "large" else hub(tmp_path, auth=kind, gate=gate)
    )
    with running as registry:
        counts = none_fails(registry, options, tmp_path / "results")
    # A suite that could not log in, or that found everything unsupported, would pass vacuously.
    assert counts["passed"] >= least


READING_BACK = "failed to verify returned location: "
HELD_BACK = re.compile(r'"code":"DENIED","message":"`[^`]+` (?:of `[^`]+` )?is quarantined: ')
"""What the gate says; nothing else may be the reason of a refusal that it makes."""
GATE = {
    # Blobs of what was not admitted: got after each way of uploading them, and by themselves.
    "blob-post-only": READING_BACK,
    "blob-post-put": READING_BACK,
    "blob-patch-stream": READING_BACK,
    "blob-patch-chunked": READING_BACK,
    "blob-mount": READING_BACK,
    "blob-mount-anonymous": READING_BACK,
    "blob-get": "blob get failed: ",
    # Manifests with content of their own (`data`); writers get all others before they are admitted.
    "manifest-by-digest": "",
    "manifest-by-tag": "",
}
"""Tests that fail for writers while nothing is admitted, and how what they say begins."""
ROLE = {
    "blob-delete": "blob delete failed: ",
    "manifest-delete": "manifest delete failed: ",
    "tag-delete": "manifest delete failed: ",
}
"""Tests that fail for writers with the gate or without: they may not delete."""
REFUSED = {
    "1.1": {
        "blob-post-only": 85, "blob-post-put": 85, "blob-patch-stream": 85,
        "blob-patch-chunked": 93, "blob-mount": 4, "blob-mount-anonymous": 2, "blob-get": 75,
        "manifest-by-digest": 2, "manifest-by-tag": 2,
        "blob-delete": 105, "manifest-delete": 41, "tag-delete": 18,
    },
    "dev": {
        "blob-post-only": 97, "blob-post-put": 97, "blob-patch-stream": 97,
        "blob-patch-chunked": 105, "blob-mount": 4, "blob-mount-anonymous": 2, "blob-get": 87,
        "manifest-by-digest": 2, "manifest-by-tag": 2,
        "blob-delete": 117, "manifest-delete": 47, "tag-delete": 26,
    },
}  # fmt: skip
"""How many of each."""


@pytest.mark.parametrize(("options", "least"), [(STABLE, 280), (NEXT, 330)], ids=["1.1", "next"])
def test_what_the_gate_refuses_to_a_writer(
    options: dict[str, str], least: int, tmp_path: Path
) -> None:
    """Nobody scans here, so nothing is admitted: each test that fails must, and for this reason."""
    with hub(tmp_path, auth="basic", gate=True, options=("--workers", "0")) as registry:
        writer = person(registry, "pusher", "writer", "conformance/*")
        found, _ = run(writer, options, tmp_path / "results")
    wrong = [each for each in found if each.status not in {"passed", "skipped"}]
    names = {each.name for each in wrong}
    parts = {name[: end.start()] for name in names for end in re.finditer("/", name)} | {""}
    refused: Counter[str] = Counter()
    for each in wrong:
        if each.name in parts:
            continue
        what = each.name.rpartition("/")[2]
        refused[what] += 1
        begins = {**GATE, **ROLE}.get(what)
        assert begins is not None, each
        assert each.said.startswith(begins), each
        assert "received 403" in each.said, each
        # Of an empty blob the suite shows no body.
        if what in GATE and "body contents mismatch" in each.said:
            assert HELD_BACK.search(each.said), each
    assert refused == REFUSED[options["OCI_VERSION"]]
    assert sum(each.status == "passed" for each in found) >= least
