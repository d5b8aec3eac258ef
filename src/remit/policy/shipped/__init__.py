"""Bundles that come with Remit: to be used as they are, or copied and changed."""

from pathlib import Path

INFORMATION_FLOW = Path(__file__).parent / "information-flow"
"""Values of strangers do not decide where data goes without a person's word."""
ARTIFACT_DEFAULT = Path(__file__).parent / "artifact-default"
"""What the Hub lets be pulled, if it was told nothing else."""
ARTIFACT_REVIEWED = Path(__file__).parent / "artifact-reviewed"
"""The same, and of that only what somebody whom the Hub trusts has signed, or a curator admits."""
