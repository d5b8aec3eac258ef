"""The kind of what is in a registry."""

import pytest

from remit.artifacts.kinds.stored import STORED_KINDS, stored_kind
from remit.artifacts.kitfile import Entry, Kitfile
from remit.artifacts.modelkit import CONFIG, KIND, PACK_CONFIG
from remit.artifacts.oci.digests import EMPTY_DIGEST
from remit.artifacts.oci.manifest import DOCKER_INDEX, INDEX, MANIFEST, Descriptor, Manifest

KIT = "application/vnd.kitops.modelkit.{}.v1.tar"


def described(media_type, **annotations):
    return Descriptor(media_type=media_type, digest=EMPTY_DIGEST, size=2, annotations=annotations)


def kit(*layers, kind="", **more):
    return Manifest(
        media_type=MANIFEST,
        config=described(CONFIG),
        layers=tuple(described(KIT.format(each)) for each in layers),
        annotations={KIND: kind} if kind else {},
        **more,
    )


@pytest.mark.parametrize("said", ["docs", "prompt", "code", "skill", "policy", "dataset"])
def test_weights_are_a_model_whatever_the_annotation_says(said):
    assert stored_kind(kit("docs", "model", kind=said)) == "model"
    assert stored_kind(kit("modelpart", kind=said)) == "model"


def test_a_bundle_is_a_server_whatever_the_annotation_says():
    bundle = Manifest(
        media_type=MANIFEST,
        config=described(CONFIG),
        layers=(described("application/vnd.kitops.modelkit.mcpb.v1.raw"),),
        annotations={KIND: "docs"},
    )
    assert stored_kind(bundle) == "mcp-server"


def test_what_only_the_config_says_counts_too():
    hidden = Kitfile(entries=(Entry(section="model", path="m"),))
    assert stored_kind(kit("code", kind="docs"), hidden) == "model"


@pytest.mark.parametrize(
    ("layers", "kind"),
    [(("code",), "code"), (("docs",), "docs"), (("dataset", "docs"), "dataset"),
     (("model", "code", "docs"), "model"), ((), "")],
)  # fmt: skip
def test_without_an_annotation_the_layers_say_it(layers, kind):
    assert stored_kind(kit(*layers)) == kind


def test_kinds_that_are_said():
    assert stored_kind(kit("code", kind="agent")) == "agent"
    assert stored_kind(kit("code", kind="skill")) == "skill"
    assert stored_kind(kit("code", kind="virus")) == "code"


def test_a_definition_is_an_agent():
    found = Kitfile(entries=(Entry(section="code", path="./agent.yaml"),))
    assert stored_kind(kit("code"), found) == "agent"
    layer = described(KIT.format("code"), **{"org.cncf.model.filepath": "agent.yaml"})
    manifest = Manifest(media_type=MANIFEST, config=described(CONFIG), layers=(layer,))
    assert stored_kind(manifest) == "agent"


def test_other_forms():
    image = described("application/vnd.oci.image.config.v1+json")
    assert stored_kind(Manifest(media_type=MANIFEST, config=image)) == "image"
    named = {"io.modelcontextprotocol.server.name": "io.example/x"}
    server = Manifest(media_type=MANIFEST, config=image, annotations=named)
    assert stored_kind(server) == "mcp-server"
    assert stored_kind(Manifest(media_type=MANIFEST, config=described(PACK_CONFIG))) == "model"
    pack = Manifest(media_type=MANIFEST, config=described(PACK_CONFIG), annotations={KIND: "docs"})
    assert stored_kind(pack) == "model"
    chart = described("application/vnd.cncf.helm.config.v1+json")
    assert stored_kind(Manifest(media_type=MANIFEST, config=chart)) == ""
    member = Descriptor(media_type=MANIFEST, digest=EMPTY_DIGEST, size=2, platform={"os": "linux"})
    assert stored_kind(Manifest(media_type=INDEX, manifests=(member,))) == "image"
    assert stored_kind(Manifest(media_type=DOCKER_INDEX)) == "image"
    assert stored_kind(Manifest(media_type=INDEX)) == ""


def test_every_answer_is_a_known_kind():
    assert {"image", "agent", "mcp-server"} < set(STORED_KINDS)
