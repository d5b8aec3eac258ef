"""What a Hub has keys for, it does not share with what reads hostile files."""

import subprocess
import sys


def test_nothing_that_reads_artifacts_is_loaded():
    code = (
        "import remit.hub.compose, sys\n"
        "print(*(m for m in sys.modules if m.startswith(('remit.content', 'remit.scan'))))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "remit.scan.bill" in loaded
    readers = ("remit.content", "remit.scan.bom", "remit.scan.scanners", "remit.scan.pickle")
    assert [each for each in loaded if each.startswith(readers)] == []
