import pytest

from remit.scan.scanners.licences import Licences, in_text, spdx
from tests.unit.scan.scanners.kit import look


@pytest.mark.parametrize(
    ("tag", "expression"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("odc-by", "ODC-By-1.0"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("gpl", "LicenseRef-gpl"),
        ("my own/licence", "LicenseRef-my-own-licence"),
        ("", "NONE"),
    ],
)
def test_tags(tag, expression):
    assert spdx(tag).expression == expression


def test_what_restricts_and_what_is_vague():
    assert spdx("llama3.1").restricted
    assert spdx("cc-by-nc-4.0").restricted
    assert not spdx("apache-2.0").restricted
    assert spdx("gpl").vague
    assert not spdx("nobody-knows").known
    assert not spdx("(" * 400).known


def scan(card, **more):
    return look(Licences, {"README.md": card, **more}, kind="model")


def test_a_card_that_is_clear():
    seen = scan("---\nlicense: apache-2.0\n---\n# M\nLicensed under the Apache License 2.0.\n")
    assert seen.worst == "info"


def test_licences_that_contradict_each_other():
    text = "---\nlicense: mit\n---\nThis is licensed under the GNU General Public License v3.0.\n"
    assert scan(text).severity("licence.conflict") == "medium"
    file = "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007\n"
    seen = look(Licences, {"README.md": "---\nlicense: mit\n---\n", "LICENSE": file}, kind="model")
    assert seen.severity("licence.conflict") == "medium"
    kit = look(Licences, {"LICENSE": file}, kind="model", package={"license": "MIT"})
    assert kit.severity("licence.conflict") == "medium"


def test_licences_that_are_missing_or_unclear():
    assert scan("# M\n").severity("licence.none") == "medium"
    assert scan("---\nlicense: other\n---\n").severity("licence.unnamed") == "medium"
    assert scan("---\nlicense: cc\n---\n").severity("licence.unclear") == "medium"
    assert scan("---\nlicense: gemma\n---\n").severity("licence.restricted") == "low"
    assert scan("---\nlicense: [\n---\n").severity("licence.none") == "medium"


def test_texts():
    assert in_text(
        "Permission is hereby granted, free of charge, to any person obtaining a copy"
    ) == ("MIT",)
    assert in_text("nothing") == ()
