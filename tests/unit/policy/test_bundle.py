import os

import pytest

from remit.core.event import ToolClass
from remit.policy.bundle import load_bundle
from remit.policy.errors import BundleError
from remit.policy.tables import tool_class
from tests.unit.policy.support import HEAD, PERMIT, codes, load, write

LIMIT = '[[limit]]\nname = "l"\nmax = 1\nwindow = "1h"\nper = ["agent"]\ntools = ["a/*"]\n'
FACT = '[[fact]]\nname = "path"\ntools = ["a/*"]\narguments = ["p"]\n'


def test_a_whole_bundle(tmp_path):
    bundle = load(
        tmp_path,
        PERMIT,
        head=HEAD + 'mode = "observe"\nexpires = 2030-01-01T00:00:00+01:00\nschema = 1\n',
        facts=LIMIT + FACT + '[matchers]\nname = "^a+$"\n',
        tools='dark = ["a/x"]\n[tools]\n"a/*" = "write"\n',
        **{
            "entities__x.toml": '[agents.a]\nteams = ["t"]\n[users.u]\n[servers.a]\ngroups = ["g"]\n',
            "README.md": "hello",
        },
    )
    assert (bundle.name, bundle.version, bundle.serial, bundle.mode) == ("t", "1", 1, "observe")
    assert bundle.expires_us == 1_893_452_400_000_000
    assert [s.name for s in bundle.fact_specs] == ["path"]
    assert [(x.name, x.window_us) for x in bundle.limits] == [("l", 3_600_000_000)]
    assert bundle.entities.agents == {"a": ("t",)}
    assert bundle.entities.groups("a") == ("g",)
    assert bundle.dark == ("a/x",)
    assert [s.id for s in bundle.policies] == ["all"]


def test_the_digest_is_of_names_and_contents(tmp_path):
    one = load(tmp_path / "1", PERMIT).digest
    assert load(tmp_path / "2", PERMIT).digest == one
    assert load(tmp_path / "3", PERMIT + "\n").digest != one
    assert load(tmp_path / "4", PERMIT, **{"README.md": ""}).digest != one
    directory = write(tmp_path / "5", PERMIT)
    (directory / ".git").mkdir()
    (directory / ".git" / "config").write_text("x")
    assert load_bundle(directory).digest == one


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"head": ""}, None),
        ({"head": 'name = "t"\nversion = "1"\nserial = -1\n'}, "type"),
        ({"head": 'name = "t"\nversion = "1"\nserial = true\n'}, "type"),
        ({"head": 'name = "t"\nversion = 1\nserial = 1\n'}, "type"),
        ({"head": HEAD + 'nmae = "t"\n'}, "unknown_key"),
        ({"head": HEAD + "mode = 1\n"}, "type"),
        ({"head": HEAD + 'expires = "2030-01-01"\n'}, "type"),
        ({"head": HEAD + "expires = 2030-01-01T00:00:00\n"}, "type"),
        ({"head": HEAD + "schema = 2\n"}, "schema_version"),
        ({"head": HEAD + "schema = true\n"}, "schema_version"),
        ({"head": "name = "}, "toml"),
        ({"head": b"\xff"}, "toml"),
        ({"head": "a = " + "[" * 5000}, "toml"),
        ({"head": "#" * 2_000_000}, "too_large"),
        ({"facts": "[fact]\n"}, "type"),
        ({"facts": "fact = 1\n"}, "type"),
        ({"facts": "[[fcat]]\n"}, "unknown_key"),
        ({"facts": FACT.replace("path", "now")}, "fact"),
        ({"facts": FACT.replace("path", "a-b")}, "fact"),
        ({"facts": FACT.replace('name = "path"', "")}, "fact"),
        ({"facts": FACT + 'dialect = "x"\n'}, "unknown_key"),
        ({"facts": FACT + 'workspace = "relative"\n'}, "fact"),
        ({"facts": FACT + 'extractor = "paht"\n'}, "unknown_extractor"),
        ({"facts": FACT + "extractor = 1\n"}, "unknown_extractor"),
        ({"facts": FACT.replace('["p"]', "[]")}, "fact"),
        ({"facts": FACT.replace('["p"]', '["$.["]')}, "fact"),
        ({"facts": FACT.replace('["a/*"]', '"a/*"')}, "type"),
        ({"facts": LIMIT + LIMIT}, "duplicate_limit"),
        ({"facts": LIMIT.replace("1h", "1 fortnight")}, "limit"),
        ({"facts": LIMIT.replace("max = 1", "max = -1")}, "limit"),
        ({"facts": LIMIT.replace("max = 1", "max = true")}, "limit"),
        ({"facts": LIMIT.replace('"agent"', '"agnet"')}, "limit"),
        ({"facts": LIMIT + "maximum = 1\n"}, "unknown_key"),
        ({"facts": '[matchers]\nx = "(?=a)"\n'}, "matcher"),
        ({"facts": "[matchers]\nx = 1\n"}, "type"),
        ({"tools": '[tools]\n"a/b" = "raed"\n'}, "tool_class"),
        ({"tools": '[tools]\nb = "read"\n'}, "tool_class"),
        ({"tools": '[tool]\n"a/b" = "read"\n'}, "unknown_key"),
        ({"tools": "tools = 1\n"}, "type"),
        ({"entities__x.toml": "[agent.a]\n"}, "unknown_key"),
        ({"entities__x.toml": '[agents.a]\ngroups = ["t"]\n'}, "unknown_key"),
        ({"entities__x.toml": '[agents.a]\nteams = "t"\n'}, "type"),
        ({"entities__x.toml": "[agents]\na = 1\n"}, "type"),
        (
            {"entities__x.toml": "[agents.a]\n", "entities__y.toml": "[agents.a]\n"},
            "duplicate_entity",
        ),
        ({"tools.lock": "{}"}, "lock"),
        ({"a.cedar": PERMIT}, "unexpected_file"),
        ({"tools__a.cedar": PERMIT}, "unexpected_file"),
        ({"tool__sub__a.cedar": PERMIT}, "unexpected_file"),
        ({"tool__a.CEDAR": PERMIT}, "unexpected_file"),
        ({"fact.toml": ""}, "unexpected_file"),
        ({"tests__x.yml": ""}, "unexpected_file"),
        ({"tool__tools.lock": ""}, "unexpected_file"),
    ],
)
def test_what_does_not_load(tmp_path, files, code):
    if code is None:
        (tmp_path / "tool").mkdir()
        code = "missing_file"
        with pytest.raises(BundleError) as error:
            load_bundle(tmp_path)
    else:
        with pytest.raises(BundleError) as error:
            load(tmp_path, **files)
    assert f"policy.{code}" in codes(error)


