import json

import pytest

from remit.scan.scanners.templates import Templates
from tests.unit.scan.making import rules, scan

BAD = "{{ ''.__class__ }}"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("chat_template.jinja", BAD),
        ("additional_chat_templates/x.jinja", BAD),
        ("tokenizer_config.json", json.dumps({"chat_template": BAD})),
        ("tokenizer_config.json", json.dumps({"chat_template": [{"name": "a", "template": BAD}]})),
        ("chat_template.json", json.dumps({"chat_template": BAD})),
        ("other.json", '{"\\u0063hat_template": "{{ \'\'.__class__ }}"}'),
        ("model.yaml", f'chat_template: "{BAD}"'),
    ],
)
def test_templates_are_found_where_they_are(tmp_path, name, data):
    claimed, findings, coverage = scan(Templates(), tmp_path, (name, data.encode()))
    assert claimed == [name]
    assert ("template.attribute", "critical") in rules(findings)
    assert coverage[0].status == "complete"


@pytest.mark.parametrize("data", [b"{%", b"\xff{{ x }}"])
def test_a_template_that_cannot_be_read_is_an_error(tmp_path, data):
    _, _, coverage = scan(Templates(), tmp_path, ("a.jinja", data))
    assert (coverage[0].status, coverage[0].executes) == ("error", True)


def test_a_document_that_readers_understand_differently(tmp_path):
    data = b'{"chat_template": "x", "chat_template": "{{ self }}"}'
    assert scan(Templates(), tmp_path, ("a.json", data))[2][0].status == "error"


def test_documents_without_templates_are_not_claimed(tmp_path):
    assert scan(Templates(), tmp_path, ("config.json", b'{"hidden_size": 64}'))[0] == []
