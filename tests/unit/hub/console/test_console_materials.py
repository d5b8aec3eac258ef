"""A bill of materials comes from outside: whatever it holds, rows come of it."""

import pytest

from remit.hub.console.materials import MAX_ROWS, main_licences, materials


def test_rows_of_a_bill():
    bom = {
        "metadata": {"component": {"licenses": [{"license": {"id": "MIT"}}]}},
        "components": [
            {"type": "file", "name": "a.txt", "hashes": [{"alg": "SHA-256", "content": "00"}]},
            {
                "type": "library", "name": "b", "version": "2", "purl": "pkg:pypi/b@2",
                "licenses": [{"expression": "MIT OR Apache-2.0"}, {"license": {"name": "own"}}],
            },
        ],
    }  # fmt: skip
    rows, total = materials(bom)
    assert total == 2
    assert [(each.kind, each.name, each.version) for each in rows] == [
        ("library", "b", "2"), ("file", "a.txt", ""),
    ]  # fmt: skip
    assert rows[0].licences == "MIT OR Apache-2.0, own"
    assert rows[1].hash == "sha256:00"
    assert main_licences(bom) == "MIT"


@pytest.mark.parametrize(
    "bom",
    [
        {}, {"components": 1}, {"components": [1, None, []]}, {"components": [{"name": {}}]},
        {"components": [{"licenses": 7, "hashes": [{}, 3]}]}, {"metadata": []},
        {"metadata": {"component": 3}}, {"components": [{"licenses": [{"license": 1}]}]},
    ],
)  # fmt: skip
def test_a_bill_that_is_none(bom):
    rows, total = materials(bom)
    assert total == len(rows)
    assert main_licences(bom) == ""


def test_a_bill_without_end():
    rows, total = materials({"components": [{"name": str(n)} for n in range(MAX_ROWS + 5)]})
    assert (len(rows), total) == (MAX_ROWS, MAX_ROWS + 5)