def test_all_problems_come_at_once(tmp_path):
    with pytest.raises(BundleError) as error:
        load(tmp_path, "nonsense; more;", facts="x = 1", tools="y = 1", head="z = 1")
    assert {p.file for p in error.value.problems} == {
        "bundle.toml",
        "facts.toml",
        "tools.toml",
        "tool/a.cedar",
    }


def test_a_misspelt_key_gets_a_suggestion_and_a_place(tmp_path):
    with pytest.raises(BundleError) as error:
        load(tmp_path, head=HEAD + "exprires = 1\n")
    problem = error.value.problems[0]
    assert (problem.line, problem.hint) == (4, "did you mean `expires`?")


def test_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside.cedar"
    outside.write_text(PERMIT)
    for number, make in enumerate(
        (
            lambda d: (d / "tool" / "b.cedar").symlink_to(outside),
            lambda d: (d / "guardrail").symlink_to(tmp_path),
            lambda d: (
                (d / "bundle.toml").unlink() or (d / "bundle.toml").symlink_to("tool/a.cedar")
            ),
            lambda d: os.mkfifo(d / "tool" / "b.cedar"),
        )
    ):
        directory = write(tmp_path / str(number), PERMIT)
        make(directory)
        with pytest.raises(BundleError) as error:
            load_bundle(directory)
        assert "policy.not_a_file" in codes(error)


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(BundleError) as error:
        load_bundle(tmp_path / "none")
    assert "policy.unreadable" in codes(error)


def test_unreadable_text_is_shown_safely(tmp_path):
    with pytest.raises(BundleError) as error:
        load(tmp_path, head=HEAD + '"\\u001b[2J" = 1\n')
    assert "\x1b" not in "".join(p.text() for p in error.value.problems)


def test_the_strictest_pattern_wins_and_an_exact_name_beats_it():
    classes = {
        "a/*": ToolClass.READ,
        "a/d*": ToolClass.DESTRUCTIVE,
        "a/do": ToolClass.WRITE,
    }
    assert tool_class(classes, "a/see") is ToolClass.READ
    assert tool_class(classes, "a/drop") is ToolClass.DESTRUCTIVE
    assert tool_class(classes, "a/do") is ToolClass.WRITE
    assert tool_class(classes, "A/see") is ToolClass.DESTRUCTIVE
    assert tool_class({}, "a/see") is ToolClass.DESTRUCTIVE


def test_a_broken_fact_is_told_once(tmp_path):
    policies = '@id("a") forbid (principal, action, resource) when { context has path && context.path.ok };'
    with pytest.raises(BundleError) as error:
        load(tmp_path, policies, facts=FACT + 'workspace = "relative"\n')
    assert [problem.code for problem in error.value.problems] == ["policy.fact"]


def test_a_name_used_twice_is_told_once_for_a_policy(tmp_path):
    policies = (
        '@id("a") forbid (principal, action, resource) when { context has pth && context.pth.ok };'
    )
    with pytest.raises(BundleError) as error:
        load(tmp_path, policies)
    assert [problem.code for problem in error.value.problems] == ["policy.unknown_fact"]
