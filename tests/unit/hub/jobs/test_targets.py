"""Files of served models, and questions to them: read strictly."""

import pytest

from remit.hub.errors import HubError
from remit.hub.jobs.questions import questions
from remit.hub.jobs.targets import MAX_BYTES, parse_targets

HEAD = 'format = "remit.served/v1"\n'
GOOD = {
    "name": '"qwen"', "url": '"http://10.0.0.5:8080/v1/"', "model": '"qwen"',
    "repositories": '["team/*"]',
}  # fmt: skip


def file(head=HEAD, **changes):
    rows = {**GOOD, **changes}
    listed = "".join(f"{key} = {value}\n" for key, value in rows.items() if value)
    return f"{head}[[targets]]\n{listed}".encode()


def test_a_file():
    given = file(key_variable='"KEY"', probes='["dan", "goodside.Tag"]', max_generations="2")
    [target] = parse_targets(given, {"KEY": "k"})
    assert (target.name, target.model, target.max_generations) == ("qwen", "qwen", 2)
    assert target.serves("team/model")
    assert not target.serves("team/model/part")
    assert not target.serves("other/model")
    assert target.allows("dan")
    assert target.allows("dan.Dan_11_0")
    assert target.allows("goodside.Tag")
    assert not target.allows("goodside")
    assert not target.allows("goodside.WhoIsRiley")
    [anything] = parse_targets(file(), {})
    assert anything.allows("whatever.Else")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff", "utf-8"),
        (b"[", "wrong"),
        (HEAD.encode(), "targets"),
        (HEAD.encode() + b"targets = []", "no target"),
        (file(head='format = "remit.served/v2"\n'), "remit.served/v1"),
        (file(name='"../x"'), "no name of a target"),
        (file(name='"Qwen"'), "no name of a target"),
        (file(url='"ftp://10.0.0.5/"'), "is no URL"),
        (file(url='"http://user:secret@10.0.0.5/v1/"'), "is no URL"),
        (file(model='""'), "has no name"),
        (file(model='"--config"'), "has no name"),
        (file(repositories="[]"), "repositories"),
        (file(repositories='"team/*"'), "array"),
        (file(repositories='["../x"]'), "pattern"),
        (file(repositories=""), "repositories"),
        (file(probes='["dan;rm"]'), "no name of a probe"),
        (file(key_variable='"KEY"'), "is empty"),
        (file(key_variable='"A=B"'), "is empty"),
        (file(max_generations="0"), "max_generations"),
        (file(max_generations="true"), "int"),
        (file(password='"x"'), "unknown field"),
        (file() + file(head=""), "twice"),
        (b"#" * (MAX_BYTES + 1), "larger"),
    ],
)
def test_what_is_wrong_in_any_place_is_wrong_as_a_whole(data, why):
    with pytest.raises(HubError) as error:
        parse_targets(data, {"EMPTY": ""})
    assert why in error.value.message


def test_questions_are_the_same_in_any_order():
    first = questions("qwen", ["dan", "goodside.Tag", "dan"])
    assert first == questions("qwen", ["goodside.Tag", "dan"])
    assert first.same != questions("qwen", ["dan"]).same
    assert first.same != questions("other", ["dan", "goodside.Tag"]).same


@pytest.mark.parametrize(
    ("target", "probes", "generations"),
    [
        ("", ["dan"], 1), ("-x", ["dan"], 1), ("a/b", ["dan"], 1), ("q" * 65, ["dan"], 1),
        ("qwen", [], 1), ("qwen", ["dan"] * 101, 1), ("qwen", ["--probes"], 1),
        ("qwen", ["a,b"], 1), ("qwen", ["dan\n"], 1), ("qwen", ["dan"], 0),
        ("qwen", ["dan"], 1001),
    ],
)  # fmt: skip
def test_what_is_no_question(target, probes, generations):
    with pytest.raises(HubError):
        questions(target, probes, generations)
