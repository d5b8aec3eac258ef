"""What is looked for by its beginning is all that the whole rule would find."""

from hypothesis import given
from hypothesis import strategies as st

from remit.content import _secret_names as names
from remit.content.base import View
from remit.content.patterns import Pattern, PatternSet

NAMES = [
    "password", "pass", "pw", "db_pw", "user.pin", "PIN code", "api_key", "key", '"key"', "secret key", "SecretPhrase", "token phrase", "seed_phrase_key",
    "token", "auth.token", "contrase\u00f1a", "TOKEN_", "keys[0].key", "api-key", "cookie", "license", "max_tokens", "jwt", "tokens", "passphrase is", "sess",
]  # fmt: skip
SIGNS = [
    "=", " = ", ": ", ":", '": "', "': '", '\\": \\"', " => ", ":=", "==", " != ", " | ", ">", ", ", '", "', " value: ", "'] = ", ": |\n  ", ": >\n ", "\n: ", "=\n",
]  # fmt: skip
VALUES = [
    "hunter2", "Xy7", "Xy7_9", "12345678", "12345678a", "1.25", "-12", "0x1f3c5a77be", "s3cr3tK9", "dGhlIHBhc3N3b3Jk1", "a b c d e f g", "Tr0ub4dor&3", "9f8e",
    "correct horse battery staple", "os.getenv('X') or 'k3y9xYz1'", "str = 'k3y9xYz1'", "b'k3y9xYz1'", 'f("k3y9xYz1")', '\\"k3y9xYz1\\"', "\u00e9\u00e9\u00e9\u00e91", "{", "null",
    "'''k3y9xYz1'''", "`k3y9xYz1`", '"k3\\n9xYz1"', "'it\"s9xK'", "str\u00a0= 'k3y9xYz1'", "1a", "1_0", "$X9", "#aB3!", "key = aB3xY9zQ", "\\\\'aB3xY9zQ'", "\ud800x1",
]  # fmt: skip
QUOTES = ["", "", '"', "'", "`", '"""', "'''", '\\"', "b'", 'r"']
AFTER = ["", "\n", " ", ",", ";", ")", '"', "'", "}", "] ", ". ", " and "]

WHOLE = PatternSet([Pattern(id="a", regex=names.RULES[0]["regex"])], engine="re2")
QUICK = PatternSet(
    [Pattern(id="a", regex=names.RULES[0]["regex"], begins=names.RULES[0]["begins"])], engine="re2"
)

a_pair = st.tuples(*map(st.sampled_from, (NAMES, SIGNS, QUOTES, VALUES, QUOTES, AFTER))).map(
    "".join
)
a_text = st.lists(
    st.one_of(a_pair, *map(st.sampled_from, (NAMES, SIGNS, VALUES, AFTER))), max_size=5
)


def secrets(rules: PatternSet, text: str) -> list[tuple[int, int, int]]:
    return list(
        rules.places([View("original", text)], lambda match, read: names.secret(read, match))
    )


@given(a_text.map("".join))
def test_nothing_is_lost_where_only_what_may_count_is_looked_at(text):
    # Two names may point at one value.
    assert set(secrets(QUICK, text)) == set(secrets(WHOLE, text))
