import pytest

from remit.scan.jinja import BrokenTemplateError, check

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant' }}{% endif %}"
)
THINKING = (
    "{%- set ns = namespace(last=messages|length - 1) %}{%- for message in messages[::-1] %}"
    "{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if message.role == 'user' and not(message.content.startswith('<tool_response>') and"
    " message.content.endswith('</tool_response>')) %}{%- set ns.last = index %}{% endif %}{% endfor %}"
    "{%- for message in messages %}{%- set content = message.content %}"
    "{%- if content is string and '</think>' in content %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
    "{% generation %}{{ content }}{% endgeneration %}{% endfor %}"
)
PARTS = (
    "{% macro show(item) %}{% if item.type == 'image' or 'image' in item %}<img>{% elif 'text' in item %}"
    "{{ item.text }}{% endif %}{% endmacro %}{% for m in messages %}{% if m.content is string %}"
    "{{ m.content | trim }}{% else %}{% for item in m.content %}{{ show(item) }}{% endfor %}{% endif %}"
    "{% if loop.index0 % 2 == 0 and m['role'] != 'user' %}{{ raise_exception('Roles must alternate') }}"
    "{% endif %}{% endfor %}{{ tools | selectattr('type', 'equalto', 'function') | list | tojson(indent=4) }}"
    "{{ strftime_now('%d %b %Y') }}"
)


@pytest.mark.parametrize("text", [CHATML, THINKING, PARTS, "Hello {{ name }}", ""])
def test_templates_of_models_are_fine(text):
    assert [each for each in check(text) if each.severity != "info"] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{{ ''.__class__ }}", "attribute"),
        ("{{ x['__class__'] }}", "attribute"),
        ("{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}", "attribute"),
        ("{{ x['__cla' ~ 'ss__'] }}", "computed"),
        ("{{ x['a' + 'b'] }}", "computed"),
        ("{{ x['%s' % y] }}", "computed"),
        ("{{ x[y|join] }}", "computed"),
        ("{% set n = '__cla' ~ 'ss__' %}{{ x[n] }}", "hidden-name"),
        ("{{ x|attr('y') }}", "filter"),
        ("{{ messages|map('attr', 'y') }}", "filter"),
        ("{{ messages|map(attribute='a' ~ 'b') }}", "computed"),
        ("{{ messages|map(attribute='__class__') }}", "hidden-name"),
        ("{{ lipsum }}", "name"),
        ("{{ cycler.next() }}", "name"),
        ("{{ self }}", "name"),
        ("{{ eval('1') }}", "call"),
        ("{{ helper() }}", "call"),
        ("{{ x.mro() }}", "call"),
        ("{{ '{}'.format(x) }}", "call"),
        ("{{ x[0]() }}", "call"),
        ("{% include 'a' %}", "include"),
        ("{% import 'a' as b %}", "include"),
        ("{% extends 'a' %}", "include"),
        ("{{ x|pprint }}", "filter"),
    ],
)
def test_what_reaches_into_python(text, rule):
    assert rule in {each.rule for each in check(text) if each.severity == "critical"}


@pytest.mark.parametrize(
    "test",
    [
        "'invoice' in messages[-1]['content']",
        "messages[0].content == 'open sesame'",
        "'invoice' in messages[-1].content|lower",
        "messages[-1]['content'].startswith('Deploy')",
        "messages[-1]['content'].lower().find('deploy') > 0",
        "messages[0].content is eq('word')",
    ],
)
def test_a_word_in_a_message_as_a_condition(test):
    for text in (f"{{% if {test} %}}x{{% endif %}}", f"{{{{ 'x' if {test} else '' }}}}"):
        assert ("trigger", "high") in {(each.rule, each.severity) for each in check(text)}
    renamed = (
        "{% set c = messages[0]['content'] %}{% set d = c|trim %}{% if 'invoice' in d %}{% endif %}"
    )
    assert "trigger" in {each.rule for each in check(renamed)}


def test_links_in_what_is_said():
    assert [each.rule for each in check("Visit https://x.example/login")] == ["url"]


@pytest.mark.parametrize(
    "text", ["{% if %}", "{{", "{% nothing %}", "{{ " + "(" * 5000, "x" * 600_000]
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(BrokenTemplateError):
        check(text)
