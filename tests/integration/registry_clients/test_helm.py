"""`helm`: charts are artifacts too."""

import json
from pathlib import Path

import pytest

from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client

pytestmark = pytest.mark.slow
HTTP = "--plain-http"


@pytest.fixture
def helm(registry: Registry, tmp_path: Path) -> Client:
    made = client("helm", tmp_path / "helm", registry)
    made.login()
    return made


def push(helm: Client, repository: str, version: str = "1.2.3") -> str:
    """Package a chart and push it: its reference without the version."""
    if not (helm.home / "agent").exists():
        helm.ok("create", "agent")
    helm.ok("package", "agent", "--version", version)
    helm.ok("push", HTTP, f"agent-{version}.tgz", f"oci://{helm.ref(repository)}")
    return f"oci://{helm.ref(repository)}/agent"


def test_push_and_pull(helm: Client, repository: str) -> None:
    chart = push(helm, repository)
    helm.ok("pull", HTTP, chart, "--version", "1.2.3", "--untar", "--untardir", "out")
    assert (helm.home / "out/agent/Chart.yaml").read_text().count("version: 1.2.3") == 1
    before = (helm.home / "agent-1.2.3.tgz").read_bytes()
    (helm.home / "again").mkdir()
    helm.ok("pull", HTTP, chart, "--version", "1.2.3", "-d", "again")
    assert (helm.home / "again/agent-1.2.3.tgz").read_bytes() == before


def test_show_and_template(helm: Client, repository: str) -> None:
    chart = push(helm, repository)
    assert "name: agent" in helm.ok("show", "chart", HTTP, chart, "--version", "1.2.3")
    assert "replicaCount" in helm.ok("show", "values", HTTP, chart, "--version", "1.2.3")
    assert "kind: Deployment" in helm.ok("template", HTTP, "mine", chart, "--version", "1.2.3")


def test_which_version(helm: Client, repository: str) -> None:
    """A range is resolved from the list of tags; `+` of a version is `_` in its tag."""
    for version in ("1.2.3", "1.3.0", "2.0.0+build.7"):
        chart = push(helm, repository, version)
    assert "version: 1.3.0" in helm.ok("show", "chart", HTTP, chart, "--version", "^1.2.0")
    newest = helm.ok("show", "chart", HTTP, chart)
    assert "version: 2.0.0+build.7" in newest
    helm.ok("pull", HTTP, chart, "--version", "2.0.0+build.7")
    assert "not found" in helm.refused("show", "chart", HTTP, chart, "--version", "9.9.9")


def test_provenance(helm: Client, repository: str) -> None:
    """A signature beside a chart is a layer of its own."""
    push(helm, repository)
    (helm.home / "agent-1.2.3.tgz.prov").write_text("-----BEGIN PGP SIGNED MESSAGE-----\n")
    helm.ok("push", HTTP, "agent-1.2.3.tgz", f"oci://{helm.ref(repository)}")
    (helm.home / "with").mkdir()
    chart = f"oci://{helm.ref(repository)}/agent"
    helm.ok("pull", HTTP, chart, "--version", "1.2.3", "--prov", "-d", "with")
    assert (helm.home / "with/agent-1.2.3.tgz.prov").read_text().startswith("-----BEGIN")


def test_as_a_dependency(helm: Client, repository: str) -> None:
    push(helm, repository)
    helm.ok("create", "outer")
    with (helm.home / "outer/Chart.yaml").open("a") as file:
        file.write(
            "dependencies:\n  - name: agent\n    version: 1.2.3\n"
            f"    repository: oci://{helm.ref(repository)}\n"
        )
    helm.ok("dependency", "update", HTTP, "outer")
    assert (helm.home / "outer/charts/agent-1.2.3.tgz").exists()


def test_logout(helm: Client, repository: str) -> None:
    chart = push(helm, repository)
    helm.ok("registry", "logout", helm.registry.host)
    assert not json.loads((helm.home / ".config/helm/registry/config.json").read_text())["auths"]
    said = helm.refused("show", "chart", HTTP, chart, "--version", "1.2.3")
    # With Basic the client knows by itself that it has nothing to send.
    assert "log in to do this" in said or "basic credential not found" in said
