"""What a refit says of groups: of too few, and of those that lie on both sides of its cuts in time."""

import numpy as np

from monitor.config.settings import Model
from monitor.model.reasons import Code, Reason
from monitor.model.samples import Samples
from monitor.recalibration.gate import Verdict

TOLD_FROM = 0.1  # of the later samples: fewer are clips that happen to lie across the cut


def tell_few_samples(model: Model, samples: Samples, needed: int, found: int) -> Reason:
    """Return that ``found`` of the samples, which are all that may be used, are too few."""
    grouped: dict[str, object] = {}
    if samples.group is not None:
        grouped = {"groups": len(np.unique(samples.units())), "noun": model.noun}
    return Reason.of(Code.REFIT_FEW_SAMPLES, needed=needed, found=found, **grouped)


def reasons_with_straddling(verdict: Verdict, samples: Samples, early: Samples, *later: Samples) -> tuple[Reason, ...]:
    """Return the gate's reasons, and what groups on both sides of the cuts took from it: within its last reason where too
    few samples were left to judge, else before its reasons.

    ``early`` and ``later`` are the parts that ``samples`` were split into, in order of time.
    """
    found = find_straddling(samples, early, *later)
    if found is None:
        return verdict.why
    if verdict.improvement is None:
        *others, last = verdict.why
        return *others, Reason.of(Code.GATE_STRADDLED, lacks=last.code, groups=found.values, **last.values)
    return (found, *verdict.why)


def find_straddling(samples: Samples, early: Samples, *later: Samples) -> Reason | None:
    """Return how many later samples take part nowhere since their groups began before a cut; None if few do."""
    if samples.group is None or not len(early):
        return None
    after = samples.observed_at > early.observed_at.max()
    beyond = int(after.sum())
    left_out = beyond - sum(map(len, later))
    if left_out <= TOLD_FROM * beyond:
        return None
    units = samples.units()
    straddling = len(np.intersect1d(units[after], units[~after]))
    return Reason.of(
        Code.GROUPS_STRADDLE, left_out=left_out, later=beyond, straddling=straddling, groups=len(np.unique(units))
    )
