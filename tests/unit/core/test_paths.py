"""Where state is kept."""

from pathlib import Path

import pytest

from remit.core.paths import user_state


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"REMIT_STATE": "/r", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/r"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/remit"),
        ({"HOME": "/h"}, "/h/.local/state/remit"),
        ({"HOME": "/h", "REMIT_STATE": "", "XDG_STATE_HOME": ""}, "/h/.local/state/remit"),
    ],
)
def test_user_state(environ, found, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    assert user_state(environ) == Path(found)
