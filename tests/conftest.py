"""What all suites share: the length of fuzzing, and a hypothesis that does not flake on a busy machine."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "short",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.register_profile(
    "long", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("REMIT_FUZZ", "short"))
