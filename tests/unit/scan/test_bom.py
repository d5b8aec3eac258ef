import hashlib
import json

from remit.scan.bom import bom, bom_bytes
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
