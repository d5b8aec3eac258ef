import collections
import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import pytest

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.comparers.pickles import danger
from remit.artifacts.diff.formats import pickles as module
from remit.artifacts.diff.formats.pickles import profile
from tests.unit.artifacts.diff.making import difference, only, refused, seen, zipped

GOOD = {"weights": [1.5, 2.5], "names": collections.OrderedDict(a=1)}


class Evil:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def dumped(value, protocol=4):
    return pickle.dumps(value, protocol)


def looked(data):
    return profile(io.BytesIO(data), len(data))


def test_a_command_that_was_added_is_shown_with_its_import(tmp_path):
    a, b = dumped(GOOD), dumped({**GOOD, "x": Evil("touch /tmp/owned")})
    found = difference(tmp_path, {"m.pkl": a}, {"m.pkl": b})
    assert not found.unread
    assert seen(found)[0] == ("pickle.import_added", "m.pkl", "posix.system")
    assert found.changes[0].severity == "critical"
    calls = next(each for each in found.changes if each.kind == "pickle.calls")
    assert (calls.subject, calls.before, calls.after) == ("REDUCE", 1, 2)
    values = next(each for each in found.changes if each.kind == "pickle.values")
    assert values.after == ["x", "touch /tmp/owned"]
    assert values.before is None
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_imports_are_seen_in_every_protocol(protocol):
    found = looked(pickle.dumps(Evil("x"), protocol))
    assert [*found.globals] == ["posix.system"]
    assert found.streams == 1
    assert found.trailing == 0


def test_another_protocol_is_told(tmp_path):
    found = difference(tmp_path, {"m.pkl": dumped([1], 2)}, {"m.pkl": dumped([1], 4)})
    assert ("pickle.protocol", "m.pkl", "") in seen(found)
    assert {each.kind for each in found.changes} <= {"pickle.protocol", "pickle.values"}


def test_a_number_that_changed_is_a_value(tmp_path):
    change = only(difference(tmp_path, {"m.pkl": dumped([1, 2])}, {"m.pkl": dumped([1, 3])}))
    assert (change.kind, change.summary) == ("pickle.values", "values in it changed")


def test_an_argument_that_changed_is_a_text(tmp_path):
    found = difference(tmp_path, {"m.pkl": dumped(Evil("ls"))}, {"m.pkl": dumped(Evil("rm"))})
    change = only(found)
    assert (change.before, change.after) == (["ls"], ["rm"])


def test_names_reach_the_import_by_the_memo_and_by_pops():
    data = (
        b"\x80\x04"
        b"\x8c\x05posix\x94\x8c\x04junk0"  # memo 0, then a string that is popped
        b"\x8c\x06system\x94h\x00h\x01\x93"  # memo 1; both got back
        b"(\x8c\x02idtR."
    )
    assert [*looked(data).globals] == ["posix.system"]


def test_a_name_that_is_computed_is_critical():
    data = b"\x80\x04\x8c\x05posix(\x8c\x01at\x93."
    assert looked(data).globals == {module.COMPUTED: 1}
    assert danger(module.COMPUTED) == "critical"


def test_what_follows_the_end_is_looked_at(tmp_path):
    a, b = dumped(GOOD), dumped(GOOD) + b"trailing"
    found = difference(tmp_path, {"m.pkl": a}, {"m.pkl": b})
    assert only(found).kind == "pickle.trailing"
    assert only(found).severity == "high"
    again = difference(tmp_path / "2", {"m.pkl": a}, {"m.pkl": a + dumped(Evil("x"))})
    assert ("pickle.import_added", "m.pkl", "posix.system") in seen(again)
    assert ("pickle.protocol", "m.pkl", "") in seen(again)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("collections.OrderedDict", "info"),
        ("numpy.core.multiarray._reconstruct", "info"),
        ("os.system", "critical"),
        ("nt.system", "critical"),
        ("__builtin__.eval", "critical"),
        ("builtins.getattr", "critical"),
        ("subprocess.Popen", "critical"),
        ("numpy.testing._private.utils.runstring", "high"),
        ("sklearn.svm.SVC", "high"),
        ("logging.os.system", "critical"),
    ],
)
def test_how_bad_imports_are(name, severity):
    assert danger(name) == severity


def test_nothing_is_ever_loaded(monkeypatch, tmp_path):
    def loaded(*args, **kwargs):
        raise AssertionError("a pickle was loaded")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, loaded)
    difference(tmp_path, {"m.pkl": dumped(GOOD)}, {"m.pkl": dumped(Evil("x"))})


