"""Push, pull, copy and the rest against real registries: Debian's docker-registry, and the Hub."""

import hashlib
import json
import os
import resource
import subprocess
import time

import pytest

from remit.artifacts.layout import Layout
from remit.artifacts.oci.digests import digest_of
from tests.rig.exchange import (
    Cutter,
    environment,
    log_in,
    plain,
    port_of,
    put_artifact,
    put_index,
    random_file,
    remit,
)
from tests.rig.governed import REMIT
from tests.rig.registries import docker_registry, free_port, person
from tests.rig.registries import hub as running_hub

BIG = 100_000_000


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    with docker_registry(tmp_path_factory.mktemp("debian")) as found:
        yield found


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    path = tmp_path_factory.mktemp("big") / "weights"
    random_file(path, BIG)
    return path


@pytest.fixture(params=["debian", "hub"])
def registry(request, tmp_path):
    """Either registry; the user `me` may do everything there."""
    found = request.getfixturevalue(request.param)
    log_in(found, tmp_path / "me")
    return found


@pytest.fixture
def me(tmp_path):
    return tmp_path / "me"


@pytest.fixture
def store(me):
    return Layout.open(me / "artifacts", create=True)


def ok(done):
    assert done.returncode == 0, done.stderr
    return done


def value(done):
    return json.loads(ok(done).stdout)


def there_and_back(registry, me, other, name):
    """Push, pull as another user of this machine; the digest there."""
    place = f"{registry.host}/{name}"
    log_in(registry, other)
    pushed = value(remit("push", "thing:v1", place, "-o", "json", state=me))
    pulled = value(remit("pull", place, "-o", "json", state=other))
    assert pulled["digest"] == pushed["digest"]
    return pushed


def test_what_is_pushed_is_pulled(registry, me, store, tmp_path):
    root = put_artifact(store, "thing:v1", b"one", b"two" * 100_000, b"")
    pushed = there_and_back(registry, me, tmp_path / "other", "team/thing:v1")
    assert pushed["digest"] == root.digest
    assert {blob["outcome"] for blob in pushed["blobs"]} == {"sent"}
    back = Layout.open(tmp_path / "other" / "artifacts")
    assert back.resolve(f"{registry.host}/team/thing:v1").digest == root.digest
    assert back.read(digest_of(b"two" * 100_000), limit=300_000) == b"two" * 100_000
    assert list((back.root / "ingest").iterdir()) == []
    again = value(
        remit("push", "thing:v1", f"{registry.host}/team/thing:v2", "-o", "json", state=me)
    )
    assert {blob["outcome"] for blob in again["blobs"]} == {"exists"}
    assert again["bytes_moved"] == 0
    tags = value(remit("tags", f"{registry.host}/team/thing", "-o", "json", state=me))["tags"]
    assert tags == ["v1", "v2"]
    by_digest = f"{registry.host}/team/thing@{root.digest}"
    assert value(remit("pull", by_digest, "-o", "json", state=me))["digest"] == root.digest


def test_an_index_with_platforms(registry, me, store, tmp_path):
    children = [put_artifact(store, "", name) for name in (b"arm", b"amd")]
    platforms = [{"os": "linux", "architecture": name} for name in ("arm64", "amd64")]
    pairs = zip(children, platforms, strict=True)
    put_index(store, "thing:v1", *(plain(child, platform=each) for child, each in pairs))
    there_and_back(registry, me, tmp_path / "other", "team/multi:v1")
    log_in(registry, tmp_path / "one")
    place = f"{registry.host}/team/multi:v1"
    done = value(
        remit("pull", place, "--platform", "linux/amd64", "-o", "json", state=tmp_path / "one")
    )
    assert done["digest"] == children[1].digest
    assert not Layout.open(tmp_path / "one" / "artifacts").has(digest_of(b"arm"))
    done = remit("pull", place, "--platform", "plan9/mips", state=tmp_path / "one")
    assert done.returncode == 2
    assert "linux/amd64, linux/arm64" in done.stderr


def test_referrers_with_and_without_the_api(registry, me, store, tmp_path):
    root = put_artifact(store, "thing:v1", b"signed thing")
    names = [f"signature {number}".encode() for number in range(3)]
    signatures = {put_artifact(store, "", each, subject=plain(root)).digest for each in names}
    place = f"{registry.host}/team/signed:v1"
    done = value(remit("push", "thing:v1", place, "--referrers", "-o", "json", state=me))
    assert done["referrers"] == 3
    listed = value(remit("referrers", place, "-o", "json", state=me))
    assert {each["digest"] for each in listed} == signatures
    assert {each["artifact_type"] for each in listed} == {"application/vnd.example.thing"}
    assert value(remit("referrers", place, "--type", "x/y", "-o", "json", state=me)) == []
    log_in(registry, tmp_path / "other")
    ok(remit("pull", place, "--as", "mine:v1", "--referrers", state=tmp_path / "other"))
    listed = value(remit("referrers", "mine:v1", "-o", "json", state=tmp_path / "other"))
    assert {each["digest"] for each in listed} == signatures


