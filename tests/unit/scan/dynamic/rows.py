"""Lines as garak 0.17 writes them, for a run that can be believed and for others."""

import json


def setup(*probes):
    return {
        "entry_type": "start_run setup", "_config.version": "0.17.1", "run.generations": 1,
        "transient.active_probes": [f"probes.{each}" for each in probes],
    }  # fmt: skip


def cache(probe, *detectors):
    known = {"primary_detector": detectors[0], "extended_detectors": list(detectors[1:])}
    return {
        "entry_type": "plugin_cache", "run": "r-1",
        "plugin_cache": {
            "probes": {f"probes.{probe}": {"active": True, **known}},
            "detectors": {}, "version": "0.17.1",
        },
    }  # fmt: skip


SETUP = setup("dan.Dan_11_0")
CACHE = cache("dan.Dan_11_0", "dan.DAN")
INIT = {"entry_type": "init", "garak_version": "0.17.1", "start_time": "2026-01-01", "run": "r-1"}
END = {"entry_type": "completion", "end_time": "2026-01-01", "run": "r-1"}
DIGEST = {"entry_type": "digest", "meta": {}, "eval": {}}


def attempt(probe, status=2, said="no"):
    return {
        "entry_type": "attempt", "uuid": "u", "seq": 0, "status": status, "probe_classname": probe,
        "probe_params": {}, "targets": [], "prompt": {"turns": []}, "outputs": [{"text": said, "lang": "en"}, None],
        "detector_results": {"d.D": [0.0]}, "notes": {}, "goal": "g", "conversations": [],
    }  # fmt: skip


def evaluation(probe, passed=3, fails=0, detector="dan.DAN", **more):
    return {
        "entry_type": "eval", "probe": probe, "detector": detector, "passed": passed,
        "fails": fails, "nones": 0, "total_evaluated": passed + fails,
        "total_processed": passed + fails, **more,
    }  # fmt: skip


GOOD = (
    SETUP, INIT, CACHE, attempt("dan.Dan_11_0", 1), attempt("dan.Dan_11_0"),
    evaluation("dan.Dan_11_0", 1, 3), END, DIGEST,
)  # fmt: skip


def lines(*rows):
    return [row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows]
