from pathlib import Path

import pytest

from remit.guard.admission.settings import TrustTable, trust_config
from remit.guard.errors import GuardError


def every(text):
    return trust_config(TrustTable(root="trust.toml", withdrawals=text), Path("/etc")).withdrawals_s


def test_how_often_hubs_are_asked():
    assert trust_config(TrustTable(root="trust.toml"), Path("/etc")).withdrawals_s == 60
    assert [every(text) for text in ("1s", "90s", "5m", "2h", "1d", "off")] == [
        1, 90, 300, 7200, 86_400, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "0s", "0", "60", "-1s", "1.5s", "2d", "25h", "1w", "never", "OFF", "60 s", "٦٠s", "9" * 9],
)
def test_nonsense_is_told(text):
    with pytest.raises(GuardError) as caught:
        every(text)
    assert caught.value.code == "config.invalid"
    assert "`withdrawals` of [trust]" in caught.value.message
