"""npm's ``@sigstore/verify``, which knows nothing of Remit."""

import json
import subprocess
from collections.abc import Sequence

from tests.rig.governed import ROOT


def sigstore(keys: Sequence[str], bundles: Sequence[str]) -> list[str]:
    """What it says of each bundle, given the trusted keys (PEM): ``ok``, or what is wrong."""
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "rig" / "sigstore.mjs")],
        input=json.dumps({"keys": list(keys), "bundles": list(bundles)}),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
