"""How rows reach the monitor: label delays, and the planted corrections, duplicates and bad rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.demo_stream.network import CLASSES
from tests.demo_stream.traffic import Times

Rows = dict[str, NDArray[Any]]  # columns by name, all of the same length

UNLABELLED_SHARE = 0.15
LABEL_DELAY = (6.0, 1.1, 120.0)  # median in hours, sigma of its logarithm, longest in hours
CORRECTED_SHARE = 0.005  # of labelled predictions
CORRECTION_DELAY = (24.0, 0.6, 144.0)
DUPLICATE_SHARE = 0.01  # of predictions; every other duplicate comes a week later, the rest at once
BAD_SCORES = (float("nan"), -0.1, 1.2)
BAD_PER_KIND = 5  # of each bad score, of rows without sample_id, and of rows from the far future
CLOCK_FAULT = np.timedelta64(3653, "D")  # a producer whose clock runs ten years ahead


def label_times(observed_at: Times, rng: np.random.Generator) -> Times:
    """When each prediction gets its label; NaT for those that never do. Knows nothing of scores or outcomes."""
    labelled_at: Times = observed_at + _delays(LABEL_DELAY, len(observed_at), rng)
    labelled_at[rng.random(len(observed_at)) < UNLABELLED_SHARE] = np.datetime64("NaT")
    return labelled_at


def with_flaws(rows: Rows, rng: np.random.Generator) -> Rows:
    """``rows`` (one per prediction) with corrections, duplicates and bad rows added, in order of ``arrived_at``.

    ``arrived_at`` is a new column: the label's time, or for unlabelled predictions their own.
    """
    labelled = np.flatnonzero(~np.isnat(rows["labelled_at"]))
    arrived_at = np.where(np.isnat(rows["labelled_at"]), rows["observed_at"], rows["labelled_at"])
    rows = rows | {"arrived_at": arrived_at}

    corrected = rng.choice(labelled, round(CORRECTED_SHARE * len(labelled)), replace=False)
    corrections = _taken(rows, corrected)
    later = _delays(CORRECTION_DELAY, len(corrected), rng)
    corrections["labelled_at"] = corrections["labelled_at"] + later
    corrections["arrived_at"] = corrections["arrived_at"] + later
    wrong = (rows["label"][corrected].astype(np.int64) + rng.integers(1, CLASSES, len(corrected))) % CLASSES
    rows["label"] = rows["label"].copy()
    rows["label"][corrected] = wrong.astype(str).astype(object)

    # Never a copy of a corrected row: a wrong label sent again after its correction would be the newest word.
    others = np.setdiff1d(np.arange(len(arrived_at)), corrected)
    duplicates = _taken(rows, rng.choice(others, round(DUPLICATE_SHARE * len(arrived_at)), replace=False))
    duplicates["arrived_at"][::2] += np.timedelta64(7, "D")

    bad = _bad(_taken(rows, rng.choice(np.setdiff1d(labelled, corrected), 5 * BAD_PER_KIND, replace=False)))
    everything = {name: np.concatenate([part[name] for part in (rows, corrections, duplicates, bad)]) for name in rows}
    return _taken(everything, np.argsort(everything["arrived_at"], kind="stable"))


def _bad(rows: Rows) -> Rows:
    """``rows`` as further predictions, each damaged in one way, ``BAD_PER_KIND`` of each kind."""
    rows["sample_id"] = np.array([f"x{number:05d}" for number in range(len(rows["sample_id"]))], dtype=object)
    kinds = np.split(np.arange(len(rows["sample_id"])), len(BAD_SCORES) + 2)
    for score, damaged in zip(BAD_SCORES, kinds[:-2], strict=True):
        rows["score"][damaged] = score
    rows["sample_id"][kinds[-2]] = None
    rows["observed_at"][kinds[-1]] += CLOCK_FAULT
    return rows


def _delays(shape: tuple[float, float, float], count: int, rng: np.random.Generator) -> NDArray[Any]:
    median, sigma, longest = shape
    hours = np.minimum(rng.lognormal(np.log(median), sigma, count), longest)
    return np.ceil(hours * 3600.0).astype("timedelta64[s]")


def _taken(rows: Rows, index: NDArray[Any]) -> Rows:
    return {name: column[index] for name, column in rows.items()}
