"""The guard over promotions, in a whole calwatch: bad ones are rolled back with the reason, good ones stay."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import monitor.recalibration.guard
from monitor.jobs.requests import leave_request
from monitor.model import Job, JobState, Slice
from monitor.model.samples import Samples
from monitor.store.samples import load_batches
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section

NOW = BEGAN + DAY
MODEL = model_section(rules="", recalibration='method = "temperature"')


def _promoted(held: Line, now: datetime = NOW, temperature: float = 3.0) -> str:
    held.arrive(now - DAY, now, 3000, temperature=temperature)
    leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), now)
    job = held.tick(now, publish=False).jobs["m"][-1]
    assert job.state is JobState.PROMOTED, job.reasons
    return str(job.details["calibrator"])


def _jobs_of(held: Line, now: datetime) -> tuple[Job, ...]:
    tick = held.tick(now, publish=False)
    assert tick.failed == {}
    return tick.jobs["m"]


def test_a_calibrator_that_does_worse_than_raw_scores_is_rolled_back_with_the_reason(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        id_ = _promoted(held)
        jobs: list[Job] = []
        for hour in range(3, 25, 3):  # the drift is gone: T = 3 is now much too soft
            held.arrive(NOW + (hour - 3) * HOUR, NOW + hour * HOUR, 375, temperature=1.0)
            jobs += _jobs_of(held, NOW + hour * HOUR)
        (job,) = jobs
        assert (job.kind, job.state, job.trigger) == ("rollback", JobState.DONE, f"guard of {id_}")
        assert job.reasons[0] == f"rolled back from {id_} to no calibrator (scores as they come)"
        assert job.reasons[1].startswith(
            f"calibrator {id_} does worse than none since its promotion: log-loss higher by 0."
        )
        assert held.one("SELECT state FROM guards") == "worse"
        assert held.one("SELECT count(*) FROM guard_buckets") == 0
        assert held.one("SELECT calibrator FROM serving WHERE until IS NULL") == ""


def test_a_calibrator_that_does_better_stays_and_buckets_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[datetime] = []
    real = load_batches

    def counted(*arguments: object) -> object:
        reads.append(arguments[-3])  # type: ignore[arg-type]  # the start of the span
        return real(*arguments)  # type: ignore[arg-type]  # passed through

    with line(tmp_path, MODEL) as held:
        _promoted(held)
        monkeypatch.setattr(monitor.recalibration.guard, "load_batches", counted)
        for hour in range(3, 25, 3):
            held.arrive(NOW + (hour - 3) * HOUR, NOW + hour * HOUR, 375, temperature=3.0)
            assert _jobs_of(held, NOW + hour * HOUR) == ()
        assert len(reads) == len(set(reads)) == 8
        assert held.one("SELECT samples FROM guards") == 3000
        assert held.one("SELECT evidence FROM guards") < 1
        assert held.one("SELECT loss FROM guards") < 0
        # a late label renews its own bucket only
        held.arrive(NOW + 5 * HOUR, NOW + 6 * HOUR, 10, temperature=3.0)
        _jobs_of(held, NOW + 25 * HOUR)
        assert reads[8:] == [NOW + 5 * HOUR]
        assert held.one("SELECT samples FROM guards") == 3010


def test_a_huge_day_is_compared_in_bounded_shares_with_the_evidence_of_all_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, found, sizes = load_batches, list[list[Any]](), list[int]()

    def counted(*arguments: object) -> Iterator[Samples]:
        for share in real(*arguments):  # type: ignore[arg-type]  # passed through
            sizes.append(len(share))
            yield share

    monkeypatch.setattr(monitor.recalibration.guard, "load_batches", counted)
    for rows in (1_000_000, 800):
        monkeypatch.setattr(monitor.recalibration.guard, "SHARE_ROWS", rows)
        with line(tmp_path / str(rows), MODEL) as held:
            _promoted(held)
            held.arrive(NOW, NOW + DAY, 6000, temperature=2.5)
            sizes.clear()
            _jobs_of(held, NOW + 25 * HOUR)
            assert (sum(sizes), max(sizes) <= rows) == (6000, True)
            columns = ("samples", "groups", "left_out", "loss", "evidence")
            found.append([held.one(f"SELECT {column} FROM guards") for column in columns])
    assert len(sizes) > 1
    assert found[0][:3] == found[1][:3] == [6000, 6000, 0]
    assert found[0][3:] == pytest.approx(found[1][3:], rel=1e-9)


def test_evidence_gathered_hour_by_hour_is_that_gathered_at_once(tmp_path: Path) -> None:
    found = []
    for name, hours in (("often", range(2, 13, 2)), ("once", [12])):
        with line(tmp_path / name, MODEL) as held:
            _promoted(held)
            for hour in range(2, 13, 2):
                held.arrive(NOW + (hour - 2) * HOUR, NOW + hour * HOUR, 200, temperature=3.0)
                if hour in hours:
                    _jobs_of(held, NOW + hour * HOUR)
            found.append(held.one("SELECT evidence FROM guards"))
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_the_guard_ends_with_its_time_and_when_another_calibrator_takes_charge(tmp_path: Path) -> None:
    section = MODEL.replace('"temperature"', '"temperature"\nguard = "48h"\nfit_window = "24h"')
    with line(tmp_path, section) as held:
        first = _promoted(held)
        second = _promoted(held, NOW + DAY, temperature=0.4)
        states = dict(held.connection.execute("SELECT calibrator, state FROM guards").fetchall())
        assert states in ({first: "over", second: "watching"}, {first: "worse", second: "watching"})
        _jobs_of(held, NOW + 4 * DAY)
        assert dict(held.connection.execute("SELECT calibrator, state FROM guards").fetchall())[second] == "over"


def test_without_a_guard_nothing_is_compared(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace('"temperature"', '"temperature"\nguard = "0s"')) as held:
        _promoted(held)
        assert held.one("SELECT count(*) FROM guards") == 0


def test_samples_without_raw_scores_cannot_be_compared_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with line(tmp_path, MODEL) as held:
        id_ = _promoted(held)
        capsys.readouterr()
        for hour in range(3, 13, 3):  # scores as calibrated by production
            held.arrive(NOW + (hour - 3) * HOUR, NOW + hour * HOUR, 300, temperature=1.0, calibrator=id_)
            assert _jobs_of(held, NOW + hour * HOUR) == ()
        told = capsys.readouterr().out
        assert told.count("cannot be compared with the one before") == 1
        assert held.one("SELECT samples FROM guards") == 0
        assert held.one("SELECT left_out FROM guards") == 1200


def test_a_promotion_in_the_middle_of_a_bucket_counts_only_what_came_after(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        half = NOW + timedelta(minutes=30)
        held.arrive(NOW, half, 400, temperature=1.0)
        _promoted(held, half)
        held.arrive(half, NOW + HOUR, 100, temperature=3.0)
        _jobs_of(held, NOW + HOUR)
        assert held.one("SELECT samples FROM guards") == 100
