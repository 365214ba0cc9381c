"""What a backtest tells of refits, each counted under the gate's reason, and status of thresholds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.cli.output import tell_refits, tell_status
from monitor.model import Job, JobState, Slice, ThresholdInUse
from monitor.model.errors import UsageError
from monitor.model.reasons import BY_HAND, Code, Reason
from monitor.store.published.queries import Snapshot
from monitor.store.thresholds import store_thresholds
from tests.worlds.line import BEGAN, HOUR, line, model_section

AT = datetime(2026, 2, 1, tzinfo=UTC)
CHOSEN = Reason.of(Code.METHOD_UNFIT, method="isotonic", problem="140 positives, needs 1,000")
THRESHOLD = Reason.of(Code.THRESHOLD_NOT_CHOSEN, policy="f1")
CHANGE = {"mean": 0.004, "lower": -0.001, "confidence": 0.95, "samples": 249}
SLICE = Reason.of(Code.GATE_SLICE_WORSE, slice="camera=c3", by=0.007, reach=0.001, samples=200)


def _job(*why: Reason, state: JobState = JobState.REJECTED) -> Job:
    return Job(
        id="1", model="m", kind="recalibrate", scope=Slice(), asked_by=BY_HAND, state=state, requested_at=AT,
        finished_at=AT, why=why,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ((Reason.of(Code.GATE_CHANCE, **CHANGE), THRESHOLD), "improvement may be chance"),
        ((CHOSEN, Reason.of(Code.GATE_WORSE, **CHANGE), THRESHOLD), "log-loss would be worse"),
        ((Reason.of(Code.GATE_WORSE, **CHANGE), SLICE), "log-loss would be worse"),
        ((Reason.of(Code.GATE_BETTER, **CHANGE), SLICE), "a slice would become worse"),
        ((CHOSEN, Reason.of(Code.REFIT_FEW_SAMPLES, needed=300, found=133)), "too little data"),
        ((CHOSEN, Reason.of(Code.GATE_FEW_GROUPS, needed=20, found=3)), "too little data"),
        ((CHOSEN, Reason.of(Code.GATE_SAME, samples=9)), "nothing to mend (the candidate equals what is in use)"),
        ((Reason.of(Code.REFIT_UNFIT, method="beta", problem="the moon is full"), THRESHOLD),
         "beta cannot be fitted: the moon is full; nothing changes"),
        ((Reason.from_text("rejected: as an earlier release said"),), "rejected: as an earlier release said"),
        ((), "no reason recorded"),
    ],
)  # fmt: skip
def test_a_rejected_refit_is_counted_under_the_reason_that_turned_it_down(
    why: tuple[Reason, ...], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_refits([_job(*why)])
    assert f"    1 × rejected: {kind}\n" in capsys.readouterr().out


def test_a_refit_that_failed_is_counted_under_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    tell_refits([_job(CHOSEN, Reason.of(Code.FAILED, problem="took longer than 1h"), state=JobState.FAILED)])
    assert "    1 × failed: took longer than 1h\n" in capsys.readouterr().out


def test_status_names_the_thresholds_in_force_and_promises_that_none_can_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ThresholdInUse("m", Slice(), "precision>=0.9", 0.6, 0.92, 0.7, "", BEGAN, kept=True, confidence=0.95)
    others = (
        replace(kept, scope=Slice.of({"camera": "c1"}), threshold=None, kept=False, best=0.8613),
        replace(kept, scope=Slice.of({"camera": "c2"}), policy="f1", kept=None),
        replace(kept, per="predicted_class", class_name="dog", threshold=0.5),
    )
    with line(tmp_path, model_section(rules="")) as held:
        held.arrive(BEGAN, BEGAN + HOUR, 100)
        store_thresholds(held.connection, [(each, None) for each in (kept, *others)])
        held.tick(BEGAN + HOUR)
        with Snapshot(tmp_path / "state") as snapshot:
            tell_status(snapshot.status({"m": "7d"}))
    told = [each for each in capsys.readouterr().out.splitlines() if "threshold" in each.lower()]
    assert told == [
        "threshold of m all: 0.6000 by precision>=0.9, kept with 95 % confidence when it was chosen",
        "NO THRESHOLD of m camera=c1 can promise precision>=0.9: best bound 0.861",
        "threshold of m camera=c2: 0.6000 by f1",
    ]


def test_status_tells_labels_that_wait_and_groups_that_reach_too_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = model_section() + '[[model.source]]\nname = "verdicts"\nholds = "labels"\npath = "labels/*"\n'
    section = section.replace("[model.source]\n", "[[model.source]]\n", 1)
    (tmp_path / "labels").mkdir(parents=True)

    def status(labels: int) -> str:
        rows = "".join(f"f1-{i:07},1\n" for i in range(labels))
        (tmp_path / "labels" / "a.csv").write_text("sample_id,outcome\n" + rows, "utf-8")
        here.tick(BEGAN + 30 * HOUR)
        with Snapshot(tmp_path / "state") as held:
            tell_status(held.status({"m": "7d"}))
        return " ".join(capsys.readouterr().out.split())

    with line(tmp_path, section) as here:
        here.arrive(BEGAN, BEGAN + 29 * HOUR, 3000, group_id="patient-17")
        assert "wait for" not in status(0)
        few, many = status(5), status(25)
    assert "labels of m/verdicts: 5 labels wait for their prediction, the oldest since 2026-03-02 06:00 UTC" in few
    assert "WARNING m/verdicts: 25 labels wait for their prediction" in many
    for text in (few, many):
        assert "ids compared are those of predictions but for leading zeros: label" in text
        assert (
            "WARNING m: all of the rows lie in groups that span buckets of 1h, all in groups that span days, such as"
            in text
        )
        assert '"patient-17" with 3,000 rows over 29 h' in text


def test_status_tells_of_a_silent_model_when_its_last_sample_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with line(tmp_path, model_section(rules="")) as held:
        held.tick(BEGAN)
        held.arrive(BEGAN, BEGAN + HOUR, 100)
        held.tick(BEGAN + timedelta(days=9))
        with Snapshot(tmp_path / "state") as snapshot:
            tell_status(snapshot.status({"m": "7d", "new": "24h"}))
            with pytest.raises(UsageError, match=r"no readings of model \"m\": no samples in any window; last at 2026"):
                snapshot.longest_window("m")
    told = capsys.readouterr().out
    assert f"m: no samples within 7d; last at {BEGAN:%Y-%m-%d} " in told
    assert "new: no samples yet" in told
