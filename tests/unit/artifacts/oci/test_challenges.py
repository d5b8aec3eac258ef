"""`WWW-Authenticate`: the grammar of RFC 9110, and what breaks it."""

import pytest

from remit.artifacts.oci.challenges import Challenge, parse_challenges
from remit.artifacts.oci.errors import ProtocolError


@pytest.mark.parametrize(
    "field",
    [
        '"quoted"', "=", "Bearer=", 'Bearer realm="open', 'Bearer realm="a" b="c"',
        'Bearer realm="a",realm="b"', "Bearer realm=a, realm=b", 'Bearer a="x" Basic',
        "Basic\x00", "Basic realm=\r\nX: y", "Bearer\trealm\x7f=a", "x" * 17000, "(comment)",
    ],
)  # fmt: skip
def test_what_breaks_the_grammar_is_refused(field):
    with pytest.raises(ProtocolError):
        parse_challenges([field])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], ()),
        ([""], ()),
        ([" , ,"], ()),
        (["Basic"], (Challenge("basic"),)),
        (["Negotiate, Basic"], (Challenge("negotiate"), Challenge("basic"))),
        (["Bearer realm"], (Challenge("bearer", {}, "realm"),)),
        (["Negotiate YII=="], (Challenge("negotiate", {}, "YII=="),)),
        (
            ['Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"'],
            (
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "service": "s", "scope": "repository:a/b:pull,push"},
                ),
            ),
        ),
        (
            ['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'],
            (
                Challenge("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                Challenge("basic", {"realm": "simple"}),
            ),
        ),
        (
            ["Basic realm=x", "Bearer realm = y , , error=z"],
            (Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y", "error": "z"})),
        ),
        (
            ['Digest realm="a, b", Negotiate abc=, Bearer REALM="c"'],
            (
                Challenge("digest", {"realm": "a, b"}),
                Challenge("negotiate", {}, "abc="),
                Challenge("bearer", {"realm": "c"}),
            ),
        ),
    ],
)
def test_challenges(fields, expected):
    assert parse_challenges(fields) == expected
