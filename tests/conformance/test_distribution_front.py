"""The official conformance suite over a Hub that keeps its bytes in another registry."""

import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.test_distribution_official import NEXT, STABLE, none_fails
from tests.rig.fronts import front
from tests.rig.programs import clean_environment
from tests.rig.registries import Registry, docker_registry, go_tool, hub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CANNOT = ("non-distributable-layers", "sha512", "sha512 blobs", "tag-param-sha512")
"""What Debian's docker-registry 2.8 cannot keep: other digests than SHA-256, and layers that are
nowhere. Without the Hub it fails far more, see below."""


@pytest.mark.parametrize(("options", "least"), [(STABLE, 680), (NEXT, 775)], ids=["1.1", "next"])
def test_none_fails_before_a_registry_of_the_specification(
    options: dict[str, str], least: int, tmp_path: Path
) -> None:
    (tmp_path / "upstream").mkdir()
    with (
        hub(tmp_path / "upstream") as upstream,
        front(tmp_path / "front", upstream, auth="bearer") as registry,
    ):
        counts = none_fails(registry, options, tmp_path / "results")
    assert counts["passed"] >= least


def test_before_debian_s_only_what_it_cannot_keep_fails(tmp_path: Path) -> None:
    with docker_registry(tmp_path / "upstream", auth="basic") as upstream:
        alone = _failed(upstream, tmp_path / "alone")
        with front(tmp_path / "front", upstream, auth="bearer") as registry:
            failed = _failed(registry, tmp_path / "before")
    print(f"alone: {sum(alone.values())} {dict(alone)}\nbehind a Hub: {dict(failed)}")
    assert set(failed) <= set(CANNOT)
    # What it lacks alone and clients of the Hub have.
    assert {"artifacts-with-subject", "index-with-subject", "missing-subject"} <= set(alone)


def _failed(registry: Registry, directory: Path) -> Counter[str]:
    """How many tests fail, by what they are about."""
    directory.mkdir()
    env = clean_environment(
        directory / "home",
        OCI_REGISTRY=registry.host,
        OCI_TLS="disabled",
        OCI_REPO1=f"{directory.name}/one",
        OCI_REPO2=f"{directory.name}/two",
        OCI_USERNAME=registry.user,
        OCI_PASSWORD=registry.password,
        OCI_RESULTS_DIR=str(directory),
        **NEXT,
    )
    subprocess.run(
        [str(go_tool("conformance"))],
        cwd=directory, env=env, capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    cases = list(ET.parse(directory / "junit.xml").getroot().iter("testcase"))
    assert sum(case.get("status") == "passed" for case in cases) > 500
    return Counter(
        str(case.get("name")).split("/")[1]
        for case in cases
        if case.get("status") not in {"passed", "skipped"}
    )
