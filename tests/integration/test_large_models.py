"""Files of the size of models through all of Remit's own scanners, in the sandbox."""

import shutil

import pytest

from remit.scan.base import scanners
from remit.scan.run import run
from remit.scan.sandbox import Bounds
from remit.scan.target import Target
from remit.scan.verdict import judge
from tests.bench.bench_models import objects, weights
from tests.bench.bench_scanners import Memory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which("bwrap") is None,
        reason="NOT TESTED: bubblewrap is missing; scripts/prerequisites.sh bubblewrap installs it",
    ),
]
OWN = tuple(scanners())


def scanned(root):
    with Memory() as memory:
        reports = run(Target(root=root), wanted=OWN, bounds=Bounds())
    assert [each.scanner for each in reports if each.failed] == []
    return reports, judge(reports, ("archives", *OWN)), memory.most


def test_a_pickle_of_five_million_objects_is_an_error_of_coverage_and_not_of_the_machine(tmp_path):
    objects(tmp_path / "model.pkl", 5_000_000)
    assert (tmp_path / "model.pkl").stat().st_size > 200_000_000
    reports, verdict, most = scanned(tmp_path)
    [said] = [each for report in reports if report.scanner == "pickles" for each in report.coverage]
    assert (said.status, said.executes) == ("error", True)
    assert "its memo holds more than 2500000 values" in said.reason
    assert verdict.word == "blocked"
    # Readers that keep what they read take 7 GB for it.
    assert most < 1_500_000_000


def test_a_file_of_weights_is_read_to_its_end_in_little_memory(tmp_path):
    weights(tmp_path / "model.safetensors", 400_000_000)
    reports, verdict, most = scanned(tmp_path)
    [said] = [e for report in reports if report.scanner == "safetensors" for e in report.coverage]
    assert said.status == "complete"
    assert verdict.word == "clean"
    assert most < 400_000_000
    # A value that is no number, in the very last tensor, is found.
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\xff\xff\xff\x7f")
    reports, verdict, _ = scanned(tmp_path)
    assert "safetensors.nan" in {each.rule for report in reports for each in report.findings}
    assert verdict.word == "blocked"
