import json

import pytest

from remit.artifacts.diff import stored as module
from remit.artifacts.diff.compare import compare
from remit.artifacts.diff.stored import open_stored
from remit.artifacts.diff.tree import DirectoryTree, TreeError
from remit.artifacts.errors import ArtifactError
from remit.artifacts.layout import LayoutError
from remit.artifacts.members import Limits
from tests.unit.artifacts.diff.making import files, only, safetensors, seen
from tests.unit.artifacts.diff.storing import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize("gz", [False, True])
def test_a_file_that_changed_in_a_layer(store, gz):
    store.kit(
        "a:v1",
        {"code": {"code/x.py": "a = 1\n", "code/y.py": "same\n"}, "docs": {"R.md": "#"}},
        gz=gz,
    )
    store.kit(
        "a:v2",
        {"code": {"code/x.py": "a = 2\n", "code/y.py": "same\n"}, "docs": {"R.md": "#"}},
        gz=gz,
    )
    change = only(store.difference("a:v1", "a:v2"))
    assert (change.kind, change.path) == ("text.changed", "code/x.py")


def test_the_same_artifact_under_two_names_is_equal(store):
    store.kit("a:v1", {"code": {"x": "1"}})
    store.kit("a:latest", {"code": {"x": "1"}})
    assert store.difference("a:v1", "a").equal


def test_packed_with_another_compression_is_told_and_nothing_else(store):
    store.kit("a:v1", {"code": {"x": "1" * 2000}})
    store.kit("a:v2", {"code": {"x": "1" * 2000}}, gz=True)
    found = store.difference("a:v1", "a:v2")
    assert seen(found) == [("layers.types", "", "")]


def test_kitfile_and_annotations(store):
    kit = {"package": {"name": "x", "version": "1.0.0", "license": "MIT"}}
    new = {"package": {"name": "x", "version": "1.1.0", "license": "Apache-2.0"}}
    store.kit("a:v1", {"code": {"x": "1"}}, kit, {"team": "red", "gone": "1"})
    store.kit("a:v2", {"code": {"x": "1"}}, new, {"team": "blue"})
    found = store.difference("a:v1", "a:v2")
    assert sorted(seen(found)) == [
        ("annotation.changed", "", "team"),
        ("annotation.removed", "", "gone"),
        ("kitfile.changed", "", "/package/license"),
        ("kitfile.changed", "", "/package/version"),
        ("licence.changed", "", "package"),
    ]


def test_keys_named_digest_hide_nothing(store):
    for tag, value in (("v1", "a"), ("v2", "b")):
        kit = {"model": {"parameters": {"digest": value}}, "x": [{"digest": value}]}
        store.kit(f"a:{tag}", {"code": {"x": "1"}}, kit)
    assert sorted(seen(store.difference("a:v1", "a:v2"))) == [
        ("kitfile.added", "", "/x/b"),
        ("kitfile.changed", "", "/model/parameters/digest"),
        ("kitfile.removed", "", "/x/a"),
    ]


def test_layers_that_both_have_are_not_read(store, monkeypatch):
    big = {"model.safetensors": safetensors({})}
    store.kit("a:v1", {"m": big, "c": {"x": "1\n"}})
    store.kit("a:v2", {"m": big, "c": {"x": "2\n"}})
    read = []
    plain = module.ArtifactTree._verified
    monkeypatch.setattr(
        module.ArtifactTree,
        "_verified",
        lambda self, each: read.append(each.digest) or plain(self, each),
    )
    assert only(store.difference("a:v1", "a:v2")).path == "x"
    assert len(read) == 2


def test_an_artifact_and_a_directory(store, tmp_path):
    store.kit("a:v1", {"code": {"x.txt": "1\n", "y": "2"}})
    tree = open_stored(store.root, "a:v1")
    found = compare(tree, DirectoryTree(files(tmp_path / "d", {"x.txt": "2\n", "y": "2"})))
    tree.close()
    assert seen(found) == [("text.changed", "x.txt", "")]
    assert (found.a.kind, found.b.kind) == ("artifact", "directory")


def test_a_single_file_as_a_layer(store):
    for tag, data in (("v1", b"one\n"), ("v2", b"two\n")):
        store.manifest(
            {
                "artifactType": "application/vnd.example",
                "config": store.blob(b"{}", "application/vnd.oci.empty.v1+json"),
                "layers": [
                    store.blob(data, "text/plain", **{"org.opencontainers.image.title": "n.txt"})
                ],
            },
            f"a:{tag}",
        )
    assert seen(store.difference("a:v1", "a:v2")) == [("text.changed", "n.txt", "")]


