"""An answer of each route, for its description; numbers are those of a model whose camera c3 became over-confident."""

from collections.abc import Mapping
from typing import Any

from monitor.model import METRICS

_DAY = "2026-03-02T00:01:00Z"
_NOW = "2026-03-03T01:02:00Z"
_KNOWN = {
    "ece": 0.1395, "ece_debiased": 0.1298, "ece_lower": 0.0885, "ece_upper": 0.1699, "ece_null_quantile": 0.0594,
    "calibration_gap": 0.0369, "gap_lower": 0.0022, "gap_upper": 0.0721, "brier_score": 0.2478, "log_loss": 0.7188,
    "auroc": 0.6654, "outcome_rate": 0.5455, "mean_score": 0.5824,
}  # fmt: skip
_POINT = {
    "at": "2026-03-03T01:00:00Z", "version": "v7", "state": "ok", "samples": 770, "ece": 0.1395, "ece_debiased": 0.1298,
    "ece_lower": 0.0885, "ece_upper": 0.1699, "ece_null_quantile": 0.0594, "calibration_gap": 0.0369,
}  # fmt: skip
_JOB = {
    "id": "237ceb708226", "model": "defects", "kind": "recalibrate", "trigger": "rule ece-high", "scope": "camera=c3",
    "state": "rejected", "requested_at": _DAY, "started_at": _DAY, "finished_at": _DAY, "next_attempt_at": None,
    "onset": "2026-03-01T01:00:00Z", "attempts": 1,
    "reasons": ["samples since 2026-03-01 01:00 UTC (estimated onset)", "rejected: log-loss worse by 0.002"],
    "details": {"calibrator": "2e32c3dec8ef07f2", "method": "temperature"},
}  # fmt: skip
_ATTEMPT = {
    "attempt": 1, "started_at": _DAY, "finished_at": _DAY, "seconds": 1.4, "peak_memory": 181403648,
    "outcome": "rejected", "message": "log-loss worse by 0.002 on 528 later samples", "output": None,
}  # fmt: skip


