from pathlib import Path

import pytest

from remit.artifacts.diff.comparers.licences import UNKNOWN, recognised
from tests.unit.artifacts.diff.making import difference, seen

MIT = """MIT License

Copyright (c) 2020 A

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
"""
BSD = """Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:
3. Neither the name of the copyright holder nor the names of its contributors
"""


def licences(found):
    return [
        (e.kind, e.path, e.subject, e.before, e.after)
        for e in found.changes
        if e.comparer == "licences"
    ]


def test_our_own_licence_is_recognised():
    assert recognised(Path("LICENSE").read_text()) == "Apache-2.0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "MIT"),
        (BSD, "BSD-3-Clause"),
        (BSD.partition("3.")[0], "BSD-2-Clause"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n  Version 3", "AGPL-3.0"),
        ("# SPDX-License-Identifier: MPL-2.0\n", "MPL-2.0"),
        ("Creative Commons\nAttribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        ("All rights reserved.", UNKNOWN),
    ],
)
def test_texts_are_recognised(text, name):
    assert recognised(text) == name


def test_a_licence_text_that_changed(tmp_path):
    found = difference(tmp_path, {"LICENSE": MIT}, {"LICENSE": BSD})
    assert licences(found) == [("licence.changed", "LICENSE", "", "MIT", "BSD-3-Clause")]
    assert seen(found)[-1] == ("text.changed", "LICENSE", "")


def test_the_front_matter_of_a_model_card(tmp_path):
    def card(licence):
        return {"README.md": f"---\nlicense: {licence}\ntags: [a]\n---\n# Model\n"}

    found = difference(tmp_path, card("apache-2.0"), card("cc-by-nc-4.0"))
    assert licences(found) == [
        ("licence.changed", "README.md", "license", "Apache-2.0", "CC-BY-NC-4.0")
    ]


def test_a_licence_of_a_kitfile_that_is_gone(tmp_path):
    a = "package:\n  name: x\n  license: MIT\nmodel:\n  path: m\n  license: Apache-2.0\n"
    found = difference(tmp_path, {"Kitfile": a}, {"Kitfile": a.replace("  license: MIT\n", "")})
    assert licences(found) == [("licence.removed", "Kitfile", "package", "MIT", None)]
    assert ("kitfile.removed", "Kitfile", "/package/license") in seen(found)


def test_other_changes_are_no_change_of_licences(tmp_path):
    a = "---\nlicense: mit\n---\n# A\n"
    assert licences(difference(tmp_path, {"README.md": a}, {"README.md": a + "More.\n"})) == []


@pytest.mark.parametrize(
    "card",
    [
        "---\n" + "a" * 1000,
        "---\nlicense: [*x]\n---\n",
        "---\n- 1\n---\n",
        "---\nlicense: {a: 1}\n---\n",
    ],
)
def test_cards_that_cannot_be_read_name_no_licence(tmp_path, card):
    assert licences(difference(tmp_path, {"README.md": "x"}, {"README.md": card})) == []