def test_a_digest_names_an_artifact(store):
    first = store.kit("a:v1", {"code": {"x": "1\n"}})
    second = store.kit("a:v2", {"code": {"x": "2\n"}})
    assert seen(store.difference(f"a@{first.digest}", f"a@{second.digest}")) == [
        ("text.changed", "x", "")
    ]
    with pytest.raises(LayoutError, match="is not in the store"):
        open_stored(store.root, f"a@sha256:{'0' * 64}")


def test_manifests_that_differ_in_nothing_that_is_compared(store):
    def document(size):
        config = store.blob(b"{}", "application/vnd.oci.empty.v1+json")
        return {"config": config, "layers": [], "x-unknown": size}

    store.manifest(document(1), "a:v1")
    store.manifest(document(2), "a:v2")
    found = store.difference("a:v1", "a:v2")
    assert seen(found) == [("manifest.changed", "", "")]


# -- hostile --------------------------------------------------------------------------------------


def broken(store, data, media="application/vnd.kitops.modelkit.code.v1.tar"):
    """An artifact whose layer is ``data``."""
    layer = store.blob(data, media)
    config = {"code": [{"path": "x", "digest": layer["digest"]}]}
    kind = "application/vnd.kitops.modelkit.config.v1+json"
    store.manifest(
        {"config": store.blob(json.dumps(config).encode(), kind), "layers": [layer]}, "bad:v1"
    )


def test_a_layer_that_is_no_archive_is_not_looked_into(store):
    store.kit("a:v1", {"code": {"x": "1"}})
    broken(store, b"no archive" * 100)
    found = store.difference("a:v1", "bad:v1")
    assert not found.equal
    assert "tar archive" in found.unread[0].reason
    assert found.unread[0].side == "b"


def test_a_bomb_in_a_layer_is_not_unpacked(store, monkeypatch):
    import gzip

    monkeypatch.setattr("remit.artifacts.diff.tarred.LIMITS", Limits(free=1 << 20, ratio=20))
    store.kit("a:v1", {"code": {"x": "1"}})
    broken(
        store, gzip.compress(bytes(64 << 20)), "application/vnd.kitops.modelkit.code.v1.tar+gzip"
    )
    found = store.difference("a:v1", "bad:v1")
    assert "times its size" in found.unread[0].reason


def test_a_name_that_leaves_the_folder_is_refused(store, tmp_path):
    from tests.unit.artifacts.diff.storing import tar

    store.kit("a:v1", {"code": {"x": "1"}})
    broken(store, tar({"../evil": "1"}))
    found = store.difference("a:v1", "bad:v1")
    assert "leaves the folder" in found.unread[0].reason
    assert not (tmp_path / "evil").exists()


def test_a_blob_that_was_changed_is_not_believed(store):
    store.kit("a:v1", {"code": {"x": "1"}})
    store.kit("a:v2", {"code": {"x": "2"}})
    layer = open_stored(store.root, "a:v2").manifest.layers[0]
    path = store.layout.path(layer.digest)
    path.write_bytes(path.read_bytes().replace(b"2", b"1"))
    found = store.difference("a:v1", "a:v2")
    assert any("holds something else" in each.reason for each in found.unread)


def test_a_layer_that_is_not_here_is_told(store):
    store.kit("a:v1", {"code": {"x": "1"}})
    store.kit("a:v2", {"code": {"x": "2"}})
    store.layout.path(open_stored(store.root, "a:v2").manifest.layers[0].digest).unlink()
    found = store.difference("a:v1", "a:v2")
    assert found.unread[0].reason == "its content is not in the store"


def test_an_index_is_refused_with_a_way_on(store):
    child = store.kit("a:v1", {"code": {"x": "1"}})
    index = "application/vnd.oci.image.index.v1+json"
    document = {
        "mediaType": index,
        "manifests": [{"mediaType": child.media_type, "digest": child.digest, "size": child.size}],
    }
    described = store.manifest(document)
    store.layout.name(
        "i:v1", module.Descriptor(media_type=index, digest=described.digest, size=described.size)
    )
    with pytest.raises(TreeError, match="index of 1") as caught:
        open_stored(store.root, "i:v1")
    assert child.digest in caught.value.hint


def test_a_store_or_name_that_is_none(store, tmp_path):
    with pytest.raises(LayoutError):
        open_stored(tmp_path / "none", "a:v1")
    with pytest.raises(ArtifactError):
        open_stored(store.root, "UPPER/../case")
