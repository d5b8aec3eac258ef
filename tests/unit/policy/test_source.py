import pytest

from remit.policy.source import chunks, read

GOOD = '@id("a")\npermit (principal, action, resource);\n'


def problems(text):
    data = text if isinstance(text, bytes) else text.encode()
    return [(p.code.removeprefix("policy."), p.line, p.column) for p in read("f.cedar", data)[1]]


def test_policies_have_their_places():
    found, wrong = read(
        "f.cedar", ("// first\n\n  " + GOOD + "/" + "/ ; \n" + GOOD.replace("a", "b", 1)).encode()
    )
    assert not wrong
    assert [(s.id, s.line, s.column) for s in found] == [("a", 3, 3), ("b", 6, 1)]


@pytest.mark.parametrize(
    "text",
    [
        '@id("a") @reason("x; // y") forbid (principal, action, resource);',
        '@id("a") @reason("say \\"; // no\\"") forbid (principal, action, resource);',
        '@id("a") forbid (principal, action, resource) // ; "\n when { context.now == context.now };',
        '// @id("hidden") forbid (principal, action, resource);\n@id("a") forbid (principal, action, resource);',
        '@id("a") forbid (principal, action == Remit::Action::"x;y//z", resource);',
    ],
)
def test_semicolons_in_strings_and_comments_split_nothing(text):
    found, wrong = read("f.cedar", text.encode())
    assert not wrong
    assert [s.id for s in found] == ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("permit (principal, action, resource)", [("syntax", 1, 1)]),
        (GOOD + "nonsense;\n" + GOOD, [("syntax", 3, 1)]),
        (GOOD + '\n  @id("b") permit (principal action, resource);', [("syntax", 4, 3)]),
        ('@id("a") forbid (principal, action, resource) when { "unclosed };', [("syntax", 1, 1)]),
        (GOOD + ";", [("syntax", 3, 1)]),
        ("forbid (principal, action, resource);", [("missing_id", 1, 1)]),
        ('@id("a") permit (principal == ?principal, action, resource);', [("template", 1, 1)]),
        (b"\xff\xfe", [("encoding", 0, 0)]),
        ("\ufeff" + GOOD, [("syntax", 1, 1)]),
        ('@id("a") @id("b") forbid (principal, action, resource);', [("syntax", 1, 1)]),
        ("/* no such comment */ " + GOOD, [("syntax", 1, 1)]),
        (
            '@id("a") forbid (principal, action, resource) when { ' + "!" * 5000 + "true };",
            [("too_deep", 1, 1)],
        ),
        (
            '@id("a") forbid (principal, action, resource) when { '
            + "(" * 3000
            + "true"
            + ")" * 3000
            + " };",
            [("too_deep", 1, 1)],
        ),
    ],
)
def test_what_is_wrong_has_a_place(text, expected):
    assert problems(text) == expected


@pytest.mark.parametrize("newline", ["\r", "\n", "\r\n", "\u2028", "\u0085", "\x0b"])
def test_a_comment_ends_where_cedar_says(newline):
    hidden = '@id("b") forbid (principal, action, resource);'
    found, wrong = read("f.cedar", f"// comment{newline}{hidden}\n{GOOD}".encode())
    assert not wrong
    assert [s.id for s in found] == (["b", "a"] if newline in {"\r", "\n", "\r\n"} else ["a"])


@pytest.mark.parametrize(
    "form",
    [
        lambda n: "(" * n + "true" + ")" * n,
        lambda n: "!(" * n + "true" + ")" * n,
        lambda n: " && ".join(["true"] * n),
        lambda n: "+".join(["1"] * n) + " == 1",
        lambda n: "context" + ".a" * n,
        lambda n: "context" + '["a"]' * n,
        lambda n: "if true then true else " * n + "true",
        lambda n: "[" * n + "]" * n + " == 1",
        lambda n: "{a:" * n + "1" + "}" * n + " == 1",
    ],
)
def test_text_that_would_crash_the_parser_is_refused(form):
    for n in (10_000, 900):
        text = '@id("a") forbid (principal, action, resource) when { ' + form(n) + " };"
        assert problems(text) == [("too_deep", 1, 1)]
    for n in (90, 150, 700):
        text = '@id("a") forbid (principal, action, resource) when { ' + form(n) + " };"
        assert len(problems(text)) <= 1


def test_an_empty_file_has_no_policies():
    assert read("f.cedar", b" // nothing\n") == ([], [])
    assert list(chunks("")) == []
