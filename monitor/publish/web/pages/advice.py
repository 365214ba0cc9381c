"""What calwatch has done about a slice whose alerts fire, and what is left for people to do."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.model import AlertState, CalibratorInUse, Job, JobState, ModelStatus, RuleKind, Slice
from monitor.model.wording import moment

DEEDS = 5  # shown, the newest
_KINDS = ("recalibrate", "rollback")
_AT = (
    "at images of this slice since the trouble began: dirt, light, a moved camera, a new product. Where AUROC fell too, a "
    "refit does not help: retrain. Until it is cured, let no decision here rest on the score alone."
)


@dataclass(frozen=True, slots=True)
class Advice:
    """``deeds``: refits and rollbacks of scopes that hold the slice since its first firing alert fired, the newest first;
    ``more``: how many more. ``next``: what to do now; ``command``: what asks for a refit, "" where that is no cure."""

    deeds: Sequence[Job]
    more: int
    next: str
    command: str


def make_advice(status: ModelStatus, slice_: Slice, charge: CalibratorInUse | None) -> Advice | None:
    """None where no alert of the slice fires."""
    firing = [alert for alert in status.alerts if alert.slice == slice_ and alert.state is AlertState.FIRING]
    if not firing:
        return None
    since = min(alert.fired_at or alert.since or alert.evaluated_at for alert in firing)
    deeds = sorted(
        (job for job in status.jobs if job.kind in _KINDS and job.requested_at >= since and job.scope.contains(slice_)),
        key=lambda job: job.requested_at, reverse=True,
    )  # fmt: skip
    absences = {rule.name for rule in status.rules if rule.kind is RuleKind.ABSENCE}
    if all(alert.rule in absences for alert in firing):
        return Advice((), 0, "Ask who delivers: something is missing, and no refit can mend that.", "")
    command = shlex.join(["calwatch", "recalibrate", status.name, "--slice", slice_.text])
    return Advice(deeds[:DEEDS], max(len(deeds) - DEEDS, 0), _next(deeds, charge, since), command)


def _next(deeds: Sequence[Job], charge: CalibratorInUse | None, since: datetime) -> str:
    if charge is not None and charge.promoted_at >= since:
        if charge.adopted is False:
            return f"Reload the model server: calibrator {charge.calibrator} was promoted, and samples still carry another."
        return (
            f"Wait: a new calibrator is in charge since {moment(charge.promoted_at)}, and an alert resolves when what comes "
            f"in since then is well. If it does not: look {_AT}"
        )
    if not deeds:
        return f"Look {_AT} No refit was asked for by itself; ask for one where a refit can help."
    newest = deeds[0].state
    if newest in (JobState.QUEUED, JobState.RUNNING):
        return f"A refit is on its way. Meanwhile: look {_AT}"
    if newest is JobState.FAILED:
        return f"The newest refit failed: see its job. Look {_AT}"
    return f"Look {_AT} The gate says above why it kept what is in charge; too few samples pass with time, so ask again later."
