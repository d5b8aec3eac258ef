import io
import json
import struct

import h5py
import numpy as np
import pytest

from remit.scan.scanners import models
from remit.scan.scanners.models import Models
from tests.unit.scan.scanners.kit import look


def layer(name="Dense", module="keras.layers", **config):
    return {"module": module, "class_name": name, "config": {"name": "x", **config}}


def model(*layers, **more):
    config = {"name": "s", "layers": [layer(units=2), *layers]}
    return {"module": "keras", "class_name": "Sequential", "config": config, **more}


def scan(document, name="m.keras!/config.json"):
    return look(Models, {name: document})


def function(named, module="builtins"):
    return {"module": module, "class_name": "function", "config": named}


BENIGN = {
    "layers": model(layer("Conv2D"), layer("LSTM", recurrent_activation="sigmoid")),
    "source": model(layer("Functional", "keras.src.models.functional")),
    "loss": model(compile_config={"loss": layer("MeanSquaredError", "keras.losses"), "jit_compile": True}),
    "function": model(layer("Activation", activation=function("relu"))),
    "own function": model(layer("Activation", activation=function("relu", "keras.activations"))),
    "tuple": model(layer("Conv2D", size={"class_name": "__tuple__", "items": [1, 2]})),
    "words": model(layer("StringLookup", vocabulary=["a", "b"])),
    "no words": model(layer("StringLookup", vocabulary=None)),
    "old": {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"name": "d"}}]}},
    "policy": model(layer(dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}})),
    "sum": model(layer("TFOpLambda", None, function="math.reduce_sum")),
}  # fmt: skip


@pytest.mark.parametrize("name", BENIGN)
def test_what_keras_writes(name):
    seen = scan(BENIGN[name])
    assert seen.worst == "", seen.findings
    assert seen.coverage["m.keras!/config.json"].status == "complete"


