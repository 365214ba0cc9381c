"""One reason of every code with its values, as the parts of calwatch that find them make them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.model import Code, Reason

_AT = datetime(2026, 3, 2, tzinfo=UTC)
_DAY = timedelta(days=1)
_COMPARED: dict[str, Any] = {"measure": "gap", "window": "24h", "samples": 393, "rest_samples": 12_183}
_GATED: dict[str, Any] = {"mean": 0.06, "lower": 0.01, "confidence": 0.95, "samples": 960}
_GOAL: dict[str, Any] = {"kind": "precision", "target": 0.9, "confidence": 0.95, "samples": 500, "groups": None}
_SPLIT = {"left_out": 97, "later": 120, "straddling": 9, "groups": 12}
_SHOWN = {
    "precision": (0.959, 0.95, 0.967), "recall": (0.434, 0.416, 0.451), "fp_per_image": (0.04, 0.032, 0.05),
}  # fmt: skip
_POINT: dict[str, Any] = {
    "of": "person", "classes": 1, "others": True, "policy": "precision>=0.95", "kind": "precision", "target": 0.95,
    "confidence": 0.95, "images": 2488, "nms_iou": 0.4,
}  # fmt: skip
_FIGURES = {"precision": (0.93, 0.9, 0.95)}
_SERVED: dict[str, Any] = {"calibrator": "0123456789abcdef", "opened": _AT}
REASONS = {
    reason.code: reason for reason in (
        Reason.of(
            Code.THRESHOLD, metric="ece_lower", value=0.0833, bound=0.05, clears=False, window="24h", samples=1200,
        ),
        Reason.of(Code.THRESHOLD_UNKNOWN, metric="ece_lower", window="24h", samples=96, needed=200),
        Reason.of(
            Code.DISPARITY, **_COMPARED, own=0.41, rest=0.14, difference=0.27, least=0.02, level=0.05, slices=12,
            lower=0.18, lower_alone=0.2, is_kept=False,
        ),
        Reason.of(Code.DISPARITY_UNKNOWN, **_COMPARED, needed=500),
        Reason.of(
            Code.DRIFT, slice="camera=c3", began=_AT, newest_at=None, samples=248, ratio=4.0, reference="score",
            per_year=12.0, caveat="",
            shifts=[{"confidence": "over", "low": 0.65, "high": 1.0, "expected": 0.91, "happened": 0.73}],
        ),
        Reason.of(Code.DRIFT_NONE, ratio=0.02, **_SERVED),
        Reason.of(Code.DRIFT_OVER, alarm_at=_AT),
        Reason.of(Code.DRIFT_NOT_JUDGED, lacking=180, **_SERVED),
        Reason.of(Code.ABSENT, absent="labels", silent=_DAY, last=_AT, patience=_DAY / 4),
        Reason.of(Code.NEVER_SEEN, absent="labels", patience=_DAY),
        Reason.of(Code.NOT_SEEN_YET, absent="labels", waiting_since=_AT),
        Reason.of(Code.PRESENT, absent="labels", silent=_DAY / 48, last=_AT, patience=_DAY / 4),
        Reason.of(Code.NO_READING, metric="ece_lower", window="24h"),
        Reason.of(Code.NO_COMPARISON, window="24h"),
        Reason.of(Code.NO_EVIDENCE),
        Reason.of(Code.NO_SIGHT, absent="labels"),
        Reason.of(Code.ONLY_UNSEEN, slice="camera=c9", known="camera has c1, c2 and c3"),
        Reason.of(Code.RECALL_UNKNOWN, metric="threshold_recall_upper"),
        Reason.of(Code.RULE_FAILED, problem="KeyError('ece')"),
        Reason.of(Code.RULE_GONE, rule="ece-high"),
        Reason.of(Code.RULE_ELSEWHERE, rule="ece-high"),
        Reason.of(Code.RULE_OTHER_KIND, rule="ece-high", kind="drift"),
        Reason.of(Code.SLICE_GONE, slice="camera=c3"),
        Reason.of(Code.SLICE_FORGOTTEN),
        Reason.of(Code.STREAM_CLOSED),
        Reason.of(Code.VERSION_GONE, version="v2"),
        Reason.of(Code.SAMPLES_SINCE, start=_AT, is_onset=True),
        Reason.of(Code.SAMPLES_CHOSEN, kept=500, usable=12_345, logits=None, by="id"),
        Reason.of(Code.SAMPLES_WITHOUT_RAW, samples=5),
        Reason.of(Code.SAMPLES_PRECOUNTED, rows=9, samples=1000.0),
        Reason.of(Code.SAMPLES_LEFT_TO_REFITS, left=9, samples=90, slices=["camera=c3"], count=1),
        Reason.of(Code.SAMPLES_LEFT_TO_CALIBRATORS, scopes=["camera=c3"], count=1),
        Reason.of(Code.SAMPLES_AS_COUNTED, samples=90, start=_AT, end=_AT + _DAY, bucket=_DAY / 24),
        Reason.of(Code.LOGITS, text="predicted_class is the class of the largest logit in 100 % of 778 samples"),
        Reason.of(Code.LOGITS_WITHOUT_CLASS, methods=["vector", "matrix"]),
        Reason.of(Code.LOGITS_LACKING, methods=["vector"], lacking=3, samples=90),
        Reason.of(Code.METHOD_ASKED_FOR, method="temperature"),
        Reason.of(Code.METHOD_UNFIT, method="isotonic", problem="62 positives, needs 1,000"),
        Reason.of(Code.METHOD_ALONE, method="temperature"),
        Reason.of(Code.METHOD_BEST, method="beta", log_loss=0.6397),
        Reason.of(Code.METHOD_BEHIND, method="identity", best="beta", by=0.09, reach=0.011),
        Reason.of(Code.METHOD_SIMPLER, method="platt", best="beta", by=0.005, reach=0.011),
        Reason.of(Code.METHOD_FEW_BUCKETS, method="platt", needed=5, found=3),
        Reason.of(Code.REFIT_FEW_SAMPLES, needed=500, found=104),
        Reason.of(Code.REFIT_UNFIT, method="platt", problem="one outcome only"),
        Reason.of(Code.GATE_NO_SAMPLES),
        Reason.of(Code.GATE_FEW_SAMPLES, needed=200, found=3),
        Reason.of(Code.GATE_FEW_GROUPS, needed=30, found=3),
        Reason.of(Code.GATE_STRADDLED, lacks=Code.GATE_FEW_SAMPLES, groups=_SPLIT, needed=200, found=3),
        Reason.of(Code.GATE_SAME, samples=960),
        Reason.of(Code.GATE_WORSE, **_GATED | {"mean": -0.02}),
        Reason.of(Code.GATE_CHANCE, **_GATED | {"lower": -0.01}),
        Reason.of(Code.GATE_SLICE_WORSE, slice="camera=c3", by=0.104, reach=0.091, samples=126),
        Reason.of(Code.GATE_BETTER, **_GATED),
        Reason.of(Code.GATE_ACCEPTED, **_GATED),
        Reason.of(Code.GATE_NO_SLICE_WORSE, slices=11, needed=100),
        Reason.of(Code.GROUPS_STRADDLE, **_SPLIT),
        Reason.of(Code.THRESHOLD_PROMISED, threshold=0.68, figures=_FIGURES, coverage=None, **_GOAL),
        Reason.of(Code.THRESHOLD_NOT_PROMISED, best=0.71, best_at=0.74, **_GOAL),
        Reason.of(
            Code.THRESHOLD_CHOSEN, threshold=0.5, policy="f1", cheapest=None, prior=None, rate=None, figures=_FIGURES,
            samples=500, groups=None,
        ),
        Reason.of(Code.THRESHOLD_NOT_CHOSEN, policy="f1"),
        Reason.of(Code.THRESHOLD_NO_SAMPLES),
        Reason.of(Code.THRESHOLD_NEEDS_TRUTH, policy="f1"),
        Reason.of(Code.THRESHOLD_NEEDS_NEGATIVES, policy="youden", prior=None),
        Reason.of(Code.THRESHOLD_FROM_DETECTIONS, policy="f1", threshold=0.41),
        Reason.of(
            Code.CLASSES, per="class", found=80, few=3, such=["cone"], policy="precision>=0.9", kept=60, confidence=0.95,
        ),
        Reason.of(Code.CLASSES_UNKNOWN, per="class"),
        Reason.of(Code.TUNE_ACCEPTED, points=2, later=2488, unit="image"),
        Reason.of(Code.TUNE_NO_POLICY),
        Reason.of(Code.TUNE_UNTOLD, policy="f1"),
        Reason.of(Code.TUNE_FEW_IMAGES, needed=50, found=12),
        Reason.of(Code.TUNE_SPLITS_IMAGES, dimension="size", scope="size=small"),
        Reason.of(Code.TUNE_SAME),
        Reason.of(Code.TUNE_NOT_PROMISED, policy="precision>=0.95"),
        Reason.of(Code.TUNE_NOT_BETTER, policy="f1", mean=0.012, lower=-0.004, confidence=0.95),
        Reason.of(Code.POINT_PROMISED, threshold=0.7549, figures=_SHOWN, **_POINT),
        Reason.of(Code.POINT_NOT_PROMISED, best=0.91, missing=12, **_POINT | {"of": "", "classes": 79, "others": True}),
        Reason.of(
            Code.POINT_CHOSEN, threshold=0.41, figures=_SHOWN, better=(0.03, 0.01, 0.05), accepted=True,
            **_POINT | {"kind": "fbeta", "policy": "f1", "target": None},
        ),
        Reason.of(Code.POINT_NOT_CHOSEN, of="cone", classes=1, others=False, policy="f1"),
        Reason.of(Code.POINTS_MORE, count=3),
        Reason.of(Code.POINTS_LACKING, count=79, kind="precision", lacking=[["car", 31], ["dog", 112]], known=30, least=59),
        Reason.of(Code.IMAGES_WITHOUT_RAW, images=5),
        Reason.of(Code.LOG_SUPPRESSED, nms_iou=0.6, pairs=15_258, tuned=[0.3, 0.5], vain=[0.6], score=0.05),
        Reason.of(Code.SUPPRESSION_NOT_TUNED),
        Reason.of(Code.RECALL_CEILING, ceiling=0.572, floor=0.3, iou=0.5, score=0.05),
        Reason.of(Code.FAILED, problem="took longer than 1h", attempt=5, attempts=5),
        Reason.of(Code.TRIED_AGAIN, problem="exit code 1", attempt=2, attempts=5, pause=66),
        Reason.of(Code.INTERRUPTED, times=1, pause=None),
        Reason.of(Code.INTERRUPTED_TOO_OFTEN, times=5),
        Reason.of(Code.NOT_BEGUN),
        Reason.of(Code.OUTDATED),
        Reason.of(Code.CANCELLED, was_running=True),
        Reason.of(Code.DELIVERED, text="https://chat.example.org: 200 OK"),
        Reason.of(Code.ROLLED_BACK, present="0123456789abcdef", target=""),
        Reason.of(
            Code.GUARD_WORSE, calibrator="0123456789abcdef", parent="", by=0.08, samples=600, evidence=3590.0, limit=100.0,
        ),
        Reason.of(Code.CYCLE_FAILED, error="OSError", problem="no room on the disk"),
    )
}  # fmt: skip