def test_six_writers_of_one_list_of_referrers(debian, me, store):
    """The tag that stands in for the API is read, changed and written: none may be lost."""
    root = put_artifact(store, "thing:v1", b"contended")
    place = f"{debian.host}/team/contended"
    ok(remit("push", "thing:v1", f"{place}:v1", state=me))
    running = []
    for number in range(6):
        put_artifact(store, f"s:v{number}", b"%d" % number, subject=plain(root))
        command = [REMIT, "push", f"s:v{number}", f"{place}:s{number}"]
        running.append(subprocess.Popen(command, env=environment(me)))
    assert [each.wait(60) for each in running] == [0] * 6
    assert len(value(remit("referrers", f"{place}:v1", "-o", "json", state=me))) == 6


def test_copies(debian, hub, me, store, tmp_path):
    log_in(hub, me)
    root = put_artifact(store, "thing:v1", b"copied", b"x" * 1_000_000)
    put_artifact(store, "", b"signature of it", subject=plain(root))
    first = f"{debian.host}/copy/a:v1"
    ok(remit("push", "thing:v1", first, "--referrers", state=me))
    steps = [
        (first, f"{debian.host}/copy/b:v1", "mounted"),
        (first, f"{hub.host}/copy/a:v1", "sent"),
        (f"{hub.host}/copy/a:v1", f"{hub.host}/copy/b:v1", "mounted"),
        (f"{hub.host}/copy/b:v1", f"oci:{tmp_path}/layout:v7", "sent"),
        (f"oci:{tmp_path}/layout@{root.digest}", f"{debian.host}/copy/c:v1", "sent"),
        (f"{debian.host}/copy/c:v1", "back:v1", "exists"),
        ("back:v1", f"oci:{tmp_path}/other", "sent"),
    ]
    for source, target, outcome in steps:
        options = ["--referrers", "-o", "json"]
        done = value(remit("copy", source, target, *options, state=me))
        assert done["digest"] == root.digest, (source, target)
        assert done["referrers"] == 1, (source, target)
        assert {blob["outcome"] for blob in done["blobs"]} <= {outcome, "exists"}
        assert any(blob["outcome"] == outcome for blob in done["blobs"]), (source, target)


def test_basic_authentication_and_login(tmp_path, me, store):
    put_artifact(store, "thing:v1", b"secret thing")
    with docker_registry(tmp_path / "registry", auth="basic") as found:
        place = f"{found.host}/team/thing:v1"
        done = remit("push", "thing:v1", place, state=me)
        assert done.returncode == 1
        assert f"remit login {found.host}" in done.stderr
        login = ["login", found.host, "-u", found.user, "--password-stdin"]
        done = remit(*login, state=me, stdin="wrong")
        assert done.returncode == 1
        assert "wrong" not in done.stdout + done.stderr
        assert not (me / "registries.json").exists()
        done = ok(remit(*login, state=me, stdin=found.password + "\n"))
        assert found.password not in done.stdout + done.stderr
        assert (me / "registries.json").stat().st_mode & 0o777 == 0o600
        ok(remit("push", "thing:v1", place, state=me))
        ok(remit("logout", found.host, state=me))
        assert remit("pull", place, state=me).returncode == 1
        docker = tmp_path / "docker"
        docker.mkdir()
        helper = tmp_path / "bin" / "docker-credential-test"
        helper.parent.mkdir()
        helper.write_text(
            '#!/bin/sh\nread server\nprintf \'{"Username":"%s","Secret":"%s"}\' '
            f"{found.user} {found.password}\n"
        )
        helper.chmod(0o755)
        (docker / "config.json").write_text(json.dumps({"credHelpers": {found.host: "test"}}))
        env = {"DOCKER_CONFIG": str(docker)}
        path = f"{helper.parent}:{os.environ['PATH']}"
        ok(remit("pull", place, state=me, PATH=path, **env))
        done = remit("pull", place, state=me, **env)
        assert done.returncode == 2
        assert "docker-credential-test" in done.stderr


def test_a_denial_of_the_hub_has_its_reason(hub, tmp_path, me, store):
    put_artifact(store, "thing:v1", b"denied thing")
    log_in(person(hub, "ann", "reader", "open/*"), me)
    done = remit("push", "thing:v1", f"{hub.host}/open/thing:v1", state=me)
    assert done.returncode == 1
    assert "DENIED" in done.stderr
    done = remit("pull", f"{hub.host}/closed/thing:v1", state=me)
    assert done.returncode == 1