CRITICAL = {
    "lambda": model(layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA"}})),
    "old lambda": model({"class_name": "Lambda", "config": {"function": ["4wEA", None, None], "function_type": "lambda"}}),
    "function type": model(layer("Dense", function_type="lambda")),
    "module": model(layer("run", "subprocess", args=["true"])),
    "module of a class": model(layer("Dense", "keraslayers")),
    "utils": model(layer("get_file", "keras.utils")),
    "source utils": model(layer("get_file", "keras.src.utils.file_utils")),
    "function": model(layer("Activation", activation=function("system", "os"))),
    "builtin": model(layer("Activation", activation=function("eval"))),
    "builtin class": model(layer("eval", "builtins")),
    "function of utils": model(layer("Activation", activation=function("get_file", "keras.utils"))),
    "torch": model(layer("TorchModuleWrapper")),
    "saved model": model(layer("TFSMLayer", filepath="x")),
    "vocabulary": model(layer("StringLookup", vocabulary="words.txt")),
    "remote vocabulary": model(layer("TextVectorization", vocabulary="https://a.invalid/v")),
    "deep": model(layer(build_config={"a": [[{"b": layer("x", "os")}]]})),
    "registered": model({"module": "evil", "class_name": "X", "config": {}, "registered_name": "p>X"}),
    "bare module": {"class_name": "Model", "config": {"x": {"module": "os", "name": "system"}}},
    "dotted": model({"class_name": "os.system", "config": {}}),
    "symbol": model(layer("TFOpLambda", None, function="io.write_file")),
    "symbol computed": model(layer("TFOpLambda", None, function={"a": 1})),
}  # fmt: skip


@pytest.mark.parametrize("name", CRITICAL)
def test_what_loads_runs_or_reaches_out(name):
    assert scan(CRITICAL[name]).worst == "critical"
    # The same as an attribute of an HDF5 file, and with a name that is written in escapes.
    data = json.dumps(CRITICAL[name]).replace('"class_name"', '"\\u0063lass_name"')
    assert look(Models, {"m.h5": hdf5(data)}).worst == "critical"
    assert scan(data, "other.json").worst == "critical"


GRAVE = {
    "url": model(layer(weights="https://a.invalid/w")),
    "unknown": model(layer("Dense", "keras")),
    "call": model(layer("deserialize", "keras.layers")),
    "list": model({"class_name": ["a"], "config": {}}),
    "code": model(layer(about="import os; os.system('true')")),
}


@pytest.mark.parametrize("name", GRAVE)
def test_what_else_blocks(name):
    assert scan(GRAVE[name]).worst == "high"


def test_classes_that_a_user_brings_ask_somebody():
    custom = model({"module": None, "class_name": "Custom>Mine", "config": {}})
    assert scan(custom).worst == "medium"


@pytest.mark.parametrize("text", ["{", '{"class_name": "a", "class_name": "b", "config": 1}', ""])
def test_a_configuration_that_cannot_be_read_is_not_read(text):
    seen = scan(text)
    assert seen.coverage["m.keras!/config.json"].status == "error"
    assert seen.coverage["m.keras!/config.json"].executes


def test_other_json_is_none_of_ours():
    for document in ({"a": 1}, {"class_name": "a"}, {"text": "class_name and config"}):
        assert scan(document, "other.json").claimed == set()


def test_archives_of_keras():
    inside = {"m.keras!/config.json": model(), "m.keras!/metadata.json": {"keras_version": "3.8.0"}}
    seen = look(Models, {"m.keras": b"PK", **inside, "m.keras!/model.weights.h5": hdf5()})
    assert seen.worst == ""
    assert {each.status for each in seen.coverage.values()} == {"complete"}
    more = look(Models, {"m.keras": b"PK", **inside, "m.keras!/setup.py": "x"})
    assert more.severity("keras.layout") == "medium"
    empty = look(Models, {"m.keras": b"PK"})
    assert empty.coverage["m.keras"].status == "error"


def test_metadata_of_a_saved_model():
    def framed(number, data):
        return bytes([number << 3 | 2]) + varint(len(data)) + data

    def varint(value):
        made = b""
        while value > 127:
            made += bytes([value & 127 | 128])
            value >>= 7
        return made + bytes([value])

    def saved(document):
        node = framed(3, b"root") + framed(5, json.dumps(document).encode())
        return {"keras_metadata.pb": framed(1, node)}

    assert look(Models, saved(model())).worst == ""
    assert look(Models, saved(model(layer("Lambda")))).worst == "critical"
    broken = look(Models, {"keras_metadata.pb": b"\x0a\xff\xff"})
    assert broken.coverage["keras_metadata.pb"].status == "error"


# -- HDF5 --------------------------------------------------------------------------------------


def hdf5(config=None, fill=None, **how):
    held = io.BytesIO()
    with h5py.File(held, "w", **how) as file:
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            file.attrs["model_config"] = text
        file.attrs["keras_version"] = b"2.15.0"
        group = file.create_group("model_weights/dense/dense")
        group.attrs["weight_names"] = [b"dense/kernel:0"]
        group.create_dataset("kernel:0", data=np.ones((3, 4), "f4"))
        if fill is not None:
            fill(file)
    return held.getvalue()


def read(data, name="m.h5"):
    return look(Models, {name: data})


VERSIONS = ["earliest", "v108", "v110", "latest"]


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_all_versions_are_read_completely(version):
    def fill(file):
        for at in range(50):
            group = file.create_group(f"layer{at}")
            group.attrs["x"] = "y" * at
            group.create_dataset("w", data=np.arange(at + 1))
        for at in range(30):
            file.attrs[f"a{at}"] = [b"one", b"two"]
        file.attrs["long"] = "z" * 200_000
        file["soft"] = h5py.SoftLink("/layer1")
        file["hard"] = file["layer2"]

    seen = read(hdf5(model(), fill, libver=(version, "latest")))
    assert seen.findings == []
    assert seen.coverage["m.h5"].status == "complete", seen.coverage["m.h5"].reason


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("many", [0, 40])
def test_configurations_wherever_they_are_kept(version, many):
    """In a header, in a heap with many others, and in one that is too long for both."""
    for size in (0, 10_000, 200_000):

        def fill(file, size=size):
            for at in range(many):
                file.attrs[f"a{at}"] = b"x"
            file["model_weights"].attrs["training_config"] = json.dumps(
                model(layer("Lambda"), about="x" * size)
            )

        seen = read(hdf5(None, fill, libver=(version, "latest")))
        assert seen.severity("keras.code") == "critical", size
        assert seen.coverage["m.h5"].status == "complete"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_leads_out_of_the_file(version):
    def linked(file):
        for at in range(20):
            file.create_group(f"g{at}")
        file["out"] = h5py.ExternalLink("/etc/other.h5", "/x")

    def stored(file):
        file.create_dataset("out", (8,), dtype="u1", external=[("/etc/hostname", 0, 8)])

    seen = read(hdf5(None, linked, libver=(version, "latest")))
    assert seen.severity("hdf5.external_link") == "critical"
    seen = read(hdf5(None, stored, libver=(version, "latest")))
    assert seen.severity("hdf5.external_storage") == "critical"


def test_virtual_datasets_and_filters_of_programs():
    def virtual(file):
        layout = h5py.VirtualLayout((4,), dtype="f4")
        layout[:] = h5py.VirtualSource("other.h5", "a", (4,))
        file.create_virtual_dataset("v", layout)

    assert (
        read(hdf5(None, virtual, libver="latest")).severity("hdf5.external_storage") == "critical"
    )

    def packed(file):
        file.create_dataset("c", data=np.arange(100), chunks=(10,), compression="gzip")

    data = hdf5(None, packed)
    assert read(data).findings == []
    # Another number in its place; that of gzip stands in the message as 1, 8 bytes before its name.
    at = data.index(b"deflate\0") - 8
    assert data[at : at + 2] == b"\1\0"
    other = data[:at] + struct.pack("<H", 32015) + data[at + 2 :]
    assert read(other).severity("hdf5.filter") == "high"


def test_pickles_in_attributes():
    def fill(file):
        file.attrs["TITLE"] = np.bytes_(b"cos\nsystem\n(S'true'\ntR.")

    assert read(hdf5(None, fill)).severity("hdf5.pickle") == "critical"


def test_what_nothing_points_to_is_not_read():
    data = hdf5(model())
    for more in (b"\1" * 10_000, b"x"):
        seen = read(data + more)
        assert seen.coverage["m.h5"].status == "error"
    grown = h5py_grown(data, b"MZ" + b"\x90" * 9_000)
    seen = read(grown)
    assert seen.coverage["m.h5"].status == "error"
    assert "nothing points to" in seen.coverage["m.h5"].reason
    assert seen.severity("hdf5.hidden") == "high"


def h5py_grown(data, more):
    """A file with bytes at its end that it counts as its own."""
    end = struct.pack("<Q", len(data))
    assert data.count(end) == 1
    return data.replace(end, struct.pack("<Q", len(data) + len(more))) + more


def test_a_file_behind_a_user_block_is_not_read():
    data = hdf5(model(layer("Lambda")), userblock_size=512)
    assert data[:8] == b"\0" * 8
    seen = read(data, "weights.bin")
    assert seen.claimed == {"weights.bin"}
    assert seen.coverage["weights.bin"].status == "error"
    assert seen.coverage["weights.bin"].executes


def test_every_cut_is_an_error():
    data = hdf5(model())
    for size in range(0, len(data), max(1, len(data) // 200)):
        assert read(data[:size]).coverage["m.h5"].status == "error", size


def test_circles_end():
    def fill(file):
        file["model_weights/again"] = file["/"]

    seen = read(hdf5(None, fill))
    assert seen.coverage["m.h5"].status == "complete"


def test_what_is_said_is_bounded():
    def fill(file):
        for at in range(500):
            file[f"x{at}"] = h5py.ExternalLink("a", "b")
            file.attrs[f"c{at}"] = "import os; os.system('true')"

    seen = read(hdf5(None, fill))
    assert sum(each.severity == "high" for each in seen.findings) <= models._MAX_SAID
    assert sum(each.severity == "critical" for each in seen.findings) == 500
