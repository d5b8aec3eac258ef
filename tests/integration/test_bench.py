"""Every bench runs: nobody else calls what they call in the way they call it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_bench_runs():
    asked = [sys.executable, "-m", "tests.bench", "--quick"]
    done = subprocess.run(
        asked, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
