from pathlib import Path

import pytest

from remit.policy.difference import compare_bundles, reads

GIT = Path("examples/bundles/git")


def bundle(root=GIT):
    paths = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    return {path: data for path, data in paths.items() if reads(path)}


def changed(path, old, new):
    files = bundle()
    assert old.encode() in files[path]
    return {**files, path: files[path].replace(old.encode(), new.encode(), 1)}


def seen(before, after):
    changes, problems = compare_bundles(before, after)
    assert not problems, problems
    return [(each.kind, each.file, each.subject, each.severity) for each in changes]


CEDAR = "tool/git.cedar"


@pytest.mark.parametrize("name", ["git", "fs", "db"])
def test_a_bundle_equals_itself(name):
    files = bundle(Path("examples/bundles") / name)
    assert seen(files, dict(files)) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "found"),
    [
        (CEDAR, 'action in Remit::Action::"tool.read"', 'action in Remit::Action::"tool.call"', ("policy.scope", CEDAR, "git-reads", "high")),
        (CEDAR, 'principal in Remit::Team::"developers"', "principal", ("policy.scope", CEDAR, "git-developers-write", "high")),
        (CEDAR, "unless { context.repository.inside_workspace }", "unless { true }", ("policy.conditions", CEDAR, "git-inside-workspace", "high")),
        (CEDAR, "Only repositories", "Just repositories", ("policy.annotation", CEDAR, "git-inside-workspace", "info")),
        (CEDAR, "forbid (principal, action in", "permit (principal, action in", ("policy.effect", CEDAR, "git-inside-workspace", "critical")),
        (CEDAR, '@id("git-reads")', '@id("git-looks")', ("policy.renamed", CEDAR, "git-looks", "low")),
        (CEDAR, "// A revision", "// Any revision", ("policy.comments", CEDAR, "", "info")),
        ("bundle.toml", "enforce", "observe", ("bundle.mode", "bundle.toml", "mode", "critical")),
        ("bundle.toml", "serial = 1", "serial = 2", ("bundle.serial", "bundle.toml", "serial", "info")),
        ("tools.toml", '"git/git_reset" = "destructive"', '"git/git_reset" = "read"', ("tools.tools", "tools.toml", "tools git/git_reset", "high")),
        ("tools.toml", '"git/git_log" = "read"', '"git/git_log" = "write"', ("tools.tools", "tools.toml", "tools git/git_log", "low")),
        ("tools.toml", 'dark = ["git/git_checkout"]', "dark = []", ("tools.dark", "tools.toml", "dark git/git_checkout", "high")),
        ("facts.toml", "max = 20", "max = 200", ("facts.limit", "facts.toml", "limit commits", "medium")),
    ],
)  # fmt: skip
def test_exactly_the_change_that_was_made(path, old, new, found):
    assert seen(bundle(), changed(path, old, new)) == [found]


def test_format_alone_is_no_change():
    files = bundle()
    text = (
        files[CEDAR]
        .decode()
        .replace("\n  ", "\n      ")
        .replace("(principal, action", "( principal , action")
    )
    assert text != files[CEDAR].decode()
    assert seen(files, {**files, CEDAR: text.encode()}) == []


def test_the_order_of_actions_and_policies_means_nothing():
    files = bundle()
    a, b = '    Remit::Action::"git/git_add",\n', '    Remit::Action::"git/git_commit",\n'
    text = files[CEDAR].decode().replace(a + b, b + a)
    assert text != files[CEDAR].decode()
    assert seen(files, {**files, CEDAR: text.encode()}) == []


def test_policies_that_came_and_went():
    files = bundle()
    new = b'@id("all")\npermit (principal, action, resource);\n'
    assert seen(files, {**files, "tool/new.cedar": new}) == [
        ("policy.added", "tool/new.cedar", "all", "high")
    ]
    assert seen({**files, "tool/new.cedar": new}, files) == [
        ("policy.removed", "tool/new.cedar", "all", "low")
    ]


def test_an_obligation_that_is_gone():
    files = {"bundle.toml": b'name = "x"\nversion = "1"\nserial = 1\n'}
    policy = '@id("a")\n@require("approval")\n@quorum("2")\nforbid (principal, action, resource)\nunless {{ context.fulfilled.contains("a") }};\n'.replace(
        "{{", "{"
    ).replace("}}", "}")
    old = {**files, "tool/a.cedar": policy.encode()}
    new = {**files, "tool/a.cedar": policy.replace('@quorum("2")', '@quorum("1")').encode()}
    changes, _ = compare_bundles(old, new)
    assert [(each.kind, each.severity, each.summary) for each in changes] == [
        ("policy.annotation", "high", "@quorum `2` → `1`")
    ]


def test_a_member_who_came():
    path = "entities/agents.toml"
    files = bundle()
    assert path in files
    old = files[path].decode()
    changes, problems = compare_bundles(
        files, {**files, path: old.replace("developers", "admins").encode()}
    )
    assert not problems
    assert {each.file for each in changes} == {path}
    assert changes


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (CEDAR, b"permit (principal"),
        (CEDAR, b"\xff"),
        (CEDAR, b'@id("a") permit (principal, action, resource) when { ' + b"(" * 5000),
        (CEDAR, b'@id("a")\npermit (principal, action, resource);\n' * 2),
        ("bundle.toml", b"= 1"),
        ("tools.toml", b"[tools]\nx = 7\n"),
        ("facts.toml", b"a" * 100),
        ("entities/agents.toml", b"\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_and_not_compared(path, data):
    changes, problems = compare_bundles(bundle(), {**bundle(), path: data})
    assert {each.file for each in problems} == {path}
    assert path not in {each.file for each in changes}