def _page(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": [item], "total": 1, "next_offset": None, "published_at": _NOW}


EXAMPLES: Mapping[str, Mapping[str, Any]] = {  # by operation
    "models": _page({
        "name": "defects", "task": "binary", "event": "the positive class is true", "dimensions": ["camera", "lighting"],
        "min_samples": 500, "state": "firing", "problem": None, "versions": ["v7"], "windows": ["24h", "7d"],
        "readings": 24, "firing": 6, "unknown": 0, "label_delay_depends_on_outcome": None,
        "waiting_labels": 600, "files_set_aside": 1, "folded_values": 1, "group_spans": {
            "checked_at": _NOW, "since": "2026-02-01T00:00:00Z", "bucket": "1h", "rows": 18400, "grouped": 18400,
            "groups": 9210, "over_buckets": 0.003, "over_days": 0.0, "examples": ["clip-8812"], "suspicious": False,
            "finding": "0.3 % of the rows lie in groups that span buckets of 1h, none in groups that span days (rows since "
            "2026-02-01 00:00 UTC)",
        },
        "last_success": {"pull": _NOW, "measure": _NOW, "judge": _NOW},
    }),
    "readings": _page({
        "model": "defects", "version": "v7", "slice": "camera=c3", "labels": {"camera": "c3"}, "window": "24h",
        "window_start": "2026-03-02T01:00:00Z", "window_end": "2026-03-03T01:00:00Z", "computed_at": _NOW,
        "state": "ok", "samples": 770, "unlabelled": 0, "label_coverage": 1.0, "label_lag_seconds": 60.0,
        **dict.fromkeys(METRICS), **_KNOWN, "reliability": None,
    }),
    "history": {
        "model": "defects", "slice": "camera=c3", "window": "24h", "points": [_POINT],
        "events": [{"at": _DAY, "kind": "alert fired", "text": "ece-high (ticket)", "slice": "camera=c3"}],
    },
    "alerts": _page({
        "model": "defects", "version": "v7", "rule": "ece-high", "slice": "camera=c3", "severity": "ticket",
        "state": "firing", "health": "ok", "reason": "ece_lower 0.117 is above 0.05 over 24h (2,405 samples)",
        "value": 0.117, "since": _DAY, "fired_at": _DAY, "last_true_at": _NOW, "resolved_at": None,
        "evaluated_at": _NOW, "onset": "2026-03-01T01:00:00Z", "last_action_at": _DAY,
    }),
    "rules": _page({
        "model": "defects", "name": "ece-high", "kind": "threshold", "severity": "ticket", "origin": "own.toml: rule 1",
        "summary": "Scores are off by more than five points.", "actions": ["recalibrate"], "window": "24h",
        "metric": "ece_lower", "above": 0.05, "below": None, "hold": "0s", "alerts": {"firing": 6}, "unknown": 0,
    }),
    "evidence": _page({
        "model": "defects", "version": "v7", "calibrator": "17cd5834854d2090", "rule": "calibration-drift",
        "slice": "camera=c3", "opened": "2026-03-01T00:00:00Z", "until": _NOW, "ratio": 0.42, "alarm_at": None,
        "alarm_ratio": None, "onset": None, "samples_since_onset": None, "alarms": 0, "direction": "", "explained": True,
        "caveat": "", "listed": True, "reference_missing": None,
    }),
    "evidence_history": {"items": [{
        "at": "2026-03-03T01:00:00Z", "rule": "calibration-drift", "version": "v7", "calibrator": "17cd5834854d2090",
        "samples": 770, "ratio": 0.42,
    }]},
    "jobs": _page(_JOB),
    "job": {**_JOB, "log": [_ATTEMPT]},
    "calibrators": _page({
        "model": "defects", "scope": "all", "calibrator": "17cd5834854d2090", "method": "temperature",
        "fitted_at": _DAY, "promoted_at": _DAY, "adopted": True, "in_charge": True,
    }),
    "thresholds": _page({
        "model": "defects", "scope": "all", "policy": "f1", "per": "", "class_name": "", "calibrator": "17cd5834854d2090",
        "chosen_at": _DAY, "threshold": 0.3928, "kept": None, "confidence": 0.95, "bound": "clopper-pearson",
        "samples": 164, "groups": 164, "precision": 0.5098, "precision_lower": 0.4404, "precision_upper": 0.579,
        "recall": 0.963, "recall_lower": 0.9071, "recall_upper": 0.9898, "share": 0.9329, "fp_per_group": 0.4573,
        "best": None, "best_threshold": None, "empirical": None, "reason": "threshold 0.3928 by f1; on 164 samples",
        "curve": None,
    }),
    "pulls": _page({
        "model": "defects", "source": "pushed", "pulled_at": _NOW, "files": 3, "rows": 1500, "new": 1498, "labelled": 0,
        "duplicates": 0, "corrected": 0, "quarantined": 2, "problem": None,
    }),
    "waiting_labels": _page({
        "model": "defects", "source": "verdicts", "labels": 600, "oldest_at": _DAY, "newest_at": _NOW, "due": 100,
        "joined": 0, "share": 1.0, "suspicious": True, "label_examples": ["007", "008"],
        "prediction_examples": ["7", "8"],
        "guess": 'all of the 600 ids compared are those of predictions but for leading zeros: label "007", prediction "7"',
        "compared_at": _NOW, "finding": "600 labels wait for their prediction, the oldest since 2026-03-02 00:01 UTC",
    }),
    "files_set_aside": _page({
        "model": "defects", "source": "samples", "file": "/data/samples/2026-03-02.jsonl", "tries": 2, "kind": "out_of_memory",
        "reason": "takes more memory to read than memory_limit, 953.6 MiB (Out of Memory Error: failed to allocate data)",
        "remedy": "Leave out long lists, deep nesting and long texts that calwatch does not need, write it in several smaller "
        "files, or raise memory_limit in [monitor]",
        "first_tried_at": _DAY, "last_tried_at": _NOW,
    }),
    "folded_values": _page({
        "model": "defects", "kind": "version", "name": "", "most": 100, "rows": 1200, "examples": ["7f3a", "b10c"],
        "began_at": _DAY, "newest_at": _NOW,
        "finding": 'more than 100 versions within retention (max_versions), 1,200 rows of others, such as "7f3a" and "b10c", '
        "the last 2026-03-03 01:00 UTC; rows of later ones count as version __other__, which is measured but not judged for "
        "drift: is version that of the model, and not of each row? Else raise max_versions in [[model]]",
    }),
    "quarantine": {
        "counts": [
            {"model": "defects", "source": "pushed", "reason": "score_outside_0_1", "rows": 1, "newest_at": _NOW}
        ],
        "newest": [{
            "model": "defects", "source": "pushed", "file": "001772499660000000-ddb7fa384d2cd9028352bcd488758d0b-"
            "ddb7fa384d2cd9028352bcd488758d0b.jsonl", "row": 17, "reason": "score_outside_0_1",
            "record": '{"sample_id":"a1","score":"1.5"}', "quarantined_at": _NOW,
        }],
        "total": 1, "next_offset": None,
    },
    "push": {
        "id": "ddb7fa384d2cd9028352bcd488758d0b", "state": "waiting", "received_at": _DAY, "settled_at": None,
        "rows": None, "new": None, "labelled": None, "duplicates": None, "corrected": None, "quarantined": None,
        "problem": None,
    },
    "pushed": {
        "id": "ddb7fa384d2cd9028352bcd488758d0b", "state": "taken", "received_at": _DAY, "settled_at": _NOW,
        "rows": 500, "new": 499, "labelled": 0, "duplicates": 0, "corrected": 0,
        "quarantined": {"score_outside_0_1": 1}, "problem": None,
    },
    "ask": {"job": "237ceb708226"},
    "cancel": {"job": "237ceb708226"},
    "backup": {
        "backup": "5f2b8c0de1a94a7c9d3e6f70812b4c5d", "state": "waiting", "file": "calwatch-20260301T060000Z.tar",
        "bytes": None, "problem": None,
    },
    "backed_up": {
        "backup": "5f2b8c0de1a94a7c9d3e6f70812b4c5d", "state": "done", "file": "calwatch-20260301T060000Z.tar",
        "bytes": 8_151_040, "problem": None,
    },
    "reload": {"status": "reloaded"},
    "healthz": {"status": "ok"},
    "readyz": {"status": "ok"},
}  # fmt: skip