# -- hostile --------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_ten_million_opcodes_end_soon(tmp_path):
    data = b"\x80\x04" + b"N0" * 5_000_000 + b"N."
    assert "more than 3000000 opcodes" in refused(
        difference(tmp_path, {"m.pkl": dumped(GOOD)}, {"m.pkl": data})
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x", "no complete pickle"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x", "no complete pickle"),
        (b"\x80\x04B" + struct.pack("<I", 0xFFFFFFFF) + b"x", "no complete pickle"),
        (b"\x80\x04]", "no complete pickle"),
        (b"\x80\x04\xff.", "no complete pickle"),
        (b"\x80\x04I" + b"9" * 5000 + b"\n.", "no complete pickle"),
        (b"\x80\x04V" + b"a" * (2 << 20), "line of more than"),
        (b"\x80\x04" + b"(" * 300_000 + b".", "stack grows"),
        (b"\x80\x04N" + b"2" * 300_000 + b".", "stack grows"),
        (b"\x80\x04r\xff\xff\xff\xff.", ""),
    ],
)
def test_a_pickle_that_lies_is_not_looked_into(tmp_path, data, reason):
    found = difference(tmp_path, {"m.pkl": dumped(GOOD)}, {"m.pkl": data})
    assert not found.equal
    if reason:
        assert reason in refused(found)


def test_a_memo_without_end_is_not_followed(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_MEMO", 100)
    data = b"\x80\x04N" + b"\x94" * 200 + b"."
    assert "remembers" in refused(difference(tmp_path, {"m.pkl": dumped(GOOD)}, {"m.pkl": data}))


def test_every_opcode_has_an_effect_on_the_stack_that_is_known():
    """Opcodes of later Pythons must not be skipped in silence."""
    for opcode in pickletools.opcodes:
        machine = module._Machine()
        machine.stack = [module._MARK, "a", "b", "c"]
        argument = {"GLOBAL": "a b", "INST": "a b"}.get(opcode.name, 1)
        if opcode.name in module._TEXTS:
            argument = "x"
        machine.step(opcode, argument)


# -- checkpoints of PyTorch -----------------------------------------------------------------------


def checkpoint(root="archive", values=b"\0" * 64, data=None, **more):
    return zipped(
        {
            f"{root}/data.pkl": data or dumped(GOOD, 2),
            f"{root}/data/0": values,
            f"{root}/data/1": b"\1" * 8,
            f"{root}/version": b"3\n",
            **{f"{root}/{name}": content for name, content in more.items()},
        },
        method=0,
    )


def test_a_storage_that_changed(tmp_path):
    changed = b"\0" * 63 + b"\1"
    change = only(
        difference(tmp_path, {"m.pt": checkpoint()}, {"m.pt": checkpoint(values=changed)})
    )
    assert (change.kind, change.subject) == ("storage.changed", "storage 0")
    assert change.summary == "1 of 64 bytes changed"


def test_the_name_of_the_root_is_no_change(tmp_path):
    found = difference(tmp_path, {"m.pt": checkpoint()}, {"m.pt": checkpoint(root="model")})
    assert only(found).kind == "bytes.changed"


def test_a_checkpoint_with_a_command_and_a_stray_file(tmp_path):
    evil = checkpoint(data=dumped({**GOOD, "x": Evil("id")}, 2), **{"code/evil.py": b"import os\n"})
    found = difference(tmp_path, {"m.pt": checkpoint()}, {"m.pt": evil})
    assert ("pickle.import_added", "m.pt", "posix.system") in seen(found)
    assert ("file.added", "m.pt!/code/evil.py", "") in seen(found)


def test_a_storage_of_another_size(tmp_path):
    found = difference(tmp_path, {"m.pt": checkpoint()}, {"m.pt": checkpoint(values=b"\0" * 32)})
    assert only(found).summary == "size 64 → 32 bytes"


def test_long_texts_are_not_kept():
    import tracemalloc

    text = b"X" + struct.pack("<I", 4 << 20) + b"a" * (4 << 20)
    data = b"\x80\x04" + (text + b"\x94") * 20 + b"."
    tracemalloc.start()
    found = looked(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.opcodes["BINUNICODE"] == 20
    assert peak < 40 << 20


def test_names_without_end_are_cut_and_still_told_apart(monkeypatch):
    a, b = (b"c" + b"m" * 10_000 + b"\n" + end + b"\n." for end in (b"x", b"y"))
    assert looked(a).globals.keys() != looked(b).globals.keys()
    assert all(len(name) < 200 for name in looked(a).globals)
    monkeypatch.setattr(module, "MAX_GLOBALS", 3)
    with pytest.raises(NotLookedIntoError, match="imports more than 3"):
        looked(b"".join(b"ca\n%d\n0" % n for n in range(5)) + b"N.")
