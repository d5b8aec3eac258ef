"""Whatever stands around a planted value: redaction removes it, in text and in JSON, for good."""

import base64
import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.content.base import Surroundings
from remit.content.inspect import inspect
from remit.content.redact import Style, clean
from remit.content.redact_json import redact_value
from remit.content.vault import SessionVault, detokenise

CANARY = "cnry-" + "7f3a-plum-91x"
AROUND = Surroundings(canaries={"k": CANARY})
FORMS = (
    CANARY,
    CANARY.upper(),
    base64.b64encode(f"it is {CANARY} ok".encode()).decode(),
    CANARY.encode().hex(),
)
TEXT = st.one_of(st.text(max_size=40), st.text(alphabet="aA0 =:/+\n\"'[]<>:-", max_size=40))
PLANTED = st.builds(lambda a, f, b: f"{a} {f} {b}", TEXT, st.sampled_from(FORMS), TEXT)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), TEXT, PLANTED)
JSON = st.recursive(
    LEAF,
    lambda below: st.one_of(
        st.lists(below, max_size=4), st.dictionaries(st.one_of(TEXT, PLANTED), below, max_size=3)
    ),
    max_leaves=8,
)


def styles() -> list[Style]:
    count = itertools.count(1)
    vault = SessionVault(lambda n: next(count).to_bytes(n, "big"))
    return [Style(), Style(form="hash", key=b"k" * 16), Style(form="token", vault=vault)]


def canaries(text: str) -> list[Any]:
    return [f for f in inspect(text, AROUND) if f.kind == "canary"]


@given(PLANTED)
def test_text_is_clean_afterwards(text: str) -> None:
    for style in styles():
        out = clean(text, AROUND, style)
        assert out.clean
        assert canaries(out.text) == []
        assert list(out.marks) == sorted(out.marks)
        assert all(0 <= a < b <= len(out.text) for a, b in out.marks)


@given(JSON)
def test_values_are_clean_afterwards_and_keep_their_shape(value: Any) -> None:
    for style in styles():
        out = redact_value(value, AROUND, style)
        assert canaries(json.dumps(out, ensure_ascii=False)) == []
        assert type(out) is type(value) or isinstance(value, int)
        if isinstance(value, list | dict):
            assert len(out) == len(value)
        if style.vault is not None:
            detokenise(out, style.vault, lambda path, label: True)
