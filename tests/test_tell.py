"""What a backtest tells of refits: each is counted under the gate's reason."""

from datetime import UTC, datetime

import pytest

from monitor.model import Job, JobState, Slice
from monitor.tell import tell_refits

AT = datetime(2026, 2, 1, tzinfo=UTC)
CHOSEN = "isotonic rejected: 140 positives, needs 1,000"
THRESHOLD = "threshold 0.8000 by cost:fp=4,fn=1; cheapest in the samples was 0.7617"


def _job(*reasons: str, state: JobState = JobState.REJECTED) -> Job:
    return Job(
        id="1", model="m", kind="recalibrate", scope=Slice(), trigger="manual", state=state, requested_at=AT,
        finished_at=AT, reasons=reasons,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (("rejected: log-loss better by 0.004 on 249 later samples, which may be chance", THRESHOLD),
         "improvement may be chance"),
        ((CHOSEN, "rejected: log-loss worse by 0.004 on 718 later samples", THRESHOLD), "log-loss would be worse"),
        (("rejected: log-loss worse by 0.004", "rejected: slice camera=c3 log-loss worse by 0.007"), "log-loss would be worse"),
        (("accepted: log-loss better by 0.01", "rejected: slice camera=c3 log-loss worse by 0.007"),
         "a slice would become worse"),
        ((CHOSEN, "rejected: needs 300 labelled samples, has 133; nothing changes"), "too little data"),
        ((CHOSEN, "rejected: the candidate gives the same scores as the calibrator in use on 9 later samples"),
         "nothing to mend (the candidate equals what is in use)"),
        (("rejected: the moon is full", THRESHOLD), "the moon is full"),
        ((), "no reason recorded"),
    ],
)  # fmt: skip
def test_a_rejected_refit_is_counted_under_the_reason_that_turned_it_down(
    reasons: tuple[str, ...], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_refits([_job(*reasons)])
    assert f"    1 × rejected: {kind}\n" in capsys.readouterr().out


def test_a_refit_that_failed_is_counted_under_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    tell_refits([_job(CHOSEN, "failed: took longer than 1h", state=JobState.FAILED)])
    assert "    1 × failed: took longer than 1h\n" in capsys.readouterr().out
