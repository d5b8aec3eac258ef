import pytest

from tests.unit.artifacts.diff.making import difference, only, seen

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
AGENT = """
name: support
model: registry.example/models/llm:v1@{digest}
servers:
  - name: mail
    source: registry.example/servers/mail:v1@{digest}
prompts:
  - name: system
    digest: {digest}
"""


def agent(text):
    return {"agent.yaml": text}


def test_a_reference_whose_digest_moved(tmp_path):
    old = AGENT.format(digest=A)
    change = only(
        difference(tmp_path, agent(old), agent(old.replace(f"llm:v1@{A}", f"llm:v1@{B}")))
    )
    assert (change.kind, change.subject, change.severity) == ("agent.reference", "/model", "medium")
    assert change.summary.endswith("under the same tag")


@pytest.mark.parametrize(
    ("new", "part", "severity"),
    [
        (f"registry.example/models/llm:v2@{B}", "tag `v1` → `v2`", "medium"),
        ("registry.example/models/llm:v1", "no longer pinned by a digest", "high"),
        (f"evil.example/models/llm:v1@{A}", "no longer to", "high"),
    ],
)
def test_references_that_moved(tmp_path, new, part, severity):
    old = AGENT.format(digest=A)
    change = only(
        difference(
            tmp_path, agent(old), agent(old.replace(f"registry.example/models/llm:v1@{A}", new))
        )
    )
    assert (change.kind, change.severity) == ("agent.reference", severity)
    assert part in change.summary


def test_servers_are_known_by_their_name(tmp_path):
    old = AGENT.format(digest=A)
    new = old.replace("servers:\n", "servers:\n  - name: files\n    source: local/files:v1\n")
    change = only(difference(tmp_path, agent(old), agent(new)))
    assert (change.kind, change.subject, change.severity) == (
        "agent.added",
        "/servers/files",
        "medium",
    )


def test_a_digest_that_changed(tmp_path):
    old = AGENT.format(digest=A)
    found = difference(tmp_path, agent(old), agent(old.replace(f"digest: {A}", f"digest: {B}")))
    assert seen(found) == [("agent.digest", "agent.yaml", "/prompts/system/digest")]


def test_a_kitfile(tmp_path):
    a = "manifestVersion: 1.0.0\nmodel:\n  name: m\n  path: m.gguf\ndatasets:\n  - name: d\n    path: d.csv\n"
    found = difference(tmp_path, {"Kitfile": a}, {"Kitfile": a.replace("d.csv", "e.csv")})
    assert seen(found) == [("kitfile.changed", "Kitfile", "/datasets/d/path")]


def test_what_is_no_definition_is_a_text(tmp_path):
    found = difference(tmp_path, {"Kitfile": "a: 1\n"}, {"Kitfile": "a: &x 1\nb: *x\n"})
    assert seen(found) == [("text.changed", "Kitfile", "")]
