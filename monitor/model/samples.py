"""The labelled rows that calibrators are fitted on and judged by, column by column."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AboutLogits:
    """What is known of the logits of samples beside the numbers."""

    said: str = ""  # how often they agree with the predicted class, or why they are not used; "" = nothing to say
    # what the source's column holds, of which these are the logarithm
    held: Literal["logits", "probabilities"] = "logits"


@dataclass(frozen=True, slots=True, eq=False)
class Missed:
    """K positives that no sample stands for: objects that no detection found at any score."""

    group: Ints  # (K,) codes of their images, as those of samples
    observed_at: Floats  # (K,) seconds since the epoch (UTC)
    class_name: NDArray[np.str_]  # (K,)

    def __len__(self) -> int:
        return len(self.group)

    def pick(self, mask: NDArray[np.bool_]) -> "Missed":
        """Return those that a mask (K,) picks."""
        return Missed(self.group[mask], self.observed_at[mask], self.class_name[mask])


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """M images that people looked at, whether or not anything was found or is there."""

    group: Ints  # (M,) their codes, as those of samples
    observed_at: Floats  # (M,) seconds since the epoch (UTC)

    def __len__(self) -> int:
        return len(self.group)

    def pick(self, mask: NDArray[np.bool_]) -> "LabelledImages":
        """Return those that a mask (M,) picks."""
        return LabelledImages(self.group[mask], self.observed_at[mask])


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """N rows. ``score`` is what the calibrator will be applied to: the score before any calibration.

    score:        (N,) probability of the event, [0, 1]
    outcome:      (N,) 1.0 where the event happened, else 0.0; for multi-class: the predicted class was right; of a
                  pre-counted row the share of its samples where it happened
    logits:       (N, C) logits or log-probabilities, a NaN row where a sample has none; None when no sample has any
    label_index:  (N,) index of the true class in ``logits``; None without logits, or where nothing may be fitted on them
    group:        (N,) code of the image or clip a sample belongs to, negative where it belongs to none; None: no groups
    observed_at:  (N,) seconds since the epoch (UTC)
    slice_index:  (N,) index of the sample's finest slice in a list the caller keeps
    predicted_class: (N,) names, "" where a sample has none; None: no sample has any
    n:            (N,) samples that a row stands for (pixels of a mask); None: each row is one sample
    about_logits: of the samples as they were loaded, all of them
    missed:       positives of the same time and slices that no sample stands for; None: there can be none, or nobody knows.
                  ``subset`` leaves them as they are
    images:       all labelled images of the same time and slices; None: samples are of no boxes, or nobody knows of images
                  without a detection. ``subset`` leaves them, too

    Raises ValueError naming every column whose length differs from that of ``score``, and every value out of range.
    """

    score: Floats
    outcome: Floats
    logits: Floats | None
    label_index: Ints | None
    group: Ints | None
    observed_at: Floats
    slice_index: Ints
    predicted_class: NDArray[np.str_] | None = None
    n: Floats | None = None
    about_logits: AboutLogits = AboutLogits()
    missed: Missed | None = None
    images: LabelledImages | None = None

    def __post_init__(self) -> None:
        mistakes = []
        for field in fields(self):
            column = getattr(self, field.name)
            if isinstance(column, np.ndarray) and (
                column.ndim != (2 if field.name == "logits" else 1) or len(column) != len(self.score)
            ):
                mistakes.append(f"{field.name} has shape {column.shape} beside {len(self.score)} scores")
        if not bool(np.all((self.score >= 0) & (self.score <= 1))):
            mistakes.append("score must lie in [0, 1] (got values outside, or NaN)")
        if self.n is None and not bool(np.all((self.outcome == 0) | (self.outcome == 1))):
            mistakes.append("outcome must be 0 or 1, or a share where rows are pre-counted")
        if not bool(np.all((self.outcome >= 0) & (self.outcome <= 1))):
            mistakes.append("outcome must lie in [0, 1] (got values outside, or NaN)")
        if self.n is not None and not bool(np.all((self.n >= 1) & np.isfinite(self.n))):
            mistakes.append("n must be at least 1")
        if not bool(np.all(np.isfinite(self.observed_at))):
            mistakes.append("observed_at must be finite")
        if mistakes:
            raise ValueError("; ".join(mistakes))

    def __len__(self) -> int:
        return len(self.score)

    @property
    def has_all_logits(self) -> bool:
        """Whether every sample has logits and a true class, so that a multi-class calibrator can be fitted on them."""
        return (
            self.n is None  # they are of one sample each
            and self.logits is not None
            and self.label_index is not None
            and len(self) > 0
            and not bool(np.isnan(self.logits).any())
        )

    @property
    def positives(self) -> Floats:
        """(N,) samples of each row where the event happened."""
        return self.outcome if self.n is None else self.n * self.outcome

    @property
    def are_dependent(self) -> bool:
        """Whether some samples may depend on each other: those of one group, or of one pre-counted row."""
        return self.n is not None or (self.group is not None and len(np.unique(self.units())) < len(self))

    def units(self) -> Ints:
        """(N,) codes 0..G−1 of what is independent: the row's group, or the row itself where it has none."""
        if self.group is None:
            return np.arange(len(self), dtype=np.int64)
        alone = self.group < 0
        units = np.empty(len(self), dtype=np.int64)
        labels, codes = np.unique(self.group[~alone], return_inverse=True)
        units[~alone] = codes.reshape(-1)
        units[alone] = len(labels) + np.arange(np.count_nonzero(alone))
        return units

    def subset(self, mask: NDArray[np.bool_] | Ints) -> "Samples":
        """The samples that a boolean mask (N,) or an index array picks, in its order."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        columns: dict[str, Any] = {name: each[mask] for name, each in held.items() if isinstance(each, np.ndarray)}
        return replace(self, **columns)
