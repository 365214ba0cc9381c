"""Measured values of slices over windows, and what is compared with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from monitor.model.slices import Slice


class ReadingState(StrEnum):
    OK = "ok"
    INSUFFICIENT = "insufficient"  # too few labelled samples for any metric to mean something


# Metric names of a reading, in the order tables show them. Rules name these; the snapshot has a column for each.
CALIBRATION_METRICS = (
    "ece",
    "ece_debiased",
    "ece_lower",
    "ece_upper",
    "ece_null_quantile",
    "ece_squared_debiased",
    "ece_squared_lower",
    "ece_squared_upper",
    "mce",
    "smooth_ece",
    "calibration_gap",
    "gap_lower",
    "gap_upper",
    "brier_score",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "log_loss",
    "auroc",
    "outcome_rate",
    "mean_score",
)
# At the decision thresholds in use, over the samples scored by the calibrators those were chosen with; else None.
THRESHOLD_METRICS = (
    "threshold_precision",
    "threshold_precision_lower",
    "threshold_precision_upper",
    "threshold_recall",
    "threshold_recall_lower",
    "threshold_recall_upper",
)
RECALL_METRICS = (*THRESHOLD_METRICS[3:], "threshold_f1", "recall_ceiling")
# Of detectors; those below the first two are of the whole model alone.
OBJECT_COUNTS = ("truths", "labelled_images")
PLACEMENT_METRICS = ("laece", "average_precision", "average_precision_50")
OBJECT_METRICS = (
    "iou", "threshold_f1", *OBJECT_COUNTS, "recall_ceiling", "fp_per_image", "ece_above_threshold", *PLACEMENT_METRICS
)  # fmt: skip
METRICS = (*CALIBRATION_METRICS, *THRESHOLD_METRICS, *OBJECT_METRICS)
# Counts and ratios that a reading has even when its state is insufficient; rules may name these too.
COUNTS = ("samples", "unlabelled", "label_coverage", "label_lag_seconds")
SECONDS = ("label_lag_seconds",)  # metrics that people read as a length of time


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bar of a reliability diagram: samples with a score in [low, high), the last bin closed above."""

    low: float
    high: float
    samples: float
    mean_score: float | None
    outcome_rate: float | None
    rate_lower: float | None  # 95 % interval of the outcome rate
    rate_upper: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one slice of one model version over one window, as of ``computed_at``."""

    model: str
    version: str
    slice: Slice
    window: str  # its name, e.g. "24h"
    window_start: datetime
    window_end: datetime
    computed_at: datetime
    state: ReadingState
    samples: int  # labelled, with pre-counted rows weighing their count
    unlabelled: int
    label_lag_seconds: float | None  # mean of labelled_at − observed_at
    metrics: Mapping[str, float | None] = field(default_factory=dict)  # every name in METRICS; None = unknown
    reliability: tuple[ReliabilityBin, ...] = ()
    # that the labelled samples come in, one that spans time buckets once in each; None: samples are independent, or
    # some of them came before any group_id did
    groups: int | None = None
    group_noun: str | None = None  # what one is called

    @property
    def label_coverage(self) -> float | None:
        """Labelled share of all predictions in the window; None without predictions."""
        predictions = self.samples + self.unlabelled
        return self.samples / predictions if predictions else None

    def counts_objects(self, metric: str) -> bool:
        """Whether a metric rests on the objects there were rather than on samples: recall, where these are counted."""
        return metric in RECALL_METRICS and self.metrics.get("truths") is not None

    def count_behind(self, metric: str) -> float:
        """Return how many a metric rests on: for recall the objects there were, where these are counted, else samples."""
        truths = self.metrics.get("truths") if metric in RECALL_METRICS else None
        return self.samples if truths is None else truths

    def value(self, metric: str) -> float | None:
        """Return the value a rule sees of a member of METRICS or COUNTS; None when it is unknown."""
        if metric not in COUNTS:
            return self.metrics.get(metric)
        count = getattr(self, metric)
        return None if count is None else float(count)


@dataclass(frozen=True, slots=True)
class SeenObject:
    """An object that was missed, or one that was invented: where, and which."""

    version: str
    image_id: str
    class_name: str
    box: tuple[float, float, float, float]  # x1, y1, x2, y2: pixels, or shares of the image
    score: float | None  # of the detection; None: no detection found it
    observed_at: datetime
    slice: Slice


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Newest times of a slice of a model, for absence rules; None when there never was one."""

    slice: Slice
    observed_at: datetime | None
    labelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Disparity:
    """A slice of a model version against all samples of that version outside it, as one disparity rule judges it.

    Numbers are None where they are unknown: too few samples in the slice or in the rest.
    """

    model: str
    version: str
    rule: str
    slice: Slice
    window: str
    window_start: datetime
    window_end: datetime
    measure: str  # "gap" | "error"
    samples: int
    rest_samples: int
    needed_samples: int  # in the slice and in the rest, for the numbers to be known
    slices: int  # judged together, over which `lower` holds
    own: float | None = None  # calibration gap, or debiased ECE
    rest: float | None = None
    difference: float | None = None  # how much worse the slice is: |own| − |rest| for "gap", own − rest for "error"
    lower: float | None = None  # and at least, for all slices at once, at the rule's level; named = at least `above`
    lower_alone: float | None = None  # and at least, this slice alone, at twice that level
    p_value: float | None = None  # of "worse by no more than `above`", adjusted for all slices
    groups: int | None = None  # that the slice's samples come in; None: samples are independent
    group_noun: str | None = None  # what one is called
