"""Locks, manifests of servers and policy checks of anybody: an error of ours, or something sane."""

import contextlib
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from remit.attest.predicates.fields import PredicateError
from remit.attest.predicates.policy_check import PolicyCheck
from remit.core.errors import RemitError
from remit.guard.admission.launch import FETCHING, launch_of
from remit.guard.admission.lockfile import LockError, lock_bytes, parse_lock
from remit.guard.admission.sealed import SealedFile
from remit.guard.config import ServerConfig
from remit.guard.errors import GuardError

HERE = Path("/srv")
SERVER = ServerConfig(id="x", command=(), cwd=HERE, workspace=HERE, artifact="team/x:1")
words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["${__dirname}", "${HOME}", "${user_config.a}", "${", "${}", "${/}", "node", "npx", "./x",
         "a/b", "/bin/sh", "../x", "uvx.exe", "${__dirname}/../../x", "\0"]
    ),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
servers = st.fixed_dictionaries(
    {"type": st.sampled_from(["node", "python", "binary", "uv", "x"])},
    optional={
        "entry_point": words,
        "mcp_config": st.fixed_dictionaries(
            {},
            optional={
                "command": words | json_values,
                "args": st.lists(words, max_size=3) | json_values,
                "env": st.dictionaries(words, words, max_size=2) | json_values,
                "platform_overrides": json_values | st.just({"linux": {"command": "npx"}}),
            },
        ),
    },
)


@given(servers, st.dictionaries(st.sampled_from("ab"), json_values, max_size=2))
def test_manifests(server, asked):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        document = {
            "manifest_version": "0.3", "name": "x", "version": "1", "description": "x",
            "server": server, "user_config": asked,
        }  # fmt: skip
        (root / "manifest.json").write_text(json.dumps(document))
        try:
            found = launch_of(SERVER, root)
        except RemitError:
            return
        program = found.command[0]
        assert all(isinstance(word, str) and "\0" not in word for word in found.command)
        assert Path(program).is_absolute() or "/" not in program
        assert Path(program).name.lower().removesuffix(".exe") not in FETCHING
        assert all(isinstance(each, str) for each in found.env.values())


@given(st.binary(max_size=200))
def test_locks(data):
    with contextlib.suppress(LockError):
        parse_lock(data)


@given(json_values)
def test_locks_that_are_json(value):
    data = json.dumps({"lockVersion": 1, "artifacts": value}).encode()
    try:
        found = parse_lock(data)
    except LockError:
        return
    assert parse_lock(lock_bytes(found)) == found


GOOD = PolicyCheck(
    name="base", version="1", serial=1, bundle_digest="sha256:" + "ab" * 32, checker="1",
    policies=1, checked_us=1_800_000_000_000_000,
).predicate()  # fmt: skip


@given(st.sampled_from(sorted(GOOD)), json_values)
def test_policy_checks(name, value):
    with contextlib.suppress(PredicateError):
        assert PolicyCheck.read({**GOOD, name: value}).serial >= 0


@given(st.binary(max_size=120))
def test_sealed_files(data):
    with tempfile.TemporaryDirectory() as name:
        file = SealedFile(Path(name), "x")
        file.write({"serial": 1})
        (Path(name) / "x.json").write_bytes(data)
        with contextlib.suppress(GuardError):
            assert file.read() == {"serial": 1}
