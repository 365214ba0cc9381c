"""What a refit says of groups that lie on both sides of its cuts in time."""

import numpy as np

from monitor.model.samples import Samples
from monitor.recalibration.gate import Verdict

TOLD_FROM = 0.1  # of the later samples: fewer are clips that happen to lie across the cut


def reasons_with_straddling(verdict: Verdict, samples: Samples, early: Samples, *later: Samples) -> tuple[str, ...]:
    """The gate's reasons, and what groups on both sides of the cuts took from it: within its last reason where too few
    samples were left to judge, else before its reasons.

    ``early`` and ``later`` are the parts that ``samples`` were split into, in order of time.
    """
    told = told_straddling(samples, early, *later)
    if not told:
        return verdict.reasons
    if verdict.improvement is None:
        return (*verdict.reasons[:-1], f"{verdict.reasons[-1]}: {told}")
    return (told, *verdict.reasons)


def told_straddling(samples: Samples, early: Samples, *later: Samples) -> str:
    """A sentence on the later samples that take part nowhere since their groups began before a cut; "" if few do."""
    if samples.group is None or not len(early):
        return ""
    after = samples.observed_at > early.observed_at.max()
    beyond = int(after.sum())
    left_out = beyond - sum(map(len, later))
    if left_out <= TOLD_FROM * beyond:
        return ""
    units = samples.units()
    groups = len(np.intersect1d(units[after], units[~after]))
    return (
        f"{left_out:,} of {beyond:,} later samples are in groups that lie on both sides of the cut in time and take part in "
        f"neither ({groups:,} of {len(np.unique(units)):,} groups lie so); is group_id the patient rather than the visit?"
    )
