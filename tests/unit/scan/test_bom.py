import hashlib
import json
import shutil

import msgspec
import pytest

from remit.scan.advisories import settled
from remit.scan.base import ScanError, Settings
from remit.scan.bill import bill
from remit.scan.bom import bom, bom_bytes
from remit.scan.target import Target
from tests.unit.scan.scanners.kit import artifact

CARD = """---
license: apache-2.0
pipeline_tag: text-generation
base_model: org/base
datasets: [org/data]
---
# M
"""
KIT = {
    "manifestVersion": "1.0.0",
    "package": {"name": "m", "version": "1.2", "license": "apache-2.0", "authors": ["Ann"]},
    "model": {"name": "w", "path": "w.safetensors", "framework": "llama", "digest": "sha256:" + "1" * 64,
              "parts": [{"name": "lora", "path": "lora", "license": "llama3.1"}]},
    "datasets": [{"name": "d", "path": "d.csv", "license": "cc-by-4.0"}],
    "code": [{"path": "run.py"}],
}  # fmt: skip
FILES = {
    "README.md": CARD,
    "w.safetensors": b"\0" * 10,
    "requirements.txt": "numpy==2.0\nB_c\n",
    "package.json": {"dependencies": {"@a/b": "1.0.0"}},
}


def test_a_model():
    made = bom(artifact(FILES, kind="model", **KIT), version="1")
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    main = made["metadata"]["component"]
    assert (main["type"], main["name"], main["version"]) == ("machine-learning-model", "m", "1.2")
    assert main["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert main["modelCard"]["modelParameters"]["task"] == "text-generation"
    by = {each["bom-ref"]: each for each in made["components"]}
    digest = hashlib.sha256(b"\0" * 10).hexdigest()
    assert by["file:w.safetensors"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert by["card:base_model:org/base"]["type"] == "machine-learning-model"
    assert by["card:datasets:org/data"]["type"] == "data"
    assert by["kitfile:model:w.safetensors"]["hashes"][0]["content"] == "1" * 64
    assert by["kitfile:model part:lora"]["licenses"] == [
        {"license": {"name": "LicenseRef-llama3.1"}}
    ]
    assert {"pkg:pypi/numpy@2.0", "pkg:pypi/b-c", "pkg:npm/%40a/b@1.0.0"} <= by.keys()
    assert made["dependencies"][0]["dependsOn"] == sorted(by)


def advisory(folder, id_, name, **affected):
    body = {
        "id": id_, "summary": f"about {name}", "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": name}, **affected}],
        "database_specific": {"severity": "HIGH"},
    }  # fmt: skip
    (folder / f"{id_}.json").write_text(json.dumps(body))


def test_vulnerabilities_are_those_of_the_operators_database(tmp_path):
    advisory(tmp_path, "GHSA-1", "numpy", versions=["2.0"])
    advisory(tmp_path, "GHSA-2", "numpy", versions=["1.0"])
    settings = settled(Settings(advisories=str(tmp_path), indexes=("b.example", "a.example")))
    given = msgspec.structs.replace(artifact(FILES, kind="model", **KIT), settings=settings)
    made = bom(given)
    [one] = made["vulnerabilities"]
    assert (one["id"], one["affects"]) == ("GHSA-1", [{"ref": "pkg:pypi/numpy@2.0"}])
    assert one["ratings"] == [{"severity": "high"}]
    properties = [(each["name"], each["value"]) for each in made["metadata"]["properties"]]
    assert properties == [
        ("remit:index", "a.example"), ("remit:index", "b.example"),
        ("remit:advisories", settings.advisories_digest),
    ]  # fmt: skip
    plain = bom(artifact(FILES, kind="model", **KIT))
    assert "vulnerabilities" not in plain
    assert "properties" not in plain["metadata"]
    assert plain["serialNumber"] != made["serialNumber"]
    # Without all of the database no bill says that there is no more.
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ScanError):
        bom(given)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="NOT TESTED: bubblewrap is missing")
def test_the_sandbox_is_given_them(tmp_path):
    database, files = tmp_path / "osv", tmp_path / "files"
    database.mkdir()
    files.mkdir()
    (files / "requirements.txt").write_text("numpy==2.0\n")
    advisory(database, "GHSA-1", "numpy", versions=["2.0"])
    target = Target(root=files, digest="sha256:" + "1" * 64)
    found = bill(target, None, Settings(advisories=str(database)))
    assert [each["id"] for each in json.loads(found.document)["vulnerabilities"]] == ["GHSA-1"]
    plain = bill(target)
    assert "vulnerabilities" not in json.loads(plain.document)
    assert plain.rules != found.rules


def test_the_same_artifact_has_the_same_bytes():
    one = bom_bytes(artifact(FILES, kind="model", **KIT))
    turned = bom_bytes(artifact(dict(reversed(FILES.items())), kind="model", **KIT))
    assert one == turned
    assert json.loads(one)["serialNumber"].startswith("urn:uuid:")


def test_hostile_metadata_does_not_matter():
    for kit in (
        {"package": "x", "model": [], "datasets": {"a": 1}, "code": [1, None]},
        {"package": {"license": ["a", 1], "authors": "x"}, "model": {"parts": "x", "path": 1}},
        {"package": {"authors": 5}, "model": {"parts": 5}},
    ):
        assert bom_bytes(
            artifact({"README.md": "---\n[", "package.json": "{"}, kind="model", **kit)
        )
