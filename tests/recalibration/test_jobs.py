"""Jobs from request to outcome: refused, promoted, rolled back, crashed; over a real store on a simulated clock."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import monitor.recalibration.charge
import monitor.recalibration.jobs
from monitor.config import load_config
from monitor.errors import StoreError
from monitor.model import Job, JobState, Slice
from monitor.recalibration.jobs import newest_version
from monitor.requests import leave
from monitor.store import rows
from tests.e2e.world import BEGAN, DAY, HOUR, Line, line, model_section, traffic, write_file

NOW = BEGAN + DAY
ALL, CAMERA = Slice(), Slice.of({"camera": "c1"})
NIGHT = Slice.of({"camera": "c1", "lighting": "night"})
MODEL = model_section(rules="", extra='threshold = { policy = "f1" }', recalibration='method = "temperature"')


def _ask(held: Line, now: datetime, kind: str = "recalibrate", scope: Slice = ALL, to: str | None = None) -> Job:
    """The finished job of one request, taken up by one tick."""
    leave(held.cycle.config.state_dir, "m", kind, scope, now, to=to)
    tick = held.tick(now, publish=False)
    assert tick.failed == {}
    (job,) = tick.jobs["m"]
    return job


def _calibrator(job: Job) -> str:
    assert job.state is JobState.PROMOTED, job.reasons
    return str(job.details["calibrator"])


def _current(held: Line) -> dict[str, str]:
    path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
    current: dict[str, str] = json.loads(path.read_text("utf-8"))["current"]
    return current


def _two_promotions(held: Line) -> tuple[str, str]:
    """Over-confident traffic, then under-confident traffic; a refit is promoted after each."""
    held.arrive(BEGAN, NOW, 3000, temperature=3.0)
    first = _calibrator(_ask(held, NOW))
    later = NOW + 15 * DAY
    held.arrive(later - DAY, later, 3000, temperature=0.4)
    return first, _calibrator(_ask(held, later))


def test_a_refit_of_too_few_samples_is_rejected_with_both_numbers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 399)
        job = _ask(held, NOW)
        assert job.state is JobState.REJECTED
        assert job.reasons == (
            "samples since 2026-02-16 00:00 UTC", "rejected: needs 400 labelled samples, has 399; nothing changes",
        )  # fmt: skip
        assert held.one("SELECT count(*) FROM serving") == 0
        assert _current(held) == {} if (held.cycle.config.state_dir / "calibrators").exists() else True


def test_a_promotion_writes_the_artefact_current_json_and_the_rows(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        job = _ask(held, NOW)
        id_ = _calibrator(job)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json"
        artefact = json.loads(path.read_text("utf-8"))
        assert artefact["method"] == "temperature"
        assert artefact["parameters"]["temperature"] == pytest.approx(3.0, rel=0.15)
        assert artefact["after"]["log_loss"] < artefact["before"]["log_loss"]
        assert artefact["gate_window"]["start"] > artefact["fit_window"]["end"]
        assert _current(held) == {"all": id_}
        serving = held.connection.execute("SELECT scope, calibrator, since, until FROM serving").fetchall()
        assert serving == [("all", id_, NOW.replace(tzinfo=None), None)]
        assert held.one("SELECT json_extract(parameters, '$.temperature')::DOUBLE FROM calibrators") == pytest.approx(
            artefact["parameters"]["temperature"]
        )
        (threshold,) = rows.load_thresholds(held.connection, "m")
        assert (threshold.calibrator, threshold.policy) == (id_, "f1")
        assert threshold.threshold == job.details["threshold"]


def test_a_candidate_that_is_no_better_is_rejected_and_nothing_changes(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000)
        job = _ask(held, NOW)
        assert job.state is JobState.REJECTED
        assert job.reasons[-1].startswith("rejected: log-loss")
        assert held.one("SELECT count(*) FROM calibrators") == 0
        assert held.one("SELECT count(*) FROM thresholds") == 0
        assert not list((held.cycle.config.state_dir / "calibrators").rglob("[0-9a-f]*.json"))


def test_samples_that_a_finer_calibrator_serves_have_no_say_in_a_coarser_refit(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        columns = held.arrive(BEGAN, NOW, 6000, planted={("c1", "night"): 4.0, ("c1", "day"): 2.0})
        night = int(((columns["camera"] == "c1") & (columns["lighting"] == "night")).sum())
        camera = int((columns["camera"] == "c1").sum())
        assert _fit_and_gate(_ask(held, NOW, scope=NIGHT)) == night
        assert _fit_and_gate(_ask(held, NOW + HOUR, scope=CAMERA)) == camera - night
        assert _fit_and_gate(_ask(held, NOW + 2 * HOUR)) == 6000 - camera
        current = _current(held)
        assert set(current) >= {NIGHT.text, CAMERA.text}
        foreign = _ask(held, NOW + 3 * HOUR, "rollback", CAMERA, to=current[NIGHT.text])
        assert foreign.reasons == (
            f"failed: calibrator {current[NIGHT.text]} is for {NIGHT.text}, not for {CAMERA.text}",
        )


def _fit_and_gate(job: Job) -> int:
    windows: Any = job.details
    return int(windows["fit"]["samples"] + windows["gate"]["samples"])


def test_a_rollback_puts_the_previous_calibrator_back_and_then_none(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        now = NOW + 16 * DAY
        job = _ask(held, now, "rollback")
        assert (job.state, job.reasons) == (JobState.DONE, (f"rolled back from {second} to {first}",))
        assert _current(held) == {"all": first}
        assert [threshold.calibrator for threshold in rows.load_thresholds(held.connection, "m")] == [first]
    with line(tmp_path / "none", MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        only = _calibrator(_ask(held, NOW))
        job = _ask(held, NOW + HOUR, "rollback")
        assert job.reasons == (f"rolled back from {only} to no calibrator (scores as they come)",)
        assert _current(held) == {}
        assert rows.load_thresholds(held.connection, "m") == ()
        refused = _ask(held, NOW + 2 * HOUR, "rollback")
        assert refused.state is JobState.FAILED
        assert refused.reasons == ('failed: model "m": no calibrator is in charge of all, nothing to roll back',)
        again = _ask(held, NOW + 3 * HOUR, "rollback", to=only)
        assert again.reasons == (f"rolled back from no calibrator to {only}",)
        assert _current(held) == {"all": only}


def test_a_rollback_to_an_id_takes_that_one_and_refuses_strangers(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        now = NOW + 16 * DAY
        for to in ("0123456789abcdef", f"../m/{first}"):
            refused = _ask(held, now, "rollback", to=to)
            assert refused.reasons == (f'failed: model "m": no calibrator {to} was ever promoted',)
            now += HOUR
        elsewhere = _ask(held, now, "rollback", CAMERA, to=first)
        assert elsewhere.reasons == (
            'failed: model "m": no calibrator is in charge of camera=c1, nothing to roll back',
        )  # fmt: skip
        assert _current(held) == {"all": second}
        assert _ask(held, now + HOUR, "rollback", to=first).state is JobState.DONE
        assert _current(held) == {"all": first}


def test_a_rollback_to_a_damaged_artefact_fails_and_the_present_one_stays(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        first, second = _two_promotions(held)
        path = held.cycle.config.state_dir / "calibrators" / "m" / f"{first}.json"
        path.write_text(path.read_text("utf-8").replace('"temperature": ', '"temperature": 1'), "utf-8")
        job = _ask(held, NOW + 16 * DAY, "rollback")
        assert job.state is JobState.FAILED
        assert "is damaged or was edited" in job.reasons[0]
        assert str(path) in job.reasons[0]
        assert _current(held) == {"all": second}


def test_a_damaged_file_of_the_calibrator_in_charge_stops_neither_samples_nor_the_way_back(tmp_path: Path) -> None:
    with line(tmp_path, MODEL.replace('method = "temperature"', 'method = "temperature"\napply = "monitor"')) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = _calibrator(_ask(held, NOW))
        (held.cycle.config.state_dir / "calibrators" / "m" / f"{id_}.json").write_text("{", "utf-8")
        held.arrive(NOW, NOW + HOUR, 100)
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert (
            held.one("SELECT count(*) FROM samples JOIN streams USING (stream_id) WHERE calibrator = $id", id=id_)
            == 100
        )
        assert _ask(held, NOW + 2 * HOUR, "rollback").state is JobState.DONE
        held.arrive(NOW + 2 * HOUR, NOW + 3 * HOUR, 100)
        held.tick(NOW + 3 * HOUR, publish=False)
        assert (
            held.one("SELECT count(*) FROM samples JOIN streams USING (stream_id) WHERE calibrator = $id", id=id_)
            == 100
        )


def test_a_crash_between_the_file_and_the_commit_leaves_no_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*_: Any) -> None:
        raise PowerCutError

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.jobs, "record_artefact", cut)
        with pytest.raises(PowerCutError):
            held.tick(NOW, publish=False)
        files = list((held.cycle.config.state_dir / "calibrators" / "m").glob("*.json"))
    assert [path.name for path in files] != []
    assert "current.json" not in {path.name for path in files}
    monkeypatch.undo()
    with line(tmp_path) as held:
        assert held.one("SELECT count(*) FROM serving") == 0
        assert held.one("SELECT state FROM jobs") == "running"
        (job,) = held.tick(NOW + HOUR, publish=False).jobs["m"]
        assert _current(held) == {"all": _calibrator(job)}
        assert held.one("SELECT count(*) FROM jobs") == 1


def test_a_crash_between_the_commit_and_current_json_is_put_right_by_the_next_cycle(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        id_ = _calibrator(_ask(held, NOW))
        path = held.cycle.config.state_dir / "calibrators" / "m" / "current.json"
        path.unlink()
        (tmp_path / "in" / "trouble.parquet").write_bytes(b"PAR1")
    with line(tmp_path) as held:
        held.tick(NOW + HOUR, publish=False)
        assert _current(held) == {"all": id_}


def test_a_promotion_whose_current_json_cannot_be_written_stays_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(directory: Path, current: object) -> Path:
        raise StoreError(f"{directory}/current.json: cannot be written (No space left on device)")

    with line(tmp_path, MODEL) as held:
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        leave(held.cycle.config.state_dir, "m", "recalibrate", ALL, NOW)
        monkeypatch.setattr(monitor.recalibration.charge, "write_current", no_space)
        assert "No space left" in held.tick(NOW, publish=False).failed["m"]
        assert held.one("SELECT state FROM jobs") == "promoted"
        monkeypatch.undo()
        assert held.tick(NOW + HOUR, publish=False).failed == {}
        assert _current(held) == {"all": held.one("SELECT calibrator FROM serving")}


def test_pre_counted_rows_and_rows_without_a_raw_score_are_left_out_with_the_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with line(tmp_path, MODEL) as held:
        columns = traffic(rng, "one", BEGAN, NOW, 3000, temperature=3.0)
        columns["n"] = np.where(np.arange(3000) < 40, 7, 1).astype(np.int64)
        columns["positives"] = columns["outcome"].astype(np.int64)
        columns["calibrator"] = np.where(np.arange(3000) >= 2970, "elsewhere", "").astype(object)
        columns["raw_score"] = np.ma.masked_array(columns["score"], mask=np.arange(3000) >= 2970)
        write_file(tmp_path / "in" / "one.parquet", columns)
        job = _ask(held, NOW)
        assert job.reasons[1:3] == (
            "left out 30 samples that carry a calibrated score but no raw_score or logits",
            "left out 40 pre-counted rows: a refit needs one row per sample",
        )  # fmt: skip
        assert _fit_and_gate(job) == 3000 - 30 - 40


def test_a_refit_reads_the_newest_version_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    with line(tmp_path, MODEL) as held:
        for version, began, n in (("v1", BEGAN, 2000), ("v2", BEGAN + 12 * HOUR, 700)):
            columns = traffic(rng, version, began, began + 12 * HOUR, n, temperature=3.0)
            columns["version"] = np.full(n, version, dtype=object)
            write_file(tmp_path / "in" / f"{version}.parquet", columns)
            held.tick(began + 12 * HOUR, publish=False)
        assert newest_version(held.connection, 1) == "v2"
        assert _fit_and_gate(_ask(held, NOW)) == 700


def test_a_refit_goes_back_no_further_than_the_fit_window(tmp_path: Path) -> None:
    section = MODEL.replace('method = "temperature"', 'method = "temperature"\nfit_window = "24h"')
    with line(tmp_path, section) as held:
        held.arrive(BEGAN, NOW, 800, temperature=3.0)
        held.arrive(NOW, NOW + DAY, 900, temperature=3.0)
        assert _fit_and_gate(_ask(held, NOW + DAY)) == 900
    assert load_config(tmp_path / "calwatch.toml").model[0].recalibration.fit_window == DAY
