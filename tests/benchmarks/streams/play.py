"""A real stream through drift evidence, in daily buckets, with a budget of one false alarm a year over all its slices."""

from dataclasses import dataclass

import numpy as np

from monitor.model.wording import describe_shifts
from monitor.statistics.cells import Cells
from monitor.statistics.drift.bets import BinSums, Tolerance
from monitor.statistics.drift.budget import slice_threshold
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.explain import explain_drift, find_shifts
from tests.benchmarks.streams.curve import Curve
from tests.benchmarks.streams.real import RealStream


@dataclass(frozen=True, slots=True)
class Played:
    """One slice of a stream under one tolerance: days are counted from 0.

    ``stable`` days before the change (all of them when none is known), ``early`` the days of alarms in them, ``alarm``
    the first alarm from the change on, ``words`` its direction and ``onset`` the day it points to.
    """

    stream: str
    slice: str
    samples: int
    stable: int
    early: tuple[int, ...]
    change: int | None
    alarm: int | None
    onset: int | None
    words: str

    @property
    def delay(self) -> int | None:
        """Buckets from the change to the alarm, 1 = in the first."""
        return None if self.alarm is None or self.change is None else self.alarm - self.change + 1


def play(stream: RealStream, tolerance: Tolerance) -> list[Played]:
    """Calibrate on the first part, judge the rest: the whole and every marginal."""
    fitted, judged = slice(0, stream.fitted), slice(stream.fitted, None)
    score = Curve(stream.score[fitted], stream.outcome[fitted])(stream.score[judged])
    outcome, day = stream.outcome[judged], stream.day[judged]
    weight = np.ones(score.size) if stream.weight is None else stream.weight[judged]
    masks = {"all": np.ones(score.size, dtype=np.bool_)} | {k: m[judged] for k, m in stream.slices.items()}
    days = int(day.max()) + 1
    samples = [Cells.from_samples(score[m], outcome[m], unit=day[m], weight=weight[m]) for m in masks.values()]
    sums = [BinSums.from_cells(cells, 1, days) for cells in samples]
    joined = BinSums(*(np.concatenate([getattr(one, column) for one in sums]) for column in BinSums.__slots__))
    block = Block.against_scores(joined, np.arange(days), tolerance)
    marginals = len(masks) - 1
    limits = [slice_threshold(1.0, 0, 1, min(marginals, 1), 1)]
    limits += [slice_threshold(1.0, 1, rank, 1, marginals) for rank in range(1, marginals + 1)]
    alarms = advance_evidence(EvidenceState.begin(len(masks)), block, limits, 1.0).alarms
    change = days if stream.change is None else stream.change
    found = []
    for row, (name, mask) in enumerate(masks.items()):
        own = [alarm for alarm in alarms if alarm.row == row]
        after = next((alarm for alarm in own if alarm.bucket >= change), None)
        told = after or (own[0] if own else None)
        shifts = find_shifts(explain_drift(block, row, told.onset, told.bucket)) if told else ()
        words = describe_shifts(shifts, "score")
        found.append(
            Played(
                stream.name, name, int(mask.sum()), change, tuple(a.bucket for a in own if a.bucket < change),
                stream.change, after.bucket if after else None, after.onset if after else None, words,
            )
        )  # fmt: skip
    return found
