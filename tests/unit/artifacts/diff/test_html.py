from html.parser import HTMLParser

from remit.artifacts.diff.html import page
from tests.unit.artifacts.diff.making import difference

HOSTILE = (
    "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>\"'&{{ 7*1111111 }}"
)


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def made(tmp_path, a, b):
    return page(difference(tmp_path, a, b)).decode()


def test_everything_from_an_artifact_is_escaped(tmp_path):
    text = made(
        tmp_path,
        {"a.md": "x\n", "c.json": "{}", "m.h5": "\0", "d.csv": "id,x\n1,a\n"},
        {
            "a.md": HOSTILE + "\n",
            "c.json": '{"<script>": "<script>"}',
            "m.h5": "\0\0",
            "d.csv": 'id,x\n1,"<b>"\n',
            "<script>x": "1",
        },
    )
    found = Reader(text)
    assert not {"script", "img", "b", "link", "iframe", "object", "form"} & {*found.tags}
    assert "7777777" not in "".join(found.text)
    assert HOSTILE.split('"', maxsplit=1)[0] in "".join(found.text)
    names = {name for name, _ in found.attributes}
    assert not {n for n in names if n.startswith("on") or n in {"src", "href", "action", "style"}}


def test_a_policy_forbids_everything_but_its_own_style(tmp_path):
    text = made(tmp_path, {"a": "1\n"}, {"a": "2\n"})
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
    assert "prefers-color-scheme: dark" in text


def test_words_that_changed_are_marked(tmp_path):
    text = made(tmp_path, {"a.md": "Ask the user.\n"}, {"a.md": "Tell the user.\n"})
    assert "<del>Ask</del> the user." in text
    assert "<ins>Tell</ins> the user." in text


def test_nothing_that_deceives_is_on_the_page(tmp_path):
    text = made(tmp_path, {"a.md": "x\n"}, {"a.md": "\u202ex\u200b\n", "b\u202e": "1"})
    assert "\u202e" not in text
    assert "\\u{202e}" in text


def test_a_page_of_no_difference(tmp_path):
    assert "<h1>No difference</h1>" in made(tmp_path, {"a": "1"}, {"a": "1"})
