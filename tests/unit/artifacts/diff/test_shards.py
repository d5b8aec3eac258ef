import numpy as np

from tests.unit.artifacts.diff.making import difference, safetensors, seen

WEIGHTS = {f"w{n}": np.full((3, 3), n, np.float32) for n in range(6)}


def cut(weights, count):
    names = list(weights)
    size = -(-len(names) // count)
    return {
        f"m/model-{n + 1:05}-of-{count:05}.safetensors": safetensors(
            {name: weights[name] for name in names[n * size : (n + 1) * size]}
        )
        for n in range(count)
    }


def test_tensors_are_compared_over_all_files(tmp_path):
    new = {**WEIGHTS, "w4": WEIGHTS["w4"] + 1}
    found = difference(tmp_path, cut(WEIGHTS, 2), cut(new, 3))
    assert not found.unread
    tensors = [each for each in found.changes if each.kind.startswith("tensor")]
    assert [(each.kind, each.path, each.subject) for each in tensors] == [
        ("tensor.values", "m/model-*.safetensors", "w4")
    ]
    assert tensors[0].details["changed"] == 9
    assert {each.kind for each in found.changes} == {
        "tensor.values",
        "shard.added",
        "shard.removed",
    }


def test_cut_anew_and_nothing_else(tmp_path):
    found = difference(tmp_path, cut(WEIGHTS, 2), cut(WEIGHTS, 3))
    assert {each.severity for each in found.changes} == {"info"}
    assert len(found.changes) == 5


def test_the_same_files_are_compared_one_by_one(tmp_path):
    new = {**WEIGHTS, "w4": WEIGHTS["w4"] + 1}
    found = difference(tmp_path, cut(WEIGHTS, 2), cut(new, 2))
    assert seen(found) == [("tensor.values", "m/model-00002-of-00002.safetensors", "w4")]


def test_a_file_that_lies_leaves_the_set_not_looked_into(tmp_path):
    broken = cut(WEIGHTS, 3)
    broken["m/model-00002-of-00003.safetensors"] = b"\xff" * 100
    found = difference(tmp_path, cut(WEIGHTS, 2), broken)
    assert not found.equal
    assert found.unread[0].path == "m/model-*.safetensors"


def test_a_tensor_in_two_files_is_refused(tmp_path):
    twice = cut(WEIGHTS, 3)
    twice["m/model-00003-of-00003.safetensors"] = twice["m/model-00001-of-00003.safetensors"]
    found = difference(tmp_path, cut(WEIGHTS, 2), twice)
    assert "in two of its files" in found.unread[0].reason
