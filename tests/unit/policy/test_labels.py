"""Labels of tools, trusted domains, terms and canaries: read strictly, looked up strictly."""

import pytest

from remit.core.event import ToolClass
from remit.policy.errors import BundleError
from remit.policy.labels import Labels, labels_of
from remit.policy.overlay import overlay
from remit.policy.policy import Watch
from tests.unit.policy.support import HEAD, PERMIT, compiled, load

TOOLS = """
[labels."mail/send"]
result = "trusted"
effect = "egress"
dest = ["to", "cc"]
reveal = ["to"]
[labels."mail/*"]
effect = "internal"
dest = ["folder"]
[labels."*/read_*"]
result = "listing"
effect = "none"
reveal = ["x"]
"""


def test_an_exact_name_wins_and_of_patterns_the_strictest(tmp_path):
    labels = load(tmp_path, PERMIT, tools=TOOLS).labels
    assert labels_of(labels, "mail/send").dest == ("to", "cc")
    both = labels_of(labels, "mail/read_all")
    assert both == Labels(result="untrusted", effect="internal", dest=("folder",))
    assert labels_of(labels, "fs/read_file").result == "listing"


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (ToolClass.READ, "none"),
        (ToolClass.WRITE, "internal"),
        (ToolClass.DESTRUCTIVE, "irreversible"),
        (None, "irreversible"),
    ],
)
def test_without_labels_the_class_says_the_effect_and_nothing_is_trusted(kind, effect):
    found = labels_of({}, "a/b")
    assert found.result == "untrusted"
    assert found.of(kind) == effect
    assert found.reveal == found.dest == ()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"tools": '[labels."a/b"]\nresult = "trustd"\n'}, "policy.labels"),
        ({"tools": '[labels."a/b"]\neffect = "all"\n'}, "policy.labels"),
        ({"tools": '[labels."ab"]\neffect = "none"\n'}, "policy.labels"),
        ({"tools": '[labels."a/b"]\ndestination = ["to"]\n'}, "policy.unknown_key"),
        ({"tools": '[labels."a/b"]\ndest = "to"\n'}, "policy.type"),
        ({"tools": "labels = 3\n"}, "policy.type"),
        ({"facts": '[terms]\n"a b" = ["x"]\n'}, "policy.name"),
        ({"facts": '[terms]\na = "x"\n'}, "policy.type"),
        ({"facts": '[canaries]\na = "short"\n'}, "policy.canary"),
        ({"facts": "[canaries]\na = 12345678\n"}, "policy.canary"),
        ({"entities__x.toml": '[domains]\ntrusted = ["https://a.example"]\n'}, "policy.domain"),
        ({"entities__x.toml": '[domains]\ntrust = ["a.example"]\n'}, "policy.unknown_key"),
    ],
)
def test_what_is_misspelt_does_not_load(tmp_path, files, code):
    with pytest.raises(BundleError) as error:
        load(tmp_path, PERMIT, **files)
    assert code in {problem.code for problem in error.value.problems}


def test_what_is_read(tmp_path):
    bundle = load(
        tmp_path,
        PERMIT,
        facts='[terms]\nprojects = ["project orion"]\n[canaries]\nvault = "x7-canary-88"\n',
        **{"entities__x.toml": '[domains]\ntrusted = ["a.example", "b-c.example"]\n'},
    )
    assert bundle.terms == {"projects": ("project orion",)}
    assert bundle.canaries == {"vault": "x7-canary-88"}
    assert bundle.trusted_domains == ("a.example", "b-c.example")


# --- overlays ---------------------------------------------------------------------------------

BASE = {
    "tools": '[tools]\n"a/b" = "write"\n[labels."a/b"]\neffect = "egress"\n',
    "facts": '[terms]\nprojects = ["orion"]\n',
    "entities__x.toml": '[domains]\ntrusted = ["a.example"]\n',
}
MORE = PERMIT.replace('"all"', '"more"')


@pytest.mark.parametrize(
    "files",
    [
        {"tools": '[labels."a/b"]\neffect = "none"\n'},
        {"tools": '[labels."a/*"]\neffect = "egress"\n'},
        {"facts": '[terms]\nprojects = ["mars"]\n'},
        {"entities__x.toml": '[domains]\ntrusted = ["b.example"]\n'},
    ],
)
def test_an_overlay_cannot_loosen_what_content_means(tmp_path, files):
    base = load(tmp_path / "base", PERMIT, **BASE)
    extra = load(tmp_path / "extra", MORE, head=HEAD, **files)
    with pytest.raises(BundleError):
        overlay(base, extra)


def test_an_overlay_may_repeat_and_add(tmp_path):
    base = load(tmp_path / "base", PERMIT, **BASE)
    extra = load(
        tmp_path / "extra",
        MORE,
        tools='[labels."a/b"]\neffect = "egress"\n',
        facts='[terms]\npeople = ["kim"]\n[canaries]\nvault = "x7-canary-88"\n',
        **{"entities__x.toml": '[domains]\ntrusted = ["a.example"]\n'},
    )
    both = overlay(base, extra)
    assert set(both.terms) == {"projects", "people"}
    assert set(both.canaries) == {"vault"}
    assert both.trusted_domains == ("a.example",)


# --- what has to be remembered ----------------------------------------------------------------


def test_what_a_policy_on_another_servers_tool_reads_is_remembered_too(tmp_path):
    """Agents read on one server and write on another; each server's policy is compiled alone."""
    policies = PERMIT + (
        '@id("a") forbid (principal, action == Remit::Action::"files/write", resource) '
        'when { context.session.labels.contains("injection") } '
        'when { context.flow.payload == "untrusted" };'
    )
    policy = compiled(tmp_path, policies)
    assert policy.watch == Watch(labels=True, flow=True)
    assert compiled(tmp_path / "none", PERMIT).watch == Watch()
    content = PERMIT.replace(";", " when { context.content.inspected };")
    assert compiled(tmp_path / "content", content).watch == Watch(content=True)