def test_what_does_not_answer(me, store):
    put_artifact(store, "thing:v1", b"thing")
    host = f"127.0.0.1:{free_port()}"
    for command in (["push", "thing:v1", f"{host}/a/b:v1"], ["tags", f"{host}/a/b"]):
        done = remit(*command, state=me)
        assert done.returncode == 5
        assert f"`http://{host}` does not answer: Connection refused" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["push", "nothing:v1", "localhost:1/a:v1"], "not in the store"),
        (["push", "thing:v1"], "which registry"),
        (["push", "thing:v1", "localhost:1/A:v1"], "not the name of a repository"),
        (["pull", "thing:v1"], "which registry"),
        (["pull", "localhost:1/a@sha256:123"], "not a digest"),
        (["copy", "thing:v1", "localhost:1/a@sha256:" + "0" * 64], "not a digest"),
        (["copy", "oci:/nowhere:v1", "thing:v2"], "no artifact store"),
        (["login", "https://localhost", "-u", "a", "--password-stdin"], "not the host"),
        (["logout", "a/b"], "not the host"),
    ],
)  # fmt: skip
def test_mistakes(me, store, arguments, says):
    put_artifact(store, "thing:v1", b"thing")
    done = remit(*arguments, state=me)
    assert done.returncode == (1 if "store" in says else 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_push_that_is_cut_goes_on_at_the_hub(hub, me, store, big):
    put_artifact(store, "thing:v1", big)
    with Cutter(port_of(hub), up=[40_000_000, 60_000_000]) as cutter:
        log_in(hub, me, cutter.host)
        cutter.passed_up = 0
        done = value(
            remit("push", "thing:v1", f"{cutter.host}/cut/thing:v1", "-o", "json", state=me)
        )
        assert cutter.cut == 2
        assert cutter.passed_up < BIG + 2 * 33_000_000 + 1_000_000
    assert "resumed" in {blob["outcome"] for blob in done["blobs"]}


def test_a_push_that_is_cut_ends_well_where_nothing_can_be_taken_up(debian, me, store, big):
    put_artifact(store, "thing:v1", big)
    with Cutter(port_of(debian), up=[40_000_000]) as cutter:
        ok(remit("push", "thing:v1", f"{cutter.host}/cut/thing:v1", state=me))
        assert cutter.cut == 1


def test_a_pull_that_is_cut_goes_on(registry, me, store, big, tmp_path):
    put_artifact(store, "thing:v1", big)
    ok(remit("push", "thing:v1", f"{registry.host}/pulled/thing:v1", state=me))
    with Cutter(port_of(registry), down=[30_000_000, 50_000_000, 1000]) as cutter:
        log_in(registry, tmp_path / "other", cutter.host)
        cutter.passed_down = 0
        ok(remit("pull", f"{cutter.host}/pulled/thing:v1", state=tmp_path / "other"))
        assert cutter.cut == 3
        assert cutter.passed_down < BIG + 10_000_000


def killed(arguments, state, passed, enough):
    """Start a command and kill it when enough bytes went through."""
    process = subprocess.Popen(
        [REMIT, *arguments],
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while passed() < enough:
        assert time.monotonic() < until
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    process.kill()
    process.wait()
    process.stderr.close()


def test_what_was_killed_goes_on(hub, me, store, big, tmp_path):
    put_artifact(store, "thing:v1", big)
    with Cutter(port_of(hub)) as cutter:
        log_in(hub, me, cutter.host)
        log_in(hub, tmp_path / "other", cutter.host)
        place = f"{cutter.host}/killed/thing:v1"
        cutter.passed_up = 0
        killed(["push", "thing:v1", place], me, lambda: cutter.passed_up, 75_000_000)
        assert len(list((store.root / "uploads").iterdir())) == 1
        cutter.passed_up = 0
        done = value(remit("push", "thing:v1", place, "-o", "json", state=me))
        assert "resumed" in {blob["outcome"] for blob in done["blobs"]}
        assert cutter.passed_up < 70_000_000
        assert list((store.root / "uploads").iterdir()) == []

        other = tmp_path / "other"
        cutter.passed_down = 0
        killed(["pull", place], other, lambda: cutter.passed_down, 50_000_000)
        assert Layout.open(other / "artifacts").names() == {}
        cutter.passed_down = 0
        done = value(remit("pull", place, "-o", "json", state=other))
        assert "resumed" in {blob["outcome"] for blob in done["blobs"]}
        assert cutter.passed_down < 65_000_000
        pulled = Layout.open(other / "artifacts")
        assert list((pulled.root / "ingest").iterdir()) == []
        found = next(blob for blob in done["blobs"] if blob["size"] == BIG)
        with pulled.path(found["digest"]).open("rb") as file:
            assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == found["digest"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_gibibytes_need_little_memory(hub, debian, me, store, tmp_path):
    size = 2 << 30
    log_in(hub, me)
    random_file(tmp_path / "weights", size)
    put_artifact(store, "thing:v1", tmp_path / "weights")
    (tmp_path / "weights").unlink()
    place = f"{hub.host}/large/thing:v1"
    for command in (
        ["push", "thing:v1", place],
        ["pull", place, "--store", str(tmp_path / "pulled")],
        ["copy", place, f"{debian.host}/large/thing:v1"],
    ):
        process = subprocess.Popen([REMIT, *command], env=environment(me))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert usage.ru_maxrss < 100 * 1024, command
    assert isinstance(usage, resource.struct_rusage)
